//! The frames between a node and an executor process.
//!
//! A frame is a length (8 bytes, little-endian), a kind (1 byte), and either many messages in bitcode or one value with its
//! task. Values are never copied into one piece, and the buffers of large ones do not go through the pipe: the other end
//! is told where to map them. Both ends belong to one user and one build: there is no handshake.

use bitcode::{DecodeOwned, Encode};
use bytes::{BufMut, Bytes, BytesMut};
use raskal_store::{Frames, Lender, Loan};
use raskal_types::{GraphId, TaskId};
use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt};

const HEADER_BYTES: usize = 9;
const MESSAGES: u8 = 0;
const VALUE: u8 = 1;
const LENT: u8 = 2;

/// What one frame holds.
#[derive(Debug)]
pub enum Frame<M> {
    /// Messages, in order.
    Messages(Vec<M>),
    /// The value of a task.
    Value(TaskId, Frames),
    /// The value of a task, in memory that is lent until the other end says that it has it.
    Lent(TaskId, Loan),
}

impl<M> Frame<M> {
    /// The value of a task, lent if that is cheaper than sending it.
    pub fn value(task: TaskId, frames: Frames, lender: &Lender) -> Frame<M> {
        match lender.lend(&frames) {
            Some(loan) => Frame::Lent(task, loan),
            None => Frame::Value(task, frames),
        }
    }
}

impl<M: Encode> Frame<M> {
    /// The pieces to write, in order.
    pub fn pieces(&self) -> Vec<Bytes> {
        match self {
            Frame::Messages(messages) => {
                let body = bitcode::encode(messages);
                let mut piece = BytesMut::with_capacity(HEADER_BYTES + body.len());
                piece.put_u64_le(body.len() as u64);
                piece.put_u8(MESSAGES);
                piece.extend_from_slice(&body);
                vec![piece.freeze()]
            }
            Frame::Value(task, frames) => {
                let parts = 1 + frames.buffers.len();
                let body = 8 + 9 + 8 * parts + frames.size_bytes();
                let mut first = BytesMut::with_capacity(HEADER_BYTES + 8 + 9 + 8 + frames.head.len());
                first.put_u64_le(body as u64);
                first.put_u8(VALUE);
                first.put_u32_le(task.graph.0);
                first.put_u32_le(task.index);
                // From here on as `Frames::write_to` writes it.
                first.put_u8(frames.codec as u8);
                first.put_u64_le(frames.buffers.len() as u64);
                first.put_u64_le(frames.head.len() as u64);
                first.extend_from_slice(&frames.head);
                let mut pieces = vec![first.freeze()];
                for buffer in &frames.buffers {
                    pieces.push(Bytes::copy_from_slice(&(buffer.len() as u64).to_le_bytes()));
                    pieces.push(buffer.clone());
                }
                pieces
            }
            Frame::Lent(task, loan) => {
                let body = loan.to_bytes();
                let mut piece = BytesMut::with_capacity(HEADER_BYTES + 8 + body.len());
                piece.put_u64_le(8 + body.len() as u64);
                piece.put_u8(LENT);
                piece.put_u32_le(task.graph.0);
                piece.put_u32_le(task.index);
                piece.extend_from_slice(&body);
                vec![piece.freeze()]
            }
        }
    }

    /// Writes the frame, blocking.
    ///
    /// # Errors
    /// If the other end is gone.
    pub fn write(&self, into: &mut impl Write) -> io::Result<()> {
        self.pieces().iter().try_for_each(|piece| into.write_all(piece))
    }
}

impl<M: DecodeOwned> Frame<M> {
    /// Reads the next frame, blocking; `None` when the other end has closed the pipe between two.
    ///
    /// # Errors
    /// If the pipe breaks or the bytes are not a frame.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Frame<M>>> {
        let mut header = [0; HEADER_BYTES];
        match from.read(&mut header)? {
            0 => return Ok(None),
            count => from.read_exact(&mut header[count..])?,
        }
        let (length, kind) = parse(&header)?;
        let mut body = Vec::new();
        body.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        from.take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Frame::decode(kind, body.into()).map(Some)
    }

    /// Reads the next frame; `None` when the other end has closed the pipe between two.
    ///
    /// # Errors
    /// If the pipe breaks or the bytes are not a frame.
    pub async fn read_async(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame<M>>> {
        let mut header = [0; HEADER_BYTES];
        match from.read(&mut header).await? {
            0 => return Ok(None),
            count => from.read_exact(&mut header[count..]).await?,
        };
        let (length, kind) = parse(&header)?;
        let mut body = Vec::new();
        body.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        from.take(length as u64).read_to_end(&mut body).await?;
        if body.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Frame::decode(kind, body.into()).map(Some)
    }

    fn decode(kind: u8, body: Bytes) -> io::Result<Frame<M>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if kind == MESSAGES {
            return bitcode::decode(&body).map(Frame::Messages).map_err(|error| wrong(&error.to_string()));
        }
        let number = |at: usize| body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let task = number(0).zip(number(4)).map(|(graph, index)| TaskId { graph: GraphId(graph), index });
        let task = task.ok_or_else(|| wrong("a value without a task"))?;
        let cut = || wrong("a value that is cut short");
        if kind == LENT {
            return Ok(Frame::Lent(task, Loan::from_bytes(&body.slice(8..)).ok_or_else(cut)?));
        }
        Ok(Frame::Value(task, Frames::read_from(&body.slice(8..)).ok_or_else(cut)?))
    }
}

fn parse(header: &[u8; HEADER_BYTES]) -> io::Result<(usize, u8)> {
    let (length, kind) = header.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
    match (usize::try_from(length), kind[0]) {
        (Ok(length), kind @ (MESSAGES | VALUE | LENT)) => Ok((length, kind)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame: something else writes to the pipe")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_store::Codec;

    fn task() -> TaskId {
        TaskId { graph: GraphId(3), index: 9 }
    }

    #[test]
    fn messages_and_values_come_out_as_they_went_in() {
        let frames = Frames {
            codec: Codec::Pickle,
            head: Bytes::from_static(b"head"),
            buffers: vec![Bytes::new(), Bytes::from_static(b"buffer")],
        };
        let mut bytes = Vec::new();
        Frame::Messages(vec![1u32, 2]).write(&mut bytes).unwrap();
        Frame::<u32>::Value(task(), frames.clone()).write(&mut bytes).unwrap();
        let mut from = bytes.as_slice();
        assert!(
            matches!(Frame::<u32>::read(&mut from).unwrap(), Some(Frame::Messages(messages)) if messages == [1, 2])
        );
        let Some(Frame::Value(id, read)) = Frame::<u32>::read(&mut from).unwrap() else { panic!("not a value") };
        assert_eq!((id, read.head, read.buffers), (task(), frames.head, frames.buffers));
        assert!(Frame::<u32>::read(&mut from).unwrap().is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_large_value_does_not_go_through_the_pipe() {
        let frames = Frames {
            codec: Codec::Pickle,
            head: Bytes::from_static(b"head"),
            buffers: vec![Bytes::from(vec![5; raskal_store::shared::SHARED_BYTES_MIN])],
        };
        let lender = Lender::new(std::process::id());
        let mut bytes = Vec::new();
        Frame::<u32>::value(task(), frames.clone(), &lender).write(&mut bytes).unwrap();
        assert!(bytes.len() < 200);
        let Some(Frame::Lent(id, loan)) = Frame::<u32>::read(&mut bytes.as_slice()).unwrap() else {
            panic!("not lent")
        };
        let read = loan.take().unwrap();
        assert_eq!((id, read.head, read.buffers), (task(), frames.head, frames.buffers));
    }

    #[test]
    fn a_stray_print_into_the_pipe_is_told_as_such() {
        let error = Frame::<u32>::read(&mut &b"hello world"[..]).unwrap_err();
        assert!(error.to_string().contains("something else writes to the pipe"), "{error}");
    }
}
