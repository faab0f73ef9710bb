//! Large buffers on connections of their own: a small request, answered with a head and raw buffers.
//!
//! Start at [`DataClient::request`] and [`serve`]. Requests are pipelined and answered in any order; buffers are
//! written one after the other without being copied into one piece, and read straight into memory of their own size.
//! Invariant: nothing is allocated beyond [`DataOptions`], and everybody who waits is told when the connection ends.

use crate::parcel::{self, Envelope, Kind};
use crate::{Link, NetError, Peer};
use bitcode::{DecodeOwned, Encode};
use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{BufReader, ReadHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

pub use crate::parcel::Parcel;

/// Parcels that may wait for the writer.
const OUTBOX_LEN: usize = 64;

/// How many bytes of answers may be under way; shared by all clients that were given a clone.
#[derive(Clone, Debug)]
pub struct Credits {
    /// One permit for each KiB.
    permits: Arc<Semaphore>,
    kib_max: u32,
}

impl Credits {
    /// Credits for that many bytes.
    pub fn new(bytes: u64) -> Credits {
        let kib_max = u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX >> 4).min(u32::MAX >> 4);
        Credits { permits: Arc::new(Semaphore::new(kib_max as usize)), kib_max }
    }

    /// Bytes that may still be asked for without waiting.
    pub fn free_bytes(&self) -> u64 {
        self.permits.available_permits() as u64 * 1024
    }

    /// Waits for credits; an answer larger than all of them takes all of them.
    async fn take(&self, bytes: u64) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.kib_max);
        self.permits.clone().acquire_many_owned(kib).await.ok()
    }
}

/// Limits of one data connection.
#[derive(Clone, Debug)]
pub struct DataOptions {
    /// The most bytes of head and buffers of one request or answer.
    pub parcel_bytes_max: u64,
    /// The most buffers of one request or answer.
    pub buffers_max: u32,
    /// How many requests of one peer are worked on at a time; more wait in the socket.
    pub requests_max: usize,
    /// Limits the bytes of answers under way to this side.
    pub credits: Credits,
}

impl Default for DataOptions {
    fn default() -> DataOptions {
        DataOptions {
            parcel_bytes_max: 64 << 30,
            buffers_max: 1 << 20,
            requests_max: 64,
            credits: Credits::new(256 << 20),
        }
    }
}

/// Asks another process for buffers. Clones share the connection, which closes with the last of them.
pub struct DataClient<Q> {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<Envelope>,
    credits: Credits,
    requests: PhantomData<fn(Q)>,
}

struct Shared {
    peer: Peer,
    next_id: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, oneshot::Sender<Result<Parcel, NetError>>>,
    ended: Option<NetError>,
}

impl<Q: Encode> DataClient<Q> {
    /// Uses a link for requests. Must be called in a tokio runtime.
    pub fn new(link: Link, options: DataOptions) -> DataClient<Q> {
        let peer = link.peer().clone();
        let shared = Arc::new(Shared { peer, next_id: AtomicU64::new(0), state: Mutex::default() });
        let (read, write) = tokio::io::split(link.stream);
        let (outbox, posted) = mpsc::channel(OUTBOX_LEN);
        let credits = options.credits.clone();
        let at_end = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = parcel::write_all(write, posted, &at_end.peer).await {
                at_end.end(error);
            }
        });
        tokio::spawn(read_answers(parcel::reader(read), shared.clone(), options));
        DataClient { shared, outbox, credits, requests: PhantomData }
    }

    /// Sends a request with buffers of its own (mostly none) and waits for the answer.
    ///
    /// `expected_bytes` is what the caller knows of the answer's size (0 if nothing): the request waits until that many
    /// bytes of credit are free. Any number of requests may wait at a time.
    ///
    /// # Errors
    /// [`NetError::Refused`] with the other side's words, or why the connection ended.
    pub async fn request(&self, request: &Q, buffers: Vec<Bytes>, expected_bytes: u64) -> Result<Parcel, NetError> {
        let _credit = self.credits.take(expected_bytes).await;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let answer = self.shared.expect(id)?;
        let parcel = Parcel { head: bitcode::encode(request).into(), buffers };
        if self.outbox.send(Envelope { id, kind: Kind::Request, parcel }).await.is_err() {
            self.shared.end(NetError::Closed { peer: self.shared.peer.to_string() });
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.shared.reason()),
        }
    }
}

impl<Q> DataClient<Q> {
    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    /// Why the connection has ended, if it has; a new one is then needed.
    pub fn ended(&self) -> Option<NetError> {
        self.shared.state.lock().ended.clone()
    }
}

impl<Q> Clone for DataClient<Q> {
    fn clone(&self) -> DataClient<Q> {
        DataClient {
            shared: self.shared.clone(),
            outbox: self.outbox.clone(),
            credits: self.credits.clone(),
            requests: PhantomData,
        }
    }
}

impl<Q> std::fmt::Debug for DataClient<Q> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataClient(of {})", self.shared.peer)
    }
}

impl Shared {
    fn expect(&self, id: u64) -> Result<oneshot::Receiver<Result<Parcel, NetError>>, NetError> {
        let mut state = self.state.lock();
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        let (answered, answer) = oneshot::channel();
        state.waiting.insert(id, answered);
        Ok(answer)
    }

    /// Hands an answer to whoever waits for it; one that nobody asked for is an error.
    fn answer(&self, id: u64, answer: Result<Parcel, NetError>) -> Result<(), NetError> {
        let waiting = self.state.lock().waiting.remove(&id);
        let waiting = waiting.ok_or_else(|| {
            NetError::malformed(&self.peer, format!("an answer to request {id}, which was not asked"))
        })?;
        // Whoever asked may have stopped waiting.
        let _ = waiting.send(answer);
        Ok(())
    }

    /// Records the end and wakes everybody who waits. The first reason stays.
    fn end(&self, error: NetError) {
        let mut state = self.state.lock();
        let error = state.ended.get_or_insert(error).clone();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waiting in waiting.into_values() {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    fn reason(&self) -> NetError {
        self.state.lock().ended.clone().unwrap_or_else(|| NetError::Closed { peer: self.peer.to_string() })
    }
}

async fn read_answers(mut read: BufReader<ReadHalf<crate::stream::Stream>>, shared: Arc<Shared>, options: DataOptions) {
    let error = loop {
        let answered = match parcel::read(&mut read, &options, &shared.peer).await {
            Ok(Some(Envelope { id, kind: Kind::Answer, parcel })) => shared.answer(id, Ok(parcel)),
            Ok(Some(Envelope { id, kind: Kind::Refusal, parcel })) => {
                let message = String::from_utf8_lossy(&parcel.head).into_owned();
                shared.answer(id, Err(NetError::Refused { peer: shared.peer.to_string(), message }))
            }
            Ok(Some(Envelope { kind: Kind::Request, .. })) => {
                Err(NetError::malformed(&shared.peer, "a request where only answers are expected"))
            }
            Ok(None) => Err(NetError::Closed { peer: shared.peer.to_string() }),
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            break error;
        }
    };
    shared.end(error);
}

/// Answers the requests of one link until the peer closes it, several at a time.
///
/// The handler gets a request and its buffers; the text of its error reaches the one who asked as
/// [`NetError::Refused`], and so does a panic.
///
/// # Errors
/// Why the connection ended, unless the peer closed it in order.
pub async fn serve<Q, H, F>(link: Link, options: DataOptions, handler: H) -> Result<(), NetError>
where
    Q: DecodeOwned,
    H: Fn(Q, Vec<Bytes>) -> F,
    F: Future<Output = Result<Parcel, String>> + Send + 'static,
{
    let peer = link.peer().clone();
    let (read, write) = tokio::io::split(link.stream);
    let (outbox, posted) = mpsc::channel(OUTBOX_LEN);
    // Dropped together with this future: nobody is left to be answered then.
    let mut working = JoinSet::new();
    let mut writing = JoinSet::new();
    let name = peer.clone();
    writing.spawn(async move { parcel::write_all(write, posted, &name).await });
    let places = Arc::new(Semaphore::new(options.requests_max.max(1)));
    let mut read = parcel::reader(read);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        while working.try_join_next().is_some() {}
        let request = tokio::select! {
            request = parcel::read(&mut read, &options, &peer) => request?,
            Some(Ok(Err(error))) = writing.join_next() => return Err(error),
        };
        let Some(Envelope { id, kind, parcel }) = request else { break };
        if kind != Kind::Request {
            return Err(NetError::malformed(&peer, "an answer where only requests are expected"));
        }
        let request = bitcode::decode(&parcel.head).map_err(|error| {
            NetError::malformed(&peer, format!("{} bytes that are not a request ({error})", parcel.head.len()))
        })?;
        let answer = handler(request, parcel.buffers);
        let outbox = outbox.clone();
        working.spawn(async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            let refuse = |text: String| (Kind::Refusal, Parcel { head: text.into(), buffers: Vec::new() });
            let (kind, parcel) = match answer {
                Ok(Ok(parcel)) => (Kind::Answer, parcel),
                Ok(Err(text)) => refuse(text),
                Err(_) => {
                    refuse("answering the request panicked; this is a defect of raskal, please report it".to_owned())
                }
            };
            // The writer is gone only when the connection is.
            let _ = outbox.send(Envelope { id, kind, parcel }).await;
            drop(place);
        });
    }
    // The peer asks no more, but may still read what it asked for.
    while working.join_next().await.is_some() {}
    drop(outbox);
    match writing.join_next().await {
        Some(Ok(written)) => written,
        _ => Ok(()),
    }
}
