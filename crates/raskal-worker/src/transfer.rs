//! Where values are, and values on their way.
//!
//! Start at [`Place`]. A value is in the node's store, in executors, in both, or being fetched from a peer.

use crate::machine::Worker;
use crate::message::{Delivery, ExecutorId, Instruction};
use raskal_types::{TaskId, WorkerId};

/// Who waits for a value to be in the node's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    Task(TaskId),
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
    /// A peer is being asked for it.
    pub(crate) fetching: bool,
    pub(crate) peer: Option<WorkerId>,
    /// An executor is being asked for its bytes.
    pub(crate) exporting: bool,
    pub(crate) waiters: Vec<Waiter>,
    /// It came along with so many tasks that are still known; the scheduler does not know that it is here.
    pub(crate) users: u32,
    /// The scheduler knows that it is here, and will say when to forget it.
    pub(crate) owned: bool,
    /// When it was last used, in steps of the machine.
    pub(crate) touched: u64,
    /// How many tasks that were sent take it.
    pub(crate) sent: u32,
    /// It is to leave the executors once it is in the store.
    pub(crate) evicting: bool,
}

impl Place {
    pub(crate) fn new(size_bytes: u64) -> Place {
        Place { size_bytes, ..Place::default() }
    }

    /// The place of a value that came along with a task.
    pub(crate) fn passing(size_bytes: u64) -> Place {
        Place { size_bytes, in_store: true, ..Place::default() }
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.size_bytes * self.executors.len() as u64
    }

    pub(crate) fn is_somewhere(&self) -> bool {
        self.in_store || !self.executors.is_empty()
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

    /// A value is in the node's store; those who wait for it go on.
    pub(crate) fn arrived(&mut self, value: TaskId, fetched_bytes: Option<u64>, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else {
            // Forgotten while it was on its way.
            out.push(Instruction::Drop { value });
            return;
        };
        place.in_store = true;
        if let Some(size_bytes) = fetched_bytes {
            // It was fetched since it was nowhere here.
            place.size_bytes = size_bytes;
            place.touched = self.clock;
            place.fetching = false;
            place.owned = true;
        }
        for waiter in std::mem::take(&mut place.waiters) {
            match waiter {
                Waiter::Task(task) => self.input_arrived(task, out),
                Waiter::Request(request) => out.push(Instruction::Serve { request, value }),
                // It hears of every copy.
                Waiter::Scheduler => {}
            }
        }
    }

    /// A value can't be got from its peer.
    pub(crate) fn transfer_failed(&mut self, value: TaskId, unusable: bool, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        place.fetching = false;
        let (holder, waiters) = (place.peer.unwrap_or_default(), std::mem::take(&mut place.waiters));
        if !place.is_somewhere() {
            self.values.remove(&value);
        }
        let missing = if unusable { Missing::Unusable } else { Missing::Lost(holder) };
        self.tell_missing(value, missing, waiters, out);
    }

    pub(crate) fn exported(&mut self, executor: ExecutorId, value: TaskId, out: &mut Vec<Instruction>) {
        self.change(value, |place| {
            place.exporting = false;
            if !place.executors.contains(&executor) {
                place.executors.push(executor);
            }
        });
        self.arrived(value, None, out);
        self.finish_eviction(value, out);
    }

    /// The bytes of a value can't be had: those who need them fail. Making the value again would not help.
    pub(crate) fn export_failed(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        (place.exporting, place.evicting) = (false, false);
        let waiters = std::mem::take(&mut place.waiters);
        self.tell_missing(value, Missing::Unusable, waiters, out);
    }

    fn tell_missing(&mut self, value: TaskId, missing: Missing, waiters: Vec<Waiter>, out: &mut Vec<Instruction>) {
        for waiter in waiters {
            match waiter {
                Waiter::Task(task) => self.input_missing(task, value, missing, out),
                Waiter::Request(request) => out.push(Instruction::Refuse { request, value }),
                Waiter::Scheduler => out.push(Instruction::ReportNotCopied { value }),
            }
        }
    }

    /// The scheduler orders a copy.
    pub(crate) fn copy(&mut self, value: TaskId, peer: WorkerId, out: &mut Vec<Instruction>) {
        let place = self.values.entry(value).or_insert_with(|| Place::new(0));
        if place.is_somewhere() {
            // Came along with a task, or was fetched for one meanwhile: now it is kept.
            place.owned = true;
            out.push(Instruction::ReportCopied { value });
            return;
        }
        place.waiters.push(Waiter::Scheduler);
        if !place.fetching {
            place.fetching = true;
            place.peer = Some(peer);
            out.push(Instruction::Fetch { value, peer });
        }
    }

    /// Somebody outside asks for a value.
    pub(crate) fn requested(&mut self, request: u64, value: TaskId, out: &mut Vec<Instruction>) {
        match self.values.get_mut(&value) {
            Some(place) if place.in_store => out.push(Instruction::Serve { request, value }),
            Some(place) if place.is_somewhere() => {
                place.waiters.push(Waiter::Request(request));
                if let (false, Some(&executor)) = (place.exporting, place.executors.first()) {
                    place.exporting = true;
                    out.push(Instruction::Export { executor, value });
                }
            }
            _ => out.push(Instruction::Refuse { request, value }),
        }
    }

    /// The scheduler wants a value forgotten.
    pub(crate) fn free(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        place.owned = false;
        if place.users == 0 {
            self.forget(value, out);
        }
    }

    /// A task that a value came along with is gone.
    pub(crate) fn user_gone(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        place.users = place.users.saturating_sub(1);
        if place.users == 0 && !place.owned && !place.fetching {
            self.forget(value, out);
        }
    }

    fn forget(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.remove(&value) else { return };
        self.live_bytes = self.live_bytes.saturating_sub(place.live_bytes());
        if place.in_store {
            out.push(Instruction::Drop { value });
        }
        for executor in place.executors {
            out.push(Instruction::FreeIn { executor, value });
        }
        for waiter in place.waiters {
            match waiter {
                Waiter::Request(request) => out.push(Instruction::Refuse { request, value }),
                Waiter::Scheduler => out.push(Instruction::ReportNotCopied { value }),
                Waiter::Task(_) => {}
            }
        }
    }

    /// The values that lived in an executor are gone with it, unless they are elsewhere too.
    pub(crate) fn values_died_with(&mut self, executor: ExecutorId, out: &mut Vec<Instruction>) {
        let mut lost = Vec::new();
        let mut affected: Vec<TaskId> = Vec::new();
        for (&value, place) in &mut self.values {
            if place.executors.contains(&executor) {
                place.executors.retain(|&other| other != executor);
                self.live_bytes = self.live_bytes.saturating_sub(place.size_bytes);
                affected.push(value);
            }
        }
        affected.sort_unstable();
        for value in affected {
            let Some(place) = self.values.get_mut(&value) else { continue };
            if place.is_somewhere() {
                if place.exporting {
                    // It may have been asked of the one that died: ask another.
                    place.exporting = false;
                    if let (false, Some(&other)) = (place.in_store, place.executors.first()) {
                        place.exporting = true;
                        out.push(Instruction::Export { executor: other, value });
                    }
                }
            } else if let Some(place) = self.values.remove(&value) {
                lost.push((value, place));
            }
        }
        let holder = self.id();
        for (value, place) in lost {
            if place.owned {
                out.push(Instruction::ReportDropped { value });
            }
            self.tell_missing(value, Missing::Lost(holder), place.waiters, out);
        }
    }
}
