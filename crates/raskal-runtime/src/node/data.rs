//! The data plane of a node: gives values to peers and clients, and gets values from peers.

use crate::fetch::{self, FetchError, Fetcher, UNUSABLE};
use crate::node::shell::NodeEvent;
use crate::node::store::Stored;
use crate::wire::{lent_parcel, to_parcel};
use bytes::Bytes;
use parking_lot::Mutex;
use raskal_net::data::{self, DataOptions};
use raskal_net::{Listener, Role};
use raskal_proto::DataRequest;
use raskal_store::{Lender, Value};
use raskal_types::TaskId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// The answer to a request: the value, or why it can't be given.
pub(crate) type Reply = oneshot::Sender<Result<Stored, String>>;

/// Takes in those who ask for values, for as long as the listener lives.
pub(crate) async fn serve(mut listener: Listener, events: mpsc::UnboundedSender<NodeEvent>) {
    loop {
        let link = listener.accept().await;
        if link.peer().role != Role::Data {
            tracing::warn!(error = %link.unexpected(), "a peer was refused");
            continue;
        }
        let events = events.clone();
        tokio::spawn(async move {
            let peer = link.peer().to_string();
            // What was lent on this connection is held open until it was taken, or the connection ends.
            let lenders = Arc::new(Lenders::default());
            let answer = move |request: DataRequest, _buffers| give(request, events.clone(), lenders.clone());
            if let Err(error) = data::serve(link, DataOptions::default(), answer).await {
                tracing::debug!(peer, %error, "a data connection broke");
            }
        });
    }
}

/// Who lends to whom, by process.
#[derive(Default)]
struct Lenders(Mutex<HashMap<u32, Arc<Lender>>>);

impl Lenders {
    fn to(&self, pid: u32) -> Arc<Lender> {
        self.0.lock().entry(pid).or_insert_with(|| Arc::new(Lender::new(pid))).clone()
    }

    fn taken(&self, loan: u64) {
        self.0.lock().values().for_each(|lender| lender.taken(loan));
    }
}

async fn give(
    request: DataRequest,
    events: mpsc::UnboundedSender<NodeEvent>,
    lenders: Arc<Lenders>,
) -> Result<data::Parcel, String> {
    let (value, lender) = match request {
        DataRequest::Get(value) => (value, None),
        DataRequest::Borrow { task, pid, machine } => (task, (machine == fetch::machine()).then(|| lenders.to(pid))),
        DataRequest::Taken { loan } => {
            lenders.taken(loan);
            return Ok(data::Parcel { head: Bytes::new(), buffers: vec![] });
        }
    };
    let (reply, replied) = oneshot::channel();
    let ends = || "the worker ends".to_owned();
    events.send(NodeEvent::Requested { value, reply }).map_err(|_| ends())?;
    let stored = replied.await.map_err(|_| ends())??;
    // Encoding a table takes a while: not on a thread that serves sockets.
    let make = move || {
        let frames = stored.to_frames().map_err(|error| match stored.is_on_disk() {
            true => {
                let _ = events.send(NodeEvent::Damaged { value, why: error.to_string() });
                error.to_string()
            }
            false => format!("{UNUSABLE}{error}"),
        })?;
        match lender.and_then(|lender| lender.lend(&frames)) {
            Some(loan) => Ok(lent_parcel(&loan)),
            None => Ok(to_parcel(frames)),
        }
    };
    tokio::task::spawn_blocking(make).await.map_err(|error| error.to_string())?
}

/// Gets a value from a peer, and tells the shell.
pub(crate) fn fetch(
    runtime: &Handle,
    fetcher: &Arc<Fetcher>,
    address: Option<String>,
    value: TaskId,
    events: mpsc::UnboundedSender<NodeEvent>,
) {
    let fetcher = fetcher.clone();
    runtime.spawn(async move {
        let result = match address {
            None => Err(FetchError::new("its holder is gone")),
            Some(address) => match fetcher.get(&address, value, 0).await {
                Ok(frames) => Value::from_frames(&frames).map_err(FetchError::new),
                Err(error) => Err(error),
            },
        };
        let _ = events.send(NodeEvent::Fetched { value, result });
    });
}
