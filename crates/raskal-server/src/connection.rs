//! One peer's frames, in and out.
//!
//! Start at [`accept`]. A peer that says something else than its role allows is hung up on, and nobody else notices.

use crate::core::Incoming;
use bitcode::{DecodeOwned, Encode};
use raskal_net::{ConnectionOptions, Link, Listener, Receiver, Role, Sender};
use raskal_proto::worker::Inventory;
use raskal_proto::{FRAME_BYTES_MAX, FromClient, FromWorker, ToClient, ToWorker};
use raskal_types::{Attempt, ClientId, TaskId, WorkerId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a peer may take to say its first message.
const HELLO_TIME: Duration = Duration::from_secs(10);

/// Numbers the peers, and passes on what they say.
#[derive(Clone)]
pub(crate) struct Door {
    inbox: mpsc::Sender<Incoming>,
    next: Arc<AtomicU32>,
}

impl Door {
    /// Numbers peers from `first` on: those of a scheduler before this one were below.
    pub(crate) fn new(inbox: mpsc::Sender<Incoming>, first: u32) -> Door {
        Door { inbox, next: Arc::new(AtomicU32::new(first)) }
    }

    fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a worker that was there before has.
pub(crate) struct Inventoried {
    pub(crate) before: WorkerId,
    pub(crate) values: Vec<(TaskId, u64, Option<Vec<u8>>)>,
    pub(crate) running: Vec<(TaskId, Attempt)>,
}

/// Takes in peers for as long as the listener lives.
pub(crate) async fn accept(mut listener: Listener, door: Door) {
    loop {
        let link = listener.accept().await;
        match link.peer().role {
            Role::Worker => tokio::spawn(serve_worker(link, door.clone())),
            Role::Client => tokio::spawn(serve_client(link, door.clone())),
            Role::Scheduler | Role::Data => {
                tracing::warn!(error = %link.unexpected(), "a peer was refused");
                continue;
            }
        };
    }
}

fn open<S, R>(link: Link) -> (Sender<S>, Receiver<R>)
where
    S: Encode + Send + 'static,
    R: DecodeOwned,
{
    link.into_connection(ConnectionOptions { frame_bytes_max: FRAME_BYTES_MAX, ..ConnectionOptions::default() })
}

async fn serve_worker(link: Link, door: Door) {
    let host = link.peer_address().map(|address| address.ip().to_string());
    let (sender, mut receiver) = open::<ToWorker, FromWorker>(link);
    let Some(mut first) = first_frame(&mut receiver).await else { return };
    let (info, inventory) = match first.remove(0) {
        FromWorker::Hello(info) => (info, None),
        FromWorker::Rejoin(inventory) => {
            let Inventory { info, before, values, running } = *inventory;
            (info, Some(Inventoried { before, values, running }))
        }
        _ => {
            tracing::warn!(peer = %sender.peer(), "a worker did not say hello first");
            return;
        }
    };
    let worker = WorkerId(door.number());
    let joined = Incoming::WorkerJoined { worker, info: Box::new(info), host, sender, inventory };
    if door.inbox.send(joined).await.is_err() {
        return;
    }
    let reason = pass_on(&mut receiver, first, |messages| Incoming::Worker { worker, messages }, &door.inbox).await;
    // The scheduler is gone only when the process ends.
    let _ = door.inbox.send(Incoming::WorkerGone { worker, reason }).await;
}

async fn serve_client(link: Link, door: Door) {
    let (sender, mut receiver) = open::<ToClient, FromClient>(link);
    let Some(mut first) = first_frame(&mut receiver).await else { return };
    let client = ClientId(door.number());
    let joined = match first.remove(0) {
        FromClient::Hello { name, session } => Incoming::ClientJoined { client, name, session, sender },
        FromClient::Resume { session } => Incoming::ClientResumed { client, session, sender },
        _ => {
            tracing::warn!(peer = %sender.peer(), "a client did not say hello first");
            return;
        }
    };
    if door.inbox.send(joined).await.is_err() {
        return;
    }
    let reason = pass_on(&mut receiver, first, |messages| Incoming::Client { client, messages }, &door.inbox).await;
    let _ = door.inbox.send(Incoming::ClientGone { client, broken: reason.is_some() }).await;
}

async fn first_frame<R: DecodeOwned>(receiver: &mut Receiver<R>) -> Option<Vec<R>> {
    match tokio::time::timeout(HELLO_TIME, receiver.receive()).await {
        Ok(Ok(messages)) => messages.filter(|messages| !messages.is_empty()),
        Ok(Err(error)) => {
            tracing::info!(%error, "a peer left before it said hello");
            None
        }
        Err(_) => {
            tracing::warn!(peer = %receiver.peer(), "a peer did not say hello");
            None
        }
    }
}

/// Passes frames on until the connection ends; tells why, if it did not end in order.
async fn pass_on<R: DecodeOwned>(
    receiver: &mut Receiver<R>,
    mut messages: Vec<R>,
    wrap: impl Fn(Vec<R>) -> Incoming,
    inbox: &mpsc::Sender<Incoming>,
) -> Option<String> {
    loop {
        if !messages.is_empty() && inbox.send(wrap(messages)).await.is_err() {
            return None;
        }
        match receiver.receive().await {
            Ok(Some(next)) => messages = next,
            Ok(None) => return None,
            Err(error) => return Some(error.to_string()),
        }
    }
}
