//! Where values are, and values on their way.
//!
//! Start at [`Place`]. A value is in the node's store, in executors, in both, or being fetched from a peer; or it is nowhere,
//! and some task that was given still takes it. Invariant: a place is forgotten when nobody takes the value, waits for
//! it or counts on it here, and not before.

use crate::machine::Worker;
use crate::message::{Delivery, ExecutorId, Instruction};
use raskal_types::{Attempt, TaskId, WorkerId};

/// Who waits for a value to be in the node's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    Task(TaskId, Attempt),
    Request(u64),
    /// The scheduler, which ordered a copy.
    Scheduler,
}

/// Why a value does not arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    /// Whoever should have had it does not.
    Lost(WorkerId),
    /// It can't be turned into bytes.
    Unusable,
}

/// Where a value is.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) size_bytes: u64,
    /// It is in the node's store.
    pub(crate) in_store: bool,
    /// The executors that it lives in.
    pub(crate) executors: Vec<ExecutorId>,
    /// The peer that is being asked for it.
    pub(crate) fetching: Option<WorkerId>,
    /// The executor that is being asked for its bytes.
    pub(crate) exporting: Option<ExecutorId>,
    pub(crate) waiters: Vec<Waiter>,
    /// How often the tasks that are known take it.
    pub(crate) users: u32,
    /// How many of these it came along with.
    pub(crate) along: u32,
    /// How often tasks that were sent take it.
    pub(crate) sent: u32,
    /// The scheduler knows that it is here, and will say when to forget it.
    pub(crate) owned: bool,
    /// When it was last used, in steps of the machine.
    pub(crate) touched: u64,
    /// It is to leave the executors once it is in the store.
    pub(crate) evicting: bool,
}

impl Place {
    pub(crate) fn live_bytes(&self) -> u64 {
        self.size_bytes * self.executors.len() as u64
    }

    pub(crate) fn is_somewhere(&self) -> bool {
        self.in_store || !self.executors.is_empty()
    }

    /// Whether a task that runs on this executor (on a thread of the node, if there is none) can have it.
    pub(crate) fn is_ready_for(&self, executor: Option<ExecutorId>) -> bool {
        self.in_store || executor.is_some_and(|executor| self.executors.contains(&executor))
    }

    fn is_needed(&self) -> bool {
        self.owned || self.users > 0 || self.fetching.is_some() || !self.waiters.is_empty()
    }

    /// How the value reaches an executor. Inputs are in the store or in that executor when a task is sent.
    pub(crate) fn deliver(&mut self, executor: ExecutorId, inline_bytes_max: u64) -> Delivery {
        if self.executors.contains(&executor) {
            return Delivery::Live;
        }
        if self.size_bytes <= inline_bytes_max {
            return Delivery::Inline;
        }
        self.executors.push(executor);
        Delivery::Sent
    }

    /// Asks an executor for the bytes, unless one is being asked.
    pub(crate) fn export(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        if let (None, Some(&executor)) = (self.exporting, self.executors.first()) {
            self.exporting = Some(executor);
            out.push(Instruction::Export { executor, value });
        }
    }
}

impl Worker {
    pub(crate) fn in_store(&self, value: TaskId) -> bool {
        self.values.get(&value).is_some_and(|place| place.in_store)
    }

    /// A value was made here: in the node's store, or in an executor.
    pub(crate) fn keep(&mut self, value: TaskId, executor: Option<ExecutorId>, size_bytes: u64) {
        self.values.entry(value).or_default();
        let clock = self.clock;
        self.change(value, |place| {
            place.size_bytes = size_bytes;
            place.owned = true;
            place.touched = clock;
            match executor {
                Some(executor) if !place.executors.contains(&executor) => place.executors.push(executor),
                Some(_) => {}
                None => place.in_store = true,
            }
        });
    }

    /// A value from a peer is in the node's store.
    pub(crate) fn fetched(&mut self, value: TaskId, size_bytes: u64, out: &mut Vec<Instruction>) {
        let clock = self.clock;
        let change = self.change(value, |place| {
            place.fetching = None;
            place.in_store = true;
            place.owned = true;
            place.size_bytes = size_bytes;
            place.touched = clock;
            // It hears of every copy.
            place.waiters.retain(|&waiter| waiter != Waiter::Scheduler);
        });
        match change {
            Some(()) => {
                out.push(Instruction::ReportCopied { value });
                self.wake(value, out);
            }
            // Forgotten while it was on its way.
            None => out.push(Instruction::Drop { value }),
        }
    }

    /// Whoever waits for a value looks again: it is here, or elsewhere here than before, or not any more.
    pub(crate) fn wake(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        let owned = place.owned && place.is_somewhere();
        for waiter in std::mem::take(&mut place.waiters) {
            match waiter {
                Waiter::Task(task, attempt) => self.input_arrived(task, attempt, out),
                Waiter::Request(request) => self.requested(request, value, out),
                Waiter::Scheduler if owned => out.push(Instruction::ReportCopied { value }),
                Waiter::Scheduler => out.push(Instruction::ReportNotCopied { value }),
            }
        }
        self.release(value, out);
    }

    /// A value can't be got from its peer.
    pub(crate) fn transfer_failed(&mut self, value: TaskId, unusable: bool, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        let Some(holder) = place.fetching.take() else { return };
        if place.is_somewhere() {
            // It was made here meanwhile, or came along with a task.
            self.wake(value, out);
        } else {
            self.tell_missing(value, if unusable { Missing::Unusable } else { Missing::Lost(holder) }, out);
        }
    }

    /// The bytes of an executor's value are in the node's store.
    pub(crate) fn exported(&mut self, executor: ExecutorId, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else {
            // Forgotten while it was on its way.
            out.push(Instruction::Drop { value });
            return;
        };
        if place.exporting == Some(executor) {
            place.exporting = None;
        }
        // Its bytes are the same whoever asked for them, and when.
        place.in_store = true;
        self.wake(value, out);
        self.finish_eviction(value, out);
    }

    /// The bytes of a value can't be had: those who need them fail, since making the value again would not help. Unless
    /// the executor does not have it any more.
    pub(crate) fn export_failed(
        &mut self,
        executor: ExecutorId,
        value: TaskId,
        gone: bool,
        out: &mut Vec<Instruction>,
    ) {
        let Some(place) = self.values.get_mut(&value) else { return };
        if place.exporting != Some(executor) {
            return;
        }
        (place.exporting, place.evicting) = (None, false);
        if gone {
            self.vanished(executor, value, out);
        } else {
            self.tell_missing(value, Missing::Unusable, out);
        }
    }

    /// An executor does not have a value that it was taken to have.
    pub(crate) fn vanished(&mut self, executor: ExecutorId, value: TaskId, out: &mut Vec<Instruction>) {
        self.change(value, |place| place.executors.retain(|&other| other != executor));
        self.gone_from(value, out);
    }

    /// The store does not have a value that it was taken to have: it can't be read.
    pub(crate) fn damaged(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value).filter(|place| place.in_store) else { return };
        place.in_store = false;
        out.push(Instruction::Drop { value });
        self.gone_from(value, out);
    }

    /// A value is no longer in some place here; if it is nowhere now, all are told.
    fn gone_from(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let holder = self.id();
        let Some(place) = self.values.get_mut(&value) else { return };
        if place.is_somewhere() {
            return self.wake(value, out);
        }
        if std::mem::take(&mut place.owned) {
            out.push(Instruction::ReportDropped { value });
        }
        if place.fetching.is_none() {
            self.tell_missing(value, Missing::Lost(holder), out);
        }
    }

    /// Tells all that wait for a value that it does not come.
    fn tell_missing(&mut self, value: TaskId, missing: Missing, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        for waiter in std::mem::take(&mut place.waiters) {
            match waiter {
                Waiter::Task(task, attempt) => self.input_missing(task, attempt, value, missing, out),
                Waiter::Request(request) => out.push(Instruction::Refuse { request, value }),
                Waiter::Scheduler => out.push(Instruction::ReportNotCopied { value }),
            }
        }
        self.release(value, out);
    }

    /// Asks a peer for a value, unless one is being asked.
    pub(crate) fn fetch(&mut self, value: TaskId, peer: WorkerId, out: &mut Vec<Instruction>) {
        let place = self.values.entry(value).or_default();
        if place.fetching.is_none() {
            place.fetching = Some(peer);
            out.push(Instruction::Fetch { value, peer });
        }
    }

    /// The scheduler orders a copy.
    pub(crate) fn copy(&mut self, value: TaskId, peer: WorkerId, out: &mut Vec<Instruction>) {
        let place = self.values.entry(value).or_default();
        if place.is_somewhere() {
            // Came along with a task, or was fetched for one meanwhile: now it is kept.
            place.owned = true;
            out.push(Instruction::ReportCopied { value });
            return;
        }
        place.waiters.push(Waiter::Scheduler);
        self.fetch(value, peer, out);
    }

    /// Somebody outside asks for a value.
    pub(crate) fn requested(&mut self, request: u64, value: TaskId, out: &mut Vec<Instruction>) {
        match self.values.get_mut(&value) {
            Some(place) if place.in_store => out.push(Instruction::Serve { request, value }),
            Some(place) if place.is_somewhere() => {
                place.waiters.push(Waiter::Request(request));
                place.export(value, out);
            }
            _ => {
                out.push(Instruction::Refuse { request, value });
                // Whoever asked was told by the scheduler that it is here.
                out.push(Instruction::ReportDropped { value });
            }
        }
    }

    /// The scheduler wants a value forgotten. The tasks that take it still have it.
    pub(crate) fn free(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        if let Some(place) = self.values.get_mut(&value) {
            place.owned = false;
            self.release(value, out);
        }
    }

    /// Forgets a value that nobody needs.
    pub(crate) fn release(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        if self.values.get(&value).is_none_or(Place::is_needed) {
            return;
        }
        let Some(place) = self.values.remove(&value) else { return };
        self.live_bytes = self.live_bytes.saturating_sub(place.live_bytes());
        if place.in_store {
            out.push(Instruction::Drop { value });
        }
        out.extend(place.executors.into_iter().map(|executor| Instruction::FreeIn { executor, value }));
    }

    /// The values that lived in an executor are gone with it, unless they are elsewhere too.
    pub(crate) fn values_died_with(&mut self, executor: ExecutorId, out: &mut Vec<Instruction>) {
        let lived = self.values.iter().filter(|(_, place)| place.executors.contains(&executor));
        let mut affected: Vec<TaskId> = lived.map(|(&value, _)| value).collect();
        affected.sort_unstable();
        for value in affected {
            self.change(value, |place| {
                place.executors.retain(|&other| other != executor);
                if place.exporting == Some(executor) {
                    place.exporting = None;
                    if place.evicting {
                        place.export(value, out);
                    }
                }
            });
            self.gone_from(value, out);
        }
    }
}
