//! A value as bytes: a small head, and the raw buffers beside it.
//!
//! Start at [`Frames`]. Buffers are never copied into one piece here; transports write them one after the other.

use bytes::Bytes;

/// How the head and buffers of a value are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// A [`crate::Block`]: the head names dtype and shape, the one buffer holds the elements.
    Block = 0,
    /// Arrow IPC stream of record batches in the one buffer.
    Arrow = 1,
    /// Pickle protocol 5 in the head, out-of-band buffers beside it.
    Pickle = 2,
}

impl Codec {
    /// The codec of a tag byte from the wire.
    pub fn from_tag(tag: u8) -> Option<Codec> {
        [Codec::Block, Codec::Arrow, Codec::Pickle].into_iter().find(|codec| *codec as u8 == tag)
    }
}

/// A value as bytes.
#[derive(Clone, Debug)]
pub struct Frames {
    /// How to read the rest.
    pub codec: Codec,
    /// Small description.
    pub head: Bytes,
    /// Large raw parts.
    pub buffers: Vec<Bytes>,
}

impl Frames {
    /// Bytes of head and buffers together.
    pub fn size_bytes(&self) -> usize {
        self.head.len() + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }

    /// Appends the value in one piece: codec, then head and buffers, each behind its length (8 bytes, little-endian).
    pub fn write_to(&self, into: &mut Vec<u8>) {
        into.reserve(self.size_bytes() + 9 + 8 * (self.buffers.len() + 1));
        into.push(self.codec as u8);
        into.extend_from_slice(&(self.buffers.len() as u64).to_le_bytes());
        for part in std::iter::once(&self.head).chain(&self.buffers) {
            into.extend_from_slice(&(part.len() as u64).to_le_bytes());
            into.extend_from_slice(part);
        }
    }

    /// Reads what [`Frames::write_to`] wrote, sharing the bytes; `None` if they are anything else.
    ///
    /// ```
    /// use raskal_store::{Block, Frames, Value};
    /// let frames = Value::from(Block::from_vec(vec![1u8, 2], &[2])).to_frames()?;
    /// let mut bytes = Vec::new();
    /// frames.write_to(&mut bytes);
    /// assert_eq!(Frames::read_from(&bytes.into()).unwrap().buffers, frames.buffers);
    /// assert!(Frames::read_from(&vec![7; 20].into()).is_none());
    /// # Ok::<(), raskal_store::ValueError>(())
    /// ```
    pub fn read_from(bytes: &Bytes) -> Option<Frames> {
        let mut at = 0usize;
        let mut take = |length: usize| {
            let part = (at.checked_add(length)? <= bytes.len()).then(|| bytes.slice(at..at + length));
            at += length;
            part
        };
        let codec = Codec::from_tag(take(1)?[0])?;
        let count = u64::from_le_bytes(take(8)?[..].try_into().ok()?);
        let mut part = || {
            let length = u64::from_le_bytes(take(8)?[..].try_into().ok()?);
            take(usize::try_from(length).ok()?)
        };
        let head = part()?;
        let mut buffers = Vec::new();
        for _ in 0..count {
            buffers.push(part()?);
        }
        (at == bytes.len()).then_some(Frames { codec, head, buffers })
    }
}
