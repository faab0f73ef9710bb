//! Work for workers that run out of it, taken from those that were given more than they run.
//!
//! Start at [`Scheduler::balance`]. What others have not been given yet an idle worker takes at once (see placement); what
//! was sent ahead of need is asked back, and goes to the idle one when its worker confirms that it has not begun.
//! Invariant: a task is asked back of one worker, for one other, at most once per run.

use crate::message::Instruction;
use crate::scheduler::Scheduler;
use crate::task::{ANYWHERE, Rank, State};
use raskal_types::{Attempt, TaskId, WorkerId};

/// Work that takes less time than this is not worth asking back.
const WORTH_US: f32 = 2_000.0;
/// Loaded workers that are compared.
const COMPARED_MAX: usize = 16;
/// Assumed run time of a task of which nothing is known.
const UNKNOWN_US: f32 = 500.0;

impl Scheduler {
    /// Keeps note of who has nothing to do and who has more than it runs.
    pub(crate) fn weigh(&mut self, id: WorkerId, lane: usize) {
        let Some(worker) = self.workers.get(&id) else { return };
        let own = &worker.lanes[lane];
        let (idle, loaded) = (worker.is_idle(lane), own.assigned > own.slots);
        if idle != own.noted_idle {
            match idle {
                true => self.idle[lane].insert(id),
                false => self.idle[lane].remove(&id),
            };
        }
        if loaded != own.noted_loaded {
            match loaded {
                true => self.loaded[lane].insert(id),
                false => self.loaded[lane].remove(&id),
            };
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            (worker.lanes[lane].noted_idle, worker.lanes[lane].noted_loaded) = (idle, loaded);
        }
    }

    /// Asks work back for workers that have none.
    pub(crate) fn balance(&mut self, lane: usize, out: &mut Vec<Instruction>) {
        if self.idle[lane].is_empty() || self.loaded[lane].is_empty() {
            return;
        }
        // Whoever is promised something is idle no longer.
        while let Some(&thief) = self.idle[lane].first() {
            if !self.ask_back(thief, lane, out) {
                return;
            }
        }
    }

    /// Asks half of what the most loaded worker does not run yet back; false if nobody has enough.
    fn ask_back(&mut self, thief: WorkerId, lane: usize, out: &mut Vec<Instruction>) -> bool {
        let surplus = |id: &WorkerId| {
            let own = &self.workers[id].lanes[lane];
            let surplus = own.assigned.saturating_sub(own.slots + own.outgoing);
            let mean_us = if own.mean_us < 0.0 { UNKNOWN_US } else { own.mean_us };
            (surplus, surplus as f32 * mean_us / own.slots.max(1) as f32)
        };
        let most = self.loaded[lane].iter().take(COMPARED_MAX).map(|id| (surplus(id), *id));
        let Some(((count, us), victim)) = most.max_by(|(a, _), (b, _)| a.1.total_cmp(&b.1)) else { return false };
        if us < WORTH_US || self.workers[&victim].shared != self.workers[&thief].shared {
            return false;
        }
        let mut last: Vec<(Rank, TaskId)> = Vec::new();
        for &task in &self.workers[&victim].assigned {
            let state = &self.graphs[&task.graph];
            if self.workers[&victim].lane(state.class(task.index)) == lane
                && state.demand(task.index).is_none()
                && !self.retracting.contains_key(&task)
            {
                last.push((state.rank(task.graph, task.index), task));
            }
        }
        last.sort_unstable();
        let slots = self.workers[&victim].lanes[lane].slots as usize;
        let wanted = (count as usize).div_ceil(2).min(last.len().saturating_sub(slots));
        let asked = last.split_off(last.len() - wanted);
        for &(_, task) in asked.iter().rev() {
            let attempt = Attempt(self.graphs[&task.graph].tasks[task.index as usize].attempt);
            self.retracting.insert(task, thief);
            out.push(Instruction::Retract { worker: victim, task, attempt });
        }
        let count = asked.len() as u32;
        for (id, is_thief) in [(thief, true), (victim, false)] {
            if let Some(worker) = self.workers.get_mut(&id) {
                let own = &mut worker.lanes[lane];
                *(if is_thief { &mut own.incoming } else { &mut own.outgoing }) += count;
            }
        }
        self.weigh(thief, lane);
        count > 0
    }

    /// A task that was asked back is so no longer; tells for whom it was.
    pub(crate) fn asked_back(&mut self, victim: WorkerId, lane: usize, task: TaskId) -> Option<WorkerId> {
        if self.retracting.is_empty() {
            return None;
        }
        let thief = self.retracting.remove(&task)?;
        if let Some(worker) = self.workers.get_mut(&victim) {
            worker.lanes[lane].outgoing = worker.lanes[lane].outgoing.saturating_sub(1);
        }
        let worker = self.workers.get_mut(&thief)?;
        worker.lanes[lane].incoming = worker.lanes[lane].incoming.saturating_sub(1);
        self.weigh(thief, lane);
        Some(thief)
    }

    /// A worker keeps a task that was asked back. It is not asked for that run again.
    pub(crate) fn retained(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) {
        if !self.is_assigned(worker, task, attempt) {
            return;
        }
        let lane = self.workers[&worker].lane(self.class(task));
        if let Some(id) = self.retracting.get_mut(&task).map(|thief| std::mem::replace(thief, ANYWHERE))
            && let Some(thief) = self.workers.get_mut(&id)
        {
            thief.lanes[lane].incoming = thief.lanes[lane].incoming.saturating_sub(1);
            self.weigh(id, lane);
        }
    }

    /// A worker gave a task back.
    pub(crate) fn retracted(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let thief = self.retracting.get(&task).copied();
        if !self.take_back(worker, task, attempt, out) || self.recount(task) > 0 {
            return;
        }
        let class = self.class(task);
        let Some(thief) = thief.filter(|id| self.workers.get(id).is_some_and(|worker| worker.serves(class))) else {
            self.make_ready(task);
            return;
        };
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let rank = state.rank(task.graph, task.index);
        state.tasks[task.index as usize].state = State::Ready(thief);
        self.ready[class as usize] += 1;
        if let Some(worker) = self.workers.get_mut(&thief) {
            let lane = worker.lane(class);
            worker.lanes[lane].ready.insert(rank);
            self.queued[lane].insert(thief);
        }
    }

    /// A worker's memory is short, or no longer.
    pub(crate) fn strain(&mut self, id: WorkerId, strained: bool) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.strained = strained;
        for (lane, hungry) in self.hungry.iter_mut().enumerate() {
            if worker.has_room(lane) {
                hungry.insert(id);
            }
        }
        (0..2).for_each(|lane| self.weigh(id, lane));
    }
}
