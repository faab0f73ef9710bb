//! The way to the scheduler, which may break and be there again.
//!
//! Start at [`Line::push`]. What is said while the connection is broken waits; submissions are kept until the scheduler has
//! said that they arrived, what is asked of the board until it is answered, and are said again on a new connection.
//! Invariant: a lock of the line is taken before one of the table, never behind.

use crate::client::table::Shared;
use parking_lot::{Mutex, MutexGuard};
use raskal_net::{NetError, Sender};
use raskal_proto::client::Submit;
use raskal_proto::{BoardRequest, FromClient};
use raskal_types::{GraphId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Larger submissions are not kept: one that was on its way when the connection broke is lost, and its results say so.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Larger submissions are encoded and written by the client's own threads, not by whoever submits.
const NOW_BYTES_MAX: usize = 256 << 10;

/// How long released results wait for something that is said anyway.
const RELEASE: Duration = Duration::from_millis(3);

/// The way to the scheduler.
#[derive(Default)]
pub(crate) struct Line {
    state: Mutex<LineState>,
    /// Wakes the task that tells the scheduler of released results.
    release: tokio::sync::Notify,
}

/// What a line holds.
#[derive(Default)]
pub(crate) struct LineState {
    sender: Option<Sender<FromClient>>,
    waiting: Vec<FromClient>,
    unconfirmed: BTreeMap<GraphId, Submit>,
    /// Results that nobody wants any more, of which the scheduler was not told yet.
    released: Vec<TaskId>,
    /// What was asked of the board and not answered, and what of it was given up.
    asked: BTreeMap<u32, BoardRequest>,
    given_up: BTreeSet<u32>,
    /// Topics that are listened to.
    topics: BTreeSet<String>,
    /// Calls that were not answered.
    calls: BTreeSet<u32>,
    closed: bool,
}

impl Line {
    /// Locks it, for what must not come between a broken connection and the next.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LineState> {
        self.state.lock()
    }

    /// Says something to the scheduler, as soon as it is there.
    pub(crate) fn push(&self, messages: impl IntoIterator<Item = FromClient>) -> Result<(), NetError> {
        self.lock().push(messages)
    }

    /// Notes that a result is not wanted any more: told along with what is said next, or by [`Line::tell_released`].
    pub(crate) fn release(&self, task: TaskId) {
        let mut state = self.lock();
        state.released.push(task);
        if state.released.len() == 1 {
            self.release.notify_one();
        }
    }

    /// Tells of results that nobody wants any more, if nothing else was said for a moment: a message of its own wakes the
    /// whole cluster, and whoever drops one result mostly asks for another at once.
    pub(crate) async fn tell_released(&self) {
        loop {
            self.release.notified().await;
            tokio::time::sleep(RELEASE).await;
            if self.push([]).is_err() {
                return;
            }
        }
    }

    /// The first connection is there.
    pub(crate) fn connect(&self, sender: Sender<FromClient>) {
        self.lock().sender = Some(sender);
    }

    /// The connection broke. The calls that are not answered never will be: they may have been made, or not.
    pub(crate) fn broken(&self) -> BTreeSet<u32> {
        let mut state = self.lock();
        state.sender = None;
        std::mem::take(&mut state.calls)
    }

    /// The board answered.
    pub(crate) fn answered(&self, request: u32) {
        let mut state = self.lock();
        state.given_up.remove(&request);
        match state.asked.remove(&request) {
            Some(BoardRequest::Subscribe { topic }) => _ = state.topics.insert(topic),
            Some(BoardRequest::Unsubscribe { topic }) => _ = state.topics.remove(&topic),
            _ => {}
        }
    }

    /// A call was answered.
    pub(crate) fn called(&self, request: u32) {
        self.lock().calls.remove(&request);
    }

    /// A submission arrived.
    pub(crate) fn confirmed(&self, graph: GraphId) {
        self.lock().unconfirmed.remove(&graph);
    }

    /// A new connection is there: who this is, what may not have arrived, and what is still wanted.
    pub(crate) fn resume(&self, sender: Sender<FromClient>, session: u128, shared: &Shared) -> Result<(), NetError> {
        let mut state = self.lock();
        let mut messages = vec![FromClient::Resume { session }];
        messages.extend(state.unconfirmed.values().cloned().map(|submit| FromClient::Submit(Box::new(submit))));
        let said = std::mem::take(&mut state.waiting).into_iter().filter(|message| match message {
            FromClient::Submit(submit) => !state.unconfirmed.contains_key(&submit.graph),
            // All that is open is asked again, below.
            FromClient::Board { .. } | FromClient::GiveUp { .. } => false,
            _ => true,
        });
        messages.extend(said);
        messages.push(FromClient::Recall { tasks: shared.table.lock().wanted() });
        // Nobody waits for the answers to these.
        let listen =
            |topic: &String| FromClient::Board { request: 0, ask: BoardRequest::Subscribe { topic: topic.clone() } };
        messages.extend(state.topics.iter().map(listen));
        let ask = |(&request, ask): (&u32, &BoardRequest)| FromClient::Board { request, ask: ask.clone() };
        messages.extend(state.asked.iter().map(ask));
        messages.extend(state.given_up.iter().map(|&request| FromClient::GiveUp { request }));
        sender.push(messages)?;
        if state.closed {
            sender.close();
        }
        state.sender = Some(sender);
        Ok(())
    }

    /// Ends it once what was said is written.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some(sender) = &state.sender {
            sender.close();
        }
    }
}

impl LineState {
    /// As [`Line::push`].
    pub(crate) fn push(&mut self, messages: impl IntoIterator<Item = FromClient>) -> Result<(), NetError> {
        let mut said = Vec::new();
        if !self.released.is_empty() {
            said.push(FromClient::Release { tasks: std::mem::take(&mut self.released) });
        }
        said.extend(messages);
        let mut bytes_max = 0;
        for message in &said {
            match message {
                FromClient::Submit(submit) => {
                    let bytes = submit.functions.iter().map(|function| function.shared.len() + function.payloads.len());
                    let bytes: usize = bytes.sum();
                    bytes_max = bytes_max.max(bytes);
                    if bytes <= KEPT_BYTES_MAX {
                        self.unconfirmed.insert(submit.graph, (**submit).clone());
                    }
                }
                FromClient::Board { request, ask } => _ = self.asked.insert(*request, ask.clone()),
                FromClient::GiveUp { request } if self.asked.contains_key(request) => {
                    self.given_up.insert(*request);
                }
                FromClient::Call { request, .. } => _ = self.calls.insert(*request),
                _ => {}
            }
        }
        match &self.sender {
            _ if said.is_empty() => Ok(()),
            Some(sender) => {
                let pushed = if bytes_max > NOW_BYTES_MAX { sender.push(said) } else { sender.push_now(said) };
                // Whoever reads finds a connection that ended, and says all of it again on the next.
                if self.closed { pushed } else { Ok(()) }
            }
            None => {
                self.waiting.extend(said);
                Ok(())
            }
        }
    }
}
