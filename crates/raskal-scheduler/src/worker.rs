//! The state of workers: what each was given, what is queued for it, and which roots it leases.

use crate::message::{Slots, Traits};
use crate::task::Rank;
use crate::task::TaskSet;
use raskal_types::SlotClass;
use std::collections::{BTreeSet, VecDeque};

/// Tasks queued and running in the slots of one kind.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) slots: u32,
    /// Tasks given to the worker and not answered yet.
    pub(crate) assigned: u32,
    /// Ready tasks for which this worker was chosen; another may still take them.
    pub(crate) ready: BTreeSet<Rank>,
    /// A contiguous range of roots, so that neighbours are made on the same worker.
    pub(crate) lease: VecDeque<Rank>,
    /// Tasks of it that were asked back.
    pub(crate) outgoing: u32,
    /// Tasks that were asked back of others for it.
    pub(crate) incoming: u32,
    /// What the scheduler's lists say of it.
    pub(crate) noted_idle: bool,
    pub(crate) noted_loaded: bool,
    /// Recent mean time per task, in microseconds; negative when unknown.
    pub(crate) mean_us: f32,
}

/// Work sent ahead of need is limited to this much time per slot.
const AHEAD_US: f32 = 5_000.0;
/// And to so many tasks per slot.
const AHEAD_TASKS: f32 = 1_024.0;

impl Lane {
    fn new(slots: u32) -> Lane {
        Lane { slots, mean_us: -1.0, ..Lane::default() }
    }

    /// How many tasks the worker may hold at once: one per slot, and a short queue that hides the round trip when tasks
    /// are short. Tasks of unknown or long duration are not sent ahead, since they could not be taken back.
    fn capacity(&self, ahead: bool) -> u32 {
        if self.mean_us < 0.0 || !ahead {
            return self.slots;
        }
        let ahead = (AHEAD_US / self.mean_us.max(0.1)).min(AHEAD_TASKS);
        self.slots + (ahead * self.slots as f32) as u32
    }

    pub(crate) fn queued(&self) -> usize {
        self.ready.len() + self.lease.len()
    }

    pub(crate) fn learn(&mut self, duration_us: u32) {
        self.mean_us = smooth(self.mean_us, duration_us);
    }
}

/// Mean weighted to the recent; a negative mean is unknown.
pub(crate) fn smooth(mean_us: f32, duration_us: u32) -> f32 {
    if mean_us < 0.0 { duration_us as f32 } else { mean_us + (duration_us as f32 - mean_us) * 0.1 }
}

/// A worker.
pub(crate) struct Worker {
    pub(crate) lanes: [Lane; 2],
    /// Whether one lane (the first) runs tasks of both classes.
    pub(crate) shared: bool,
    /// Tasks given to it and not answered.
    pub(crate) assigned: TaskSet,
    /// Number of values that it holds.
    pub(crate) held: usize,
    pub(crate) held_bytes: u64,
    pub(crate) traits: Traits,
    /// What the tasks given to it take of its resources.
    pub(crate) taken: Vec<(String, f64)>,
    /// Whether its memory is short.
    pub(crate) strained: bool,
    /// Whether it is to leave.
    pub(crate) retiring: bool,
    /// Bytes that are on their way to it.
    pub(crate) promised_bytes: u64,
}

impl Worker {
    pub(crate) fn new(slots: Slots, traits: Traits) -> Worker {
        let (lanes, shared) = match slots {
            Slots::Shared(count) => ([Lane::new(count), Lane::new(0)], true),
            Slots::Separate { python, native } => ([Lane::new(python), Lane::new(native)], false),
        };
        Worker {
            lanes,
            shared,
            assigned: TaskSet::default(),
            held: 0,
            held_bytes: 0,
            traits,
            taken: Vec::new(),
            strained: false,
            retiring: false,
            promised_bytes: 0,
        }
    }

    /// Which lane runs tasks of `class`.
    pub(crate) fn lane(&self, class: SlotClass) -> usize {
        if self.shared { 0 } else { class as usize }
    }

    /// How many tasks it may hold at once in a lane. Nothing is sent ahead to the threads of this process: asking for the
    /// next task costs them nothing, and a queue there would only be one more place to keep in order.
    pub(crate) fn capacity(&self, lane: usize) -> u32 {
        self.lanes[lane].capacity(!self.shared && !self.strained)
    }

    /// Whether it may be given another task in a lane.
    pub(crate) fn has_room(&self, lane: usize) -> bool {
        !self.retiring && self.lanes[lane].assigned < self.capacity(lane)
    }

    /// Whether it has nothing to do in a lane, nor is to get anything of another.
    pub(crate) fn is_idle(&self, lane: usize) -> bool {
        let own = &self.lanes[lane];
        own.slots > 0 && own.assigned == 0 && own.incoming == 0 && !self.strained && !self.retiring
    }

    /// Whether it can run tasks of `class` at all.
    pub(crate) fn serves(&self, class: SlotClass) -> bool {
        !self.retiring && self.lanes[self.lane(class)].slots > 0
    }
}
