//! What waits to be written on one connection, and why the connection ended.
//!
//! Start at [`Queue::push`] and [`Queue::try_take`]. The writer takes all that waits at once, so a queue under load costs one
//! lock per frame.
//! Invariant: after an end is recorded nobody waits: pushes fail with its reason.

use crate::NetError;
use crate::connection::{Ends, Written};
use parking_lot::Mutex;
use std::pin::pin;
use tokio::sync::Notify;

/// A queue of many pushers and one taker.
pub(crate) struct Queue<T> {
    peer: String,
    queue_len: usize,
    state: Mutex<State<T>>,
    /// Wakes the writer: something to write, or the end.
    work: Notify,
    /// Wakes pushers: room, or the end.
    room: Notify,
    /// Wakes those that wait for the end.
    end: Notify,
}

struct State<T> {
    waiting: Vec<T>,
    senders: usize,
    written: Written,
    phase: Phase,
}

enum Phase {
    Open,
    /// No more pushes; what waits is still written.
    Closing,
    Ended(NetError),
}

/// What the writer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Write what was taken.
    Write,
    /// Nothing waits, and nothing will: say good-bye.
    Finish,
    /// The connection has failed: just leave.
    Abandon,
}

impl<T> Queue<T> {
    pub(crate) fn new(peer: String, queue_len: usize) -> Queue<T> {
        let state = State { waiting: Vec::new(), senders: 0, written: Written::default(), phase: Phase::Open };
        Queue {
            peer,
            queue_len: queue_len.max(1),
            state: Mutex::new(state),
            work: Notify::new(),
            room: Notify::new(),
            end: Notify::new(),
        }
    }

    /// Adds items; whoever pushes then wakes the writer, or writes.
    pub(crate) fn push(&self, items: impl Iterator<Item = T>) -> Result<(), NetError> {
        // Collected first: the iterator is the caller's code and may do anything, even push.
        let mut items: Vec<T> = items.collect();
        let mut state = self.state.lock();
        self.check_open(&state)?;
        state.waiting.append(&mut items);
        Ok(())
    }

    /// Has the writer look for work.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// Waits until there may be work.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    pub(crate) async fn push_when_room(&self, item: T) -> Result<(), NetError> {
        loop {
            let mut room = pin!(self.room.notified());
            // Registered before looking, so that room made in between is not missed.
            room.as_mut().enable();
            {
                let mut state = self.state.lock();
                self.check_open(&state)?;
                if state.waiting.len() < self.queue_len {
                    state.waiting.push(item);
                    drop(state);
                    self.work.notify_one();
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// Takes what waits into `into`, which must be empty, if there is anything to do.
    pub(crate) fn try_take(&self, into: &mut Vec<T>) -> Option<Work> {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Ended(_)) {
            return Some(Work::Abandon);
        }
        if !state.waiting.is_empty() {
            std::mem::swap(&mut state.waiting, into);
            drop(state);
            self.room.notify_waiters();
            return Some(Work::Write);
        }
        matches!(state.phase, Phase::Closing).then_some(Work::Finish)
    }

    pub(crate) fn count_written(&self, written: Written) {
        let total = &mut self.state.lock().written;
        total.messages += written.messages;
        total.frames += written.frames;
        total.bytes += written.bytes;
    }

    pub(crate) fn written(&self) -> Written {
        self.state.lock().written
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    pub(crate) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    pub(crate) fn remove_sender(&self) {
        let mut state = self.state.lock();
        state.senders -= 1;
        if state.senders == 0 {
            drop(state);
            self.close_in_order();
        }
    }

    /// Waits for the end and tells its reason.
    pub(crate) async fn closed(&self) -> NetError {
        loop {
            let mut end = pin!(self.end.notified());
            end.as_mut().enable();
            if let Some(error) = self.reason() {
                return error;
            }
            end.await;
        }
    }

    /// Waits until the connection closes or has ended; the writer's time is limited from then on.
    pub(crate) async fn closing(&self) {
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            if !matches!(self.state.lock().phase, Phase::Open) {
                return;
            }
            room.await;
        }
    }

    pub(crate) fn close_in_order(&self) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Closing;
            drop(state);
            self.work.notify_one();
            self.room.notify_waiters();
        }
    }

    /// Records the end. The first reason stays.
    pub(crate) fn fail(&self, error: NetError) {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Ended(_)) {
            state.phase = Phase::Ended(error);
            let dropped = std::mem::take(&mut state.waiting);
            drop(state);
            drop(dropped);
            self.work.notify_one();
            self.room.notify_waiters();
            self.end.notify_waiters();
        }
    }

    pub(crate) fn reason(&self) -> Option<NetError> {
        match &self.state.lock().phase {
            Phase::Ended(error) => Some(error.clone()),
            _ => None,
        }
    }

    fn check_open(&self, state: &State<T>) -> Result<(), NetError> {
        match &state.phase {
            Phase::Open => Ok(()),
            Phase::Closing => Err(NetError::Closed { peer: self.peer.clone() }),
            Phase::Ended(error) => Err(error.clone()),
        }
    }
}

impl<T: Send> Ends for Queue<T> {
    fn fail(&self, error: NetError) {
        Queue::fail(self, error);
    }

    fn close_in_order(&self) {
        Queue::close_in_order(self);
    }

    fn reason(&self) -> Option<NetError> {
        Queue::reason(self)
    }
}
