//! What the machine knows of one executor process.

use crate::message::ExecutorId;
use raskal_types::{Attempt, TaskId};
use std::collections::VecDeque;

/// Work sent ahead of need is limited to this much time per thread.
const AHEAD_US: f32 = 5_000.0;
/// And to so many tasks per thread.
const AHEAD_TASKS: f32 = 1_024.0;

/// One executor process.
pub(crate) struct Executor {
    pub(crate) id: ExecutorId,
    pub(crate) threads: u32,
    /// Tasks sent and not answered, in the order of sending.
    pub(crate) sent: VecDeque<(TaskId, Attempt)>,
    /// Tasks that are to run here since their inputs live here.
    pub(crate) queue: VecDeque<TaskId>,
    /// Recent mean run time; negative when unknown.
    mean_us: f32,
}

impl Executor {
    pub(crate) fn new(id: ExecutorId, threads: u32) -> Executor {
        Executor { id, threads: threads.max(1), sent: VecDeque::new(), queue: VecDeque::new(), mean_us: -1.0 }
    }

    /// One task per thread, and a short queue that hides the way there and back when tasks are short.
    pub(crate) fn has_room(&self) -> bool {
        let ahead = if self.mean_us < 0.0 { 0.0 } else { (AHEAD_US / self.mean_us.max(0.1)).min(AHEAD_TASKS) };
        self.sent.len() < self.threads as usize + (ahead * self.threads as f32) as usize
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.sent.len() + self.queue.len() < self.threads as usize
    }

    /// Takes note of an answer; false if nothing of the kind was sent.
    pub(crate) fn answered(&mut self, task: TaskId, attempt: Attempt) -> bool {
        let position = self.sent.iter().position(|&sent| sent == (task, attempt));
        position.is_some_and(|position| self.sent.remove(position).is_some())
    }

    pub(crate) fn learn(&mut self, duration_us: u32) {
        let duration = duration_us as f32;
        self.mean_us = if self.mean_us < 0.0 { duration } else { self.mean_us + (duration - self.mean_us) * 0.1 };
    }
}
