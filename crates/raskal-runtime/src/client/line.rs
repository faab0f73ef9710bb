//! The way to the scheduler, which may break and be there again.
//!
//! Start at [`Line::push`]. What is said while the connection is broken waits; submissions are kept until the scheduler has
//! said that they arrived, and are said again on a new connection.
//! Invariant: a lock of the line is taken before one of the table, never behind.

use crate::client::table::Shared;
use parking_lot::{Mutex, MutexGuard};
use raskal_net::{NetError, Sender};
use raskal_proto::FromClient;
use raskal_proto::client::Submit;
use raskal_types::GraphId;
use std::collections::BTreeMap;

/// Larger submissions are not kept: one that was on its way when the connection broke is lost, and its results say so.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// The way to the scheduler.
#[derive(Default)]
pub(crate) struct Line {
    state: Mutex<LineState>,
}

/// What a line holds.
#[derive(Default)]
pub(crate) struct LineState {
    sender: Option<Sender<FromClient>>,
    waiting: Vec<FromClient>,
    unconfirmed: BTreeMap<GraphId, Submit>,
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

    /// The first connection is there.
    pub(crate) fn connect(&self, sender: Sender<FromClient>) {
        self.lock().sender = Some(sender);
    }

    /// The connection broke.
    pub(crate) fn broken(&self) {
        self.lock().sender = None;
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
        let said = std::mem::take(&mut state.waiting).into_iter().filter(
            |message| !matches!(message, FromClient::Submit(submit) if state.unconfirmed.contains_key(&submit.graph)),
        );
        messages.extend(said);
        messages.push(FromClient::Recall { tasks: shared.table.lock().wanted() });
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
        let messages: Vec<FromClient> = messages.into_iter().collect();
        for message in &messages {
            if let FromClient::Submit(submit) = message {
                let bytes = submit.functions.iter().map(|function| function.shared.len() + function.payloads.len());
                if bytes.sum::<usize>() <= KEPT_BYTES_MAX {
                    self.unconfirmed.insert(submit.graph, (**submit).clone());
                }
            }
        }
        match &self.sender {
            // Whoever reads finds a connection that ended, and says all of it again on the next.
            Some(sender) if self.closed => sender.push(messages),
            Some(sender) => {
                let _ = sender.push(messages);
                Ok(())
            }
            None => {
                self.waiting.extend(messages);
                Ok(())
            }
        }
    }
}
