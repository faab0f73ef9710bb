//! What writes a connection's queue to its socket.
//!
//! Start at [`Writer::poll_write`]: it encodes what waits into frames, many messages each, and flushes when nothing waits
//! any more. Mostly the task of [`Writer::run`] calls it; a sender that can't wait for that task's thread to wake writes
//! itself ([`Writer::write_now`]).
//! Invariant: what is taken off the queue is written in its order, since both happen under one lock.

use crate::NetError;
use crate::connection::{ConnectionOptions, LENGTH_BYTES, Queued, Written, lost};
use crate::queue::{Queue, Work};
use crate::stream::Stream;
use bitcode::Encode;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::iter::Peekable;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt, WriteHalf};

/// Frames are gathered to this size before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// How long a peer may take to read what is left when the connection closes.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection's queue and the way to its socket.
pub(crate) struct Writer<M> {
    queue: Arc<Queue<Queued<M>>>,
    options: ConnectionOptions,
    pen: Mutex<Pen<M>>,
}

struct Pen<M> {
    /// None once the connection has ended.
    write: Option<WriteHalf<Stream>>,
    frames: Frames,
    taken: Peekable<std::vec::IntoIter<Queued<M>>>,
    /// Whether the socket took no more: the task waits for it, and nobody else may.
    blocked: bool,
}

impl<M: Encode> Writer<M> {
    pub(crate) fn new(write: WriteHalf<Stream>, queue: Arc<Queue<Queued<M>>>, options: ConnectionOptions) -> Writer<M> {
        let taken = Vec::new().into_iter().peekable();
        let pen = Pen { write: Some(write), frames: Frames::default(), taken, blocked: false };
        Writer { queue, options, pen: Mutex::new(pen) }
    }

    /// Writes until the connection closes or fails, and records why it ended.
    pub(crate) async fn run(self: Arc<Self>) {
        let queue = &self.queue;
        let deadline = async {
            queue.closing().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let written = tokio::select! {
            written = self.write_all() => written,
            () = deadline => Err(NetError::lost(queue.peer(), "it did not read what was left when the connection closed")),
        };
        match written {
            Ok(()) => queue.fail(NetError::Closed { peer: queue.peer().to_owned() }),
            Err(error) => {
                tracing::debug!(%error, "a connection ended");
                queue.fail(error);
            }
        }
        let write = self.pen.lock().write.take();
        if let Some(mut write) = write {
            // Ends the stream for the reader of both sides; a broken socket can't be broken any further.
            let _ = tokio::time::timeout(FAREWELL, write.shutdown()).await;
        }
    }

    async fn write_all(&self) -> Result<(), NetError> {
        loop {
            match poll_fn(|context| self.poll_write(&mut self.pen.lock(), context)).await? {
                Some(Work::Finish | Work::Abandon) => return Ok(()),
                Some(Work::Write) | None => self.queue.work().await,
            }
        }
    }

    /// Writes what waits from this thread, unless another does so or the socket takes no more; then the task goes on.
    pub(crate) fn write_now(&self) {
        if let Some(mut pen) = self.pen.try_lock()
            && !pen.blocked
        {
            match self.poll_write(&mut pen, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(None)) => return,
                Poll::Ready(Err(error)) => self.queue.fail(error),
                Poll::Ready(Ok(Some(_))) | Poll::Pending => {}
            }
        }
        self.queue.wake();
    }

    /// Takes and writes until nothing waits and all of it has left: then None, or what else is to be done.
    fn poll_write(&self, pen: &mut Pen<M>, context: &mut Context<'_>) -> Poll<Result<Option<Work>, NetError>> {
        let polled = self.poll_pen(pen, context);
        pen.blocked = polled.is_pending();
        polled
    }

    fn poll_pen(&self, pen: &mut Pen<M>, context: &mut Context<'_>) -> Poll<Result<Option<Work>, NetError>> {
        let Pen { write: Some(write), frames, taken, .. } = pen else { return Poll::Ready(Ok(Some(Work::Abandon))) };
        let broken = |error: std::io::Error| lost(self.queue.peer(), &error);
        loop {
            while frames.bytes.len() < WRITE_BYTES && taken.peek().is_some() {
                frames.gather(taken, &self.options, self.queue.peer())?;
            }
            if !frames.bytes.is_empty() {
                ready!(frames.poll_write(write, context)).map_err(broken)?;
                self.queue.count_written(std::mem::take(&mut frames.gathered));
                continue;
            }
            let mut waiting = Vec::new();
            match self.queue.try_take(&mut waiting) {
                Some(Work::Write) => *taken = waiting.into_iter().peekable(),
                other => {
                    ready!(Pin::new(write).poll_flush(context)).map_err(broken)?;
                    return Poll::Ready(Ok(other));
                }
            }
        }
    }
}

/// Encoded frames that wait to be written.
#[derive(Default)]
struct Frames {
    encoder: bitcode::Buffer,
    bytes: Vec<u8>,
    /// How many of the bytes were written.
    written: usize,
    gathered: Written,
}

impl Frames {
    /// Makes a frame of the next messages, or takes one that its sender encoded.
    fn gather<M: Encode>(
        &mut self,
        items: &mut Peekable<std::vec::IntoIter<Queued<M>>>,
        options: &ConnectionOptions,
        peer: &str,
    ) -> Result<(), NetError> {
        let mut batch = Vec::new();
        while batch.len() < options.batch_len_max.max(1) {
            match items.next_if(|item| matches!(item, Queued::Message(_)) || batch.is_empty()) {
                Some(Queued::Message(message)) => batch.push(message),
                Some(Queued::Frame(frame)) => {
                    self.add(&frame, 1);
                    return Ok(());
                }
                None => break,
            }
        }
        self.encode(&batch, options.frame_bytes_max, peer)
    }

    /// Encodes messages in one frame, or in several if they are too large together.
    fn encode<M: Encode>(&mut self, batch: &[M], frame_bytes_max: usize, peer: &str) -> Result<(), NetError> {
        let length = {
            let frame = self.encoder.encode(batch);
            if frame.len() <= frame_bytes_max {
                self.bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
                self.bytes.extend_from_slice(frame);
            }
            frame.len()
        };
        if length <= frame_bytes_max {
            self.count(batch.len(), length);
            return Ok(());
        }
        if batch.len() > 1 {
            let (first, second) = batch.split_at(batch.len() / 2);
            self.encode(first, frame_bytes_max, peer)?;
            return self.encode(second, frame_bytes_max, peer);
        }
        Err(NetError::TooLarge {
            peer: peer.to_owned(),
            size_bytes: length as u64,
            limit_bytes: frame_bytes_max as u64,
        })
    }

    fn add(&mut self, frame: &[u8], messages: usize) {
        self.bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(frame);
        self.count(messages, frame.len());
    }

    fn count(&mut self, messages: usize, length: usize) {
        self.gathered.messages += messages as u64;
        self.gathered.frames += 1;
        self.gathered.bytes += (LENGTH_BYTES + length) as u64;
    }

    /// Writes all of it; what was written before the socket took no more is remembered.
    fn poll_write(&mut self, write: &mut WriteHalf<Stream>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.written < self.bytes.len() {
            match ready!(Pin::new(&mut *write).poll_write(context, &self.bytes[self.written..]))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.bytes.clear();
        self.written = 0;
        if self.bytes.capacity() > 4 * WRITE_BYTES {
            // A rare large frame must not keep its memory for the life of the connection.
            self.bytes = Vec::new();
            self.encoder = bitcode::Buffer::new();
        }
        Poll::Ready(Ok(()))
    }
}
