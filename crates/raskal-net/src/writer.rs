//! The task that writes a connection's queue to its socket.
//!
//! Start at [`run`]. It encodes what waits into frames, many messages each, and flushes when nothing waits any more.

use crate::NetError;
use crate::connection::{ConnectionOptions, LENGTH_BYTES, Queued, Written, lost};
use crate::queue::{Queue, Work};
use crate::stream::Stream;
use bitcode::Encode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, WriteHalf};

/// Frames are gathered to this size before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// How long a peer may take to read what is left when the connection closes.
const FAREWELL: Duration = Duration::from_secs(5);

/// Writes until the connection closes or fails, and records why it ended.
pub(crate) async fn run<M: Encode + Send + 'static>(
    mut write: WriteHalf<Stream>,
    queue: Arc<Queue<Queued<M>>>,
    options: ConnectionOptions,
) {
    let deadline = async {
        queue.closing().await;
        tokio::time::sleep(FAREWELL).await;
    };
    let written = tokio::select! {
        written = write_all(&mut write, &queue, &options) => written,
        () = deadline => Err(NetError::lost(queue.peer(), "it did not read what was left when the connection closed")),
    };
    match written {
        Ok(()) => queue.fail(NetError::Closed { peer: queue.peer().to_owned() }),
        Err(error) => {
            tracing::debug!(%error, "a connection ended");
            queue.fail(error);
        }
    }
    // Ends the stream for the reader of both sides; a broken socket can't be broken any further.
    let _ = tokio::time::timeout(FAREWELL, write.shutdown()).await;
}

async fn write_all<M: Encode>(
    write: &mut WriteHalf<Stream>,
    queue: &Queue<Queued<M>>,
    options: &ConnectionOptions,
) -> Result<(), NetError> {
    let mut taken = Vec::new();
    let mut frames = Frames::new(queue.peer(), options);
    loop {
        match queue.take(&mut taken).await {
            Work::Write => {}
            Work::Finish | Work::Abandon => return Ok(()),
        }
        let mut items = taken.drain(..).peekable();
        while items.peek().is_some() {
            frames.gather(&mut items)?;
            if frames.bytes.len() >= WRITE_BYTES {
                frames.write(write, queue).await?;
            }
        }
        drop(items);
        frames.write(write, queue).await?;
        write.flush().await.map_err(|error| lost(queue.peer(), &error))?;
    }
}

/// Encoded frames that wait to be written.
struct Frames<'a> {
    peer: &'a str,
    options: &'a ConnectionOptions,
    encoder: bitcode::Buffer,
    bytes: Vec<u8>,
    gathered: Written,
}

impl<'a> Frames<'a> {
    fn new(peer: &'a str, options: &'a ConnectionOptions) -> Frames<'a> {
        let (bytes, gathered) = (Vec::new(), Written::default());
        Frames { peer, options, encoder: bitcode::Buffer::new(), bytes, gathered }
    }

    /// Makes a frame of the next messages, or takes one that its sender encoded.
    fn gather<M: Encode>(
        &mut self,
        items: &mut std::iter::Peekable<std::vec::Drain<'_, Queued<M>>>,
    ) -> Result<(), NetError> {
        let mut batch = Vec::new();
        while batch.len() < self.options.batch_len_max.max(1) {
            match items.next_if(|item| matches!(item, Queued::Message(_)) || batch.is_empty()) {
                Some(Queued::Message(message)) => batch.push(message),
                Some(Queued::Frame(frame)) => {
                    self.add(&frame, 1);
                    return Ok(());
                }
                None => break,
            }
        }
        self.encode(&batch)
    }

    /// Encodes messages in one frame, or in several if they are too large together.
    fn encode<M: Encode>(&mut self, batch: &[M]) -> Result<(), NetError> {
        let length = {
            let frame = self.encoder.encode(batch);
            if frame.len() <= self.options.frame_bytes_max {
                self.bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
                self.bytes.extend_from_slice(frame);
            }
            frame.len()
        };
        if length <= self.options.frame_bytes_max {
            self.count(batch.len(), length);
            return Ok(());
        }
        if batch.len() > 1 {
            let (first, second) = batch.split_at(batch.len() / 2);
            self.encode(first)?;
            return self.encode(second);
        }
        Err(NetError::TooLarge {
            peer: self.peer.to_owned(),
            size_bytes: length as u64,
            limit_bytes: self.options.frame_bytes_max as u64,
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

    async fn write<T>(&mut self, write: &mut WriteHalf<Stream>, queue: &Queue<T>) -> Result<(), NetError> {
        write.write_all(&self.bytes).await.map_err(|error| lost(self.peer, &error))?;
        queue.count_written(std::mem::take(&mut self.gathered));
        self.bytes.clear();
        if self.bytes.capacity() > 4 * WRITE_BYTES {
            // A rare large frame must not keep its memory for the life of the connection.
            self.bytes = Vec::new();
            self.encoder = bitcode::Buffer::new();
        }
        Ok(())
    }
}
