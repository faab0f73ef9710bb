//! The form of a value in a file: a header that tells the parts, the parts, and a checksum over all of it.

use crate::frames::{Codec, Frames};
use bytes::Bytes;
use std::io::{self, Read, Write};

/// The first bytes of a value: what it is, and the version of its form.
const MAGIC: [u8; 8] = *b"rskspl01";
/// Of a part, so many bytes are compressed to see whether it pays.
const SAMPLE_BYTES: usize = 64 << 10;
/// Parts are compressed in blocks of this size, so that a compressed copy stays small.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// More than a header takes.
pub(super) const HEADER_BYTES: usize = 256;

/// What goes through it is added to the checksum.
struct Checked<T> {
    inner: T,
    hash: crc32fast::Hasher,
}

impl<T: Write> Checked<T> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Checked<T> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.take(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Writes a value.
pub(super) fn write(frames: &Frames, into: &mut impl Write) -> io::Result<()> {
    let mut output = Checked { inner: into, hash: crc32fast::Hasher::new() };
    output.put(&MAGIC)?;
    output.put(&[frames.codec as u8])?;
    output.put(&(frames.buffers.len() as u64).to_le_bytes())?;
    for part in std::iter::once(&frames.head).chain(&frames.buffers) {
        let packed = pays(part);
        output.put(&(part.len() as u64).to_le_bytes())?;
        output.put(&[u8::from(packed)])?;
        if packed {
            for block in part.chunks(BLOCK_BYTES) {
                let block = lz4_flex::block::compress(block);
                output.put(&(block.len() as u64).to_le_bytes())?;
                output.put(&block)?;
            }
        } else {
            for block in part.chunks(BLOCK_BYTES) {
                output.put(block)?;
            }
        }
    }
    let checksum = output.hash.finalize();
    output.inner.write_all(&checksum.to_le_bytes())
}

/// Reads a value of so many bytes.
///
/// # Errors
/// `UnexpectedEof` if it is cut short, `InvalidData` if it is not what was written, and whatever the disk says.
pub(super) fn read(input: &mut impl Read, length: u64) -> io::Result<Frames> {
    let mut input = Checked { inner: input, hash: crc32fast::Hasher::new() };
    let frames = read_parts(&mut input, length)?;
    let expected = input.hash.finalize();
    let mut found = [0; 4];
    input.inner.read_exact(&mut found)?;
    if u32::from_le_bytes(found) != expected {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"));
    }
    Ok(frames)
}

/// Whether compressing a part saves a fifth of it or more, by the look of its middle.
fn pays(part: &[u8]) -> bool {
    if part.len() < 4096 {
        return false;
    }
    let first = (part.len() / 2).saturating_sub(SAMPLE_BYTES / 2);
    let sample = &part[first..(first + SAMPLE_BYTES).min(part.len())];
    lz4_flex::block::compress(sample).len() < sample.len() / 5 * 4
}

fn read_parts(input: &mut Checked<&mut impl Read>, limit: u64) -> io::Result<Frames> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut magic = [0; MAGIC.len()];
    input.take(&mut magic)?;
    if magic != MAGIC {
        return Err(bad("it is not a spilled value"));
    }
    let mut codec = [0];
    input.take(&mut codec)?;
    let codec = Codec::from_tag(codec[0]).ok_or_else(|| bad("it has an unknown codec"))?;
    let count = input.number()?;
    let mut parts = Vec::new();
    for _ in 0..=count {
        let length = input.number()?;
        let mut packed = [0];
        input.take(&mut packed)?;
        // Before the checksum is known lengths are only believed as far as the file could hold them.
        if packed[0] == 0 && length > limit || length > limit.saturating_mul(256) {
            return Err(bad("it tells impossible lengths"));
        }
        parts.push(if packed[0] == 0 { read_plain(input, length)? } else { read_packed(input, length)? });
    }
    let mut parts = parts.into_iter();
    let head = parts.next().unwrap_or_default();
    Ok(Frames { codec, head, buffers: parts.collect() })
}

fn read_plain(input: &mut Checked<&mut impl Read>, length: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(length as usize);
    let got = input.inner.by_ref().take(length).read_to_end(&mut bytes)?;
    if (got as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // In the pieces in which it was added when it was written: the sum does not depend on them.
    input.hash.update(&bytes);
    Ok(bytes.into())
}

fn read_packed(input: &mut Checked<&mut impl Read>, length: u64) -> io::Result<Bytes> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a block of it can't be decompressed");
    let mut bytes = Vec::with_capacity(length as usize);
    let mut packed = Vec::new();
    while (bytes.len() as u64) < length {
        let size = input.number()? as usize;
        if size > 2 * BLOCK_BYTES {
            return Err(bad());
        }
        packed.resize(size, 0);
        input.take(&mut packed)?;
        let block = (length as usize - bytes.len()).min(BLOCK_BYTES);
        let start = bytes.len();
        bytes.resize(start + block, 0);
        let got = lz4_flex::block::decompress_into(&packed, &mut bytes[start..]).map_err(|_| bad())?;
        if got != block {
            return Err(bad());
        }
    }
    Ok(bytes.into())
}
