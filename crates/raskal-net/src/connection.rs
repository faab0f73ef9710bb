//! Messages on a link: many per frame, a bounded queue, and a reason for everybody when it ends.
//!
//! Start at [`Sender`] and [`Receiver`]; [`crate::writer`] is between the queue and the socket. A frame is a
//! length (4 bytes, little-endian) and a `Vec` of messages in bitcode. A lone message leaves at once; under load all
//! that gathered while the last frame was written share the next one.
//! Invariant: a frame is never allocated on the strength of its announced length, only as its bytes arrive.

use crate::queue::Queue;
use crate::stream::Stream;
use crate::writer::Writer;
use crate::{NetError, Peer};
use bitcode::{DecodeOwned, Encode};
use bytes::{Buf, BytesMut};
use std::marker::PhantomData;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, ReadHalf};

/// Bytes of a frame's length.
pub(crate) const LENGTH_BYTES: usize = 4;

/// How much is read at a time into a frame whose length is only announced.
const READ_BYTES: usize = 64 << 10;

/// Limits of one connection.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The largest frame, sent or received.
    pub frame_bytes_max: usize,
    /// How many messages wait in the queue before [`Sender::send`] waits.
    pub queue_len: usize,
    /// The most messages of one frame.
    pub batch_len_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> ConnectionOptions {
        ConnectionOptions { frame_bytes_max: 64 << 20, queue_len: 64 << 10, batch_len_max: 8 << 10 }
    }
}

/// How much has been written to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages.
    pub messages: u64,
    /// Frames that held them.
    pub frames: u64,
    /// Bytes of the frames, before encryption.
    pub bytes: u64,
}

pub(crate) fn start<S, R>(stream: Stream, peer: Peer, options: ConnectionOptions) -> (Sender<S>, Receiver<R>)
where
    S: Encode + Send + 'static,
    R: DecodeOwned,
{
    let (read, write) = tokio::io::split(stream);
    let peer = Arc::new(peer);
    let queue = Arc::new(Queue::new(peer.to_string(), options.queue_len));
    let writer = Arc::new(Writer::new(write, queue.clone(), options.clone()));
    tokio::spawn(writer.clone().run());
    let receiver = Receiver {
        read,
        peer: peer.clone(),
        queue: queue.clone(),
        frame_bytes_max: options.frame_bytes_max,
        buffer: BytesMut::new(),
        decoder: bitcode::Buffer::new(),
        messages: PhantomData,
    };
    queue.add_sender();
    (Sender { queue, writer, peer, frame_bytes_max: options.frame_bytes_max }, receiver)
}

/// What waits to be written.
pub(crate) enum Queued<M> {
    /// To be encoded together with its neighbours.
    Message(M),
    /// Encoded by its sender already.
    Frame(Vec<u8>),
}

/// The sending half of a connection; clones are cheap and share the queue.
///
/// When the last clone is dropped, or [`Sender::close`] is called, what is queued is written and the connection closes.
pub struct Sender<M> {
    queue: Arc<Queue<Queued<M>>>,
    writer: Arc<Writer<M>>,
    peer: Arc<Peer>,
    frame_bytes_max: usize,
}

impl<M: Encode> Sender<M> {
    /// Queues a message, waiting while the queue is full. Cancel safe: a cancelled send has sent nothing.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn send(&self, message: M) -> Result<(), NetError> {
        self.queue.push_when_room(Queued::Message(message)).await
    }

    /// Queues messages without waiting, beyond the queue's bound if need be: for a loop that serves many peers and must
    /// not wait for one. Watch [`Sender::queued`] and drop a peer that does not read. Callable from any thread.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub fn push(&self, messages: impl IntoIterator<Item = M>) -> Result<(), NetError> {
        self.queue.push(messages.into_iter().map(Queued::Message))?;
        self.queue.wake();
        Ok(())
    }

    /// Queues messages like [`Sender::push`] and writes them from this thread, if the socket takes them at once: for a
    /// thread outside the runtime that waits for an answer. Waking the runtime's thread may cost more than the message's
    /// whole way.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub fn push_now(&self, messages: impl IntoIterator<Item = M>) -> Result<(), NetError> {
        self.queue.push(messages.into_iter().map(Queued::Message))?;
        self.writer.write_now();
        Ok(())
    }

    /// Queues one large message as a frame of its own, encoded by the caller and not by the writer: the caller learns if
    /// it is too large, and small messages of others don't wait for its encoding. Order is kept.
    ///
    /// # Errors
    /// If it is over the connection's limit (the connection lives on), or why the connection has ended.
    pub async fn send_large(&self, message: M) -> Result<(), NetError> {
        let frame = bitcode::encode(std::slice::from_ref(&message));
        if frame.len() > self.frame_bytes_max {
            return Err(NetError::TooLarge {
                peer: self.peer.to_string(),
                size_bytes: frame.len() as u64,
                limit_bytes: self.frame_bytes_max as u64,
            });
        }
        self.queue.push_when_room(Queued::Frame(frame)).await
    }
}

impl<M> Sender<M> {
    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// How many messages wait to be written.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How much has been written so far.
    pub fn written(&self) -> Written {
        self.queue.written()
    }

    /// Closes the connection once what is queued has been written (it is given 5 s). Later sends fail.
    pub fn close(&self) {
        self.queue.close_in_order();
    }

    /// Waits until the connection has ended, for whatever reason, and tells it.
    pub async fn closed(&self) -> NetError {
        self.queue.closed().await
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Sender<M> {
        self.queue.add_sender();
        let (queue, writer) = (self.queue.clone(), self.writer.clone());
        Sender { queue, writer, peer: self.peer.clone(), frame_bytes_max: self.frame_bytes_max }
    }
}

impl<M> Drop for Sender<M> {
    fn drop(&mut self) {
        self.queue.remove_sender();
    }
}

impl<M> std::fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender(to {})", self.peer)
    }
}

/// The receiving half of a connection. Dropping it closes the connection like [`Sender::close`].
pub struct Receiver<M> {
    read: ReadHalf<Stream>,
    peer: Arc<Peer>,
    queue: Arc<dyn Ends>,
    frame_bytes_max: usize,
    buffer: BytesMut,
    decoder: bitcode::Buffer,
    messages: PhantomData<fn() -> M>,
}

/// The end of a connection, as a receiver knows it: without the type of what is sent.
pub(crate) trait Ends: Send + Sync {
    fn fail(&self, error: NetError);
    fn close_in_order(&self);
    fn reason(&self) -> Option<NetError>;
}

impl<M: DecodeOwned> Receiver<M> {
    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The messages of the next frame, in the order they were sent; `None` when the peer has closed the connection in
    /// order. Cancel safe.
    ///
    /// # Errors
    /// If the connection breaks or the peer sends a malformed frame, which closes it; every sender gets the reason.
    pub async fn receive(&mut self) -> Result<Option<Vec<M>>, NetError> {
        loop {
            match self.decode_frame() {
                Ok(Some(messages)) if messages.is_empty() => continue,
                Ok(Some(messages)) => return Ok(Some(messages)),
                Ok(None) => {}
                Err(error) => return Err(self.fail(error)),
            }
            self.buffer.reserve(READ_BYTES);
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => {
                    self.queue.fail(NetError::Closed { peer: self.peer.to_string() });
                    return Ok(None);
                }
                Ok(0) => return Err(self.fail(NetError::lost(&*self.peer, "it ended in the middle of a frame"))),
                Ok(_) => {}
                Err(error) => {
                    // What the writer met first, if it did, is the better reason.
                    let error = self.queue.reason().unwrap_or_else(|| lost(&self.peer.to_string(), &error));
                    return Err(self.fail(error));
                }
            }
        }
    }

    fn decode_frame(&mut self) -> Result<Option<Vec<M>>, NetError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.frame_bytes_max {
            let reason = format!("it announces {length} bytes, and the limit is {}", self.frame_bytes_max);
            return Err(NetError::malformed(&*self.peer, reason));
        }
        let Some(frame) = self.buffer.get(LENGTH_BYTES..LENGTH_BYTES + length) else { return Ok(None) };
        let messages = self.decoder.decode(frame).map_err(|error| {
            NetError::malformed(&*self.peer, format!("{length} bytes that are not messages ({error})"))
        })?;
        self.buffer.advance(LENGTH_BYTES + length);
        if self.buffer.is_empty() && length > READ_BYTES {
            // A rare large frame must not keep its memory for the life of the connection.
            self.buffer = BytesMut::new();
            self.decoder = bitcode::Buffer::new();
        }
        Ok(Some(messages))
    }

    fn fail(&self, error: NetError) -> NetError {
        self.queue.fail(error.clone());
        error
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        self.queue.close_in_order();
    }
}

impl<M> std::fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver(from {})", self.peer)
    }
}

/// The error of a broken socket in words.
pub(crate) fn lost(peer: &str, error: &std::io::Error) -> NetError {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        ConnectionReset | BrokenPipe | UnexpectedEof => NetError::lost(peer, "its process ended or the network broke"),
        _ => crate::tls::explain(peer, error).unwrap_or_else(|| NetError::lost(peer, error)),
    }
}
