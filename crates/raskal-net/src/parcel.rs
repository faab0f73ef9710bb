//! The form of requests and answers on a data connection.
//!
//! A prefix of 24 bytes (id, kind, number of buffers, head's length), the buffers' lengths, the head, the buffers; all
//! numbers little-endian. Lengths come first, so that the reader can refuse before it allocates.

use crate::connection::lost;
use crate::data::DataOptions;
use crate::stream::Stream;
use crate::{NetError, Peer};
use bytes::{BufMut, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

const PREFIX_BYTES: usize = 24;

/// Small parcels are gathered to this size before they are written.
const GATHER_BYTES: usize = 256 << 10;

/// How many pieces go into one system call.
const SLICES_MAX: usize = 64;

/// A small head, and large raw buffers beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// Small description.
    pub head: Bytes,
    /// Large raw parts.
    pub buffers: Vec<Bytes>,
}

impl Parcel {
    /// Bytes of head and buffers together.
    pub fn size_bytes(&self) -> usize {
        self.head.len() + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Request = 0,
    Answer = 1,
    Refusal = 2,
}

/// A parcel with the number of the request that it is or answers.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) parcel: Parcel,
}

pub(crate) fn reader(read: ReadHalf<Stream>) -> BufReader<ReadHalf<Stream>> {
    // Large buffers go around it: tokio reads them in place when nothing is buffered.
    BufReader::with_capacity(64 << 10, read)
}

/// Reads the next parcel; `None` when the peer has closed the connection between two.
pub(crate) async fn read(
    read: &mut (impl AsyncRead + Unpin),
    options: &DataOptions,
    peer: &Peer,
) -> Result<Option<Envelope>, NetError> {
    let lost = |error: io::Error| lost(&peer.to_string(), &error);
    let wrong = |reason: String| NetError::malformed(peer, reason);
    let mut prefix = [0; PREFIX_BYTES];
    match read.read(&mut prefix).await.map_err(lost)? {
        0 => return Ok(None),
        count => read.read_exact(&mut prefix[count..]).await.map_err(lost)?,
    };
    let [id, kind_and_count, head_len] = [0, 8, 16].map(|at| read_u64(&prefix[at..at + 8]));
    let (kind, count) = (kind_and_count as u32, (kind_and_count >> 32) as u32);
    let kind = [Kind::Request, Kind::Answer, Kind::Refusal].into_iter().find(|known| *known as u32 == kind);
    let kind = kind.ok_or_else(|| wrong("its prefix is not that of a request or an answer".to_owned()))?;
    if count > options.buffers_max {
        return Err(wrong(format!("it announces {count} buffers, and the limit is {}", options.buffers_max)));
    }
    let table = read_bytes(read, u64::from(count) * 8).await.map_err(lost)?;
    let lengths: Vec<u64> = std::iter::once(head_len).chain(table.chunks_exact(8).map(read_u64)).collect();
    let total = lengths.iter().try_fold(0u64, |total, length| total.checked_add(*length));
    if total.is_none_or(|total| total > options.parcel_bytes_max) {
        let total = total.map_or("over 2^64".to_owned(), |total| total.to_string());
        return Err(wrong(format!("it announces {total} bytes, and the limit is {}", options.parcel_bytes_max)));
    }
    let head = read_bytes(read, head_len).await.map_err(lost)?.into();
    let mut buffers = Vec::with_capacity(count as usize);
    for length in &lengths[1..] {
        buffers.push(read_bytes(read, *length).await.map_err(lost)?.into());
    }
    Ok(Some(Envelope { id, kind, parcel: Parcel { head, buffers } }))
}

fn read_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads exactly `length` bytes into memory of that size. The length is within the limits by now; the system gives
/// pages as they are filled, so a peer that announces much and sends little costs little.
async fn read_bytes(read: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<Vec<u8>> {
    let no_memory =
        || io::Error::new(io::ErrorKind::OutOfMemory, format!("no memory for the {length} bytes it announces"));
    let length_usize = usize::try_from(length).map_err(|_| no_memory())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length_usize).map_err(|_| no_memory())?;
    while bytes.len() < length_usize {
        let left = length_usize - bytes.len();
        if read.read_buf(&mut (&mut bytes).limit(left)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}

/// Writes parcels until nobody can post any more, then ends the stream in order.
pub(crate) async fn write_all(
    mut write: WriteHalf<Stream>,
    mut posted: mpsc::Receiver<Envelope>,
    peer: &Peer,
) -> Result<(), NetError> {
    let mut pieces = VecDeque::new();
    while let Some(envelope) = posted.recv().await {
        let mut gathered = add_pieces(envelope, &mut pieces);
        while gathered < GATHER_BYTES
            && let Ok(envelope) = posted.try_recv()
        {
            gathered += add_pieces(envelope, &mut pieces);
        }
        write_pieces(&mut write, &mut pieces).await.map_err(|error| lost(&peer.to_string(), &error))?;
    }
    // A peer that is gone already has nothing more to be told.
    let _ = write.shutdown().await;
    Ok(())
}

fn add_pieces(envelope: Envelope, pieces: &mut VecDeque<Bytes>) -> usize {
    let Envelope { id, kind, parcel } = envelope;
    let mut prefix = Vec::with_capacity(PREFIX_BYTES + 8 * parcel.buffers.len());
    prefix.put_u64_le(id);
    prefix.put_u32_le(kind as u32);
    prefix.put_u32_le(parcel.buffers.len() as u32);
    prefix.put_u64_le(parcel.head.len() as u64);
    for buffer in &parcel.buffers {
        prefix.put_u64_le(buffer.len() as u64);
    }
    let size = prefix.len() + parcel.size_bytes();
    let all = [prefix.into(), parcel.head].into_iter().chain(parcel.buffers);
    pieces.extend(all.filter(|piece| !piece.is_empty()));
    size
}

/// Writes the pieces one after the other, each from where it lies.
async fn write_pieces(write: &mut WriteHalf<Stream>, pieces: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let mut written = write.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(piece) = pieces.front_mut() {
            if piece.len() > written {
                bytes::Buf::advance(piece, written);
                break;
            }
            written -= piece.len();
            pieces.pop_front();
        }
    }
    write.flush().await
}
