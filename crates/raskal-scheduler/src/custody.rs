//! Who keeps values: copies that users ask for, moves between workers, and workers that leave in order.
//!
//! Start at [`Scheduler::retire`], [`Scheduler::replicate`] and [`Scheduler::rebalance`]. A move is a copy, after which the
//! first holder forgets the value. A worker that leaves is given nothing new, gives back what it has not begun, and is
//! let go when it holds nothing any more.
//! Invariant: the last holder of a value that is needed never forgets it.

use crate::message::Instruction;
use crate::scheduler::Scheduler;
use crate::task::{ANYWHERE, State};
use raskal_types::{Attempt, TaskId, WorkerId};
use std::collections::BTreeMap;

/// A value that can't be moved after so many attempts is made again elsewhere.
const TRIES_MAX: u32 = 3;
/// Workers whose bytes are so near to the mean are balanced.
const NEAR: f64 = 1.05;

/// A value on its way to another worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    from: WorkerId,
    to: WorkerId,
    tries: u32,
}

impl Scheduler {
    /// Has values copied until so many workers (of `among`, if that names some) hold each.
    pub(crate) fn replicate(
        &mut self,
        tasks: &[TaskId],
        copies: usize,
        among: &[WorkerId],
        out: &mut Vec<Instruction>,
    ) {
        for &task in tasks {
            let task = self.resolve(task);
            let holders = self.holders(task);
            if holders.is_empty() {
                continue;
            }
            let wanted = copies.min(self.workers.len());
            if let Some(state) = self.graphs.get_mut(&task.graph) {
                // What users asked for is not surplus.
                state.pinned.insert(task.index, wanted as u32);
            }
            let allowed = |id: &WorkerId| among.is_empty() || among.contains(id);
            let there = holders.iter().filter(|id| allowed(id)).count();
            let mut others: Vec<WorkerId> = self
                .workers
                .iter()
                .filter(|(id, worker)| allowed(id) && !worker.retiring && !holders.contains(id))
                .map(|(&id, _)| id)
                .collect();
            others.sort_by_key(|id| (self.workers[id].held_bytes, *id));
            for (at, &to) in others.iter().take(wanted.saturating_sub(there)).enumerate() {
                out.push(Instruction::Copy { worker: to, task, from: holders[at % holders.len()] });
            }
        }
    }

    /// Moves values (of `tasks`, or all) between workers (of `among`, or all) until each holds about as many bytes.
    pub(crate) fn rebalance(&mut self, tasks: &[TaskId], among: &[WorkerId], out: &mut Vec<Instruction>) {
        let allowed = |id: &WorkerId| among.is_empty() || among.contains(id);
        let mut bytes: BTreeMap<WorkerId, u64> = self
            .workers
            .iter()
            .filter(|(id, worker)| allowed(id) && !worker.retiring)
            .map(|(&id, worker)| (id, worker.held_bytes))
            .collect();
        if bytes.len() < 2 {
            return;
        }
        let mean = bytes.values().sum::<u64>() as f64 / bytes.len() as f64;
        let senders: Vec<WorkerId> =
            bytes.iter().filter(|&(_, &held)| held as f64 > mean * NEAR).map(|(&id, _)| id).collect();
        for from in senders {
            let mut held: Vec<TaskId> = match tasks {
                [] => self.held_by(from),
                tasks => {
                    tasks.iter().map(|&task| self.resolve(task)).filter(|&task| self.is_held_by(from, task)).collect()
                }
            };
            held.sort_by_key(|&task| (std::cmp::Reverse(self.size_bytes(task)), task));
            held.dedup();
            for task in held {
                let size_bytes = self.size_bytes(task);
                let receiver =
                    bytes.iter().filter(|&(&id, _)| !self.is_held_by(id, task)).min_by_key(|&(&id, &held)| (held, id));
                let Some((&to, &least)) = receiver else { continue };
                let too_much = (bytes[&from].saturating_sub(size_bytes)) as f64 * NEAR < mean;
                if size_bytes == 0
                    || too_much
                    || (least + size_bytes) as f64 > mean * NEAR
                    || self.moves.contains_key(&task)
                {
                    continue;
                }
                *bytes.entry(from).or_default() -= size_bytes;
                *bytes.entry(to).or_default() += size_bytes;
                self.start_move(task, from, to, 0, out);
            }
        }
    }

    /// Workers are to leave. Those that hold what nobody else could hold stay.
    pub(crate) fn retire(&mut self, leaving: &[WorkerId], out: &mut Vec<Instruction>) {
        let leaving: Vec<WorkerId> =
            leaving.iter().copied().filter(|id| self.workers.get(id).is_some_and(|worker| !worker.retiring)).collect();
        let others = self.workers.iter().any(|(id, worker)| !worker.retiring && !leaving.contains(id));
        for &id in &leaving {
            let needed = self.workers[&id].held > 0 || !self.workers[&id].assigned.is_empty();
            if !others && needed {
                out.push(Instruction::Stays { worker: id });
                continue;
            }
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.retiring = true;
            }
            (0..2).for_each(|lane| self.weigh(id, lane));
            self.hungry.iter_mut().for_each(|hungry| _ = hungry.remove(&id));
            self.withdraw_offer(id);
            self.retiring.insert(id);
        }
        for &id in &leaving {
            if self.retiring.contains(&id) {
                self.give_work_away(id, out);
                for task in self.held_by(id) {
                    self.evacuate(id, task, 0, out);
                }
            }
        }
    }

    /// What is queued for a worker goes to others, and what it was given and has not begun is asked back.
    fn give_work_away(&mut self, id: WorkerId, out: &mut Vec<Instruction>) {
        let mut queued = Vec::new();
        if let Some(worker) = self.workers.get_mut(&id) {
            for lane in &mut worker.lanes {
                queued.extend(std::mem::take(&mut lane.ready));
                queued.extend(std::mem::take(&mut lane.lease));
            }
        }
        for rank in queued {
            let Some(task) = self.task_of(rank) else { continue };
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            if let State::Ready(_) = state.tasks[task.index as usize].state {
                let class = state.class(task.index);
                state.tasks[task.index as usize].state = State::Waiting(0);
                self.ready[class as usize] -= 1;
                self.make_ready(task);
            }
        }
        let Some(worker) = self.workers.get(&id) else { return };
        let mut given: Vec<TaskId> = worker.assigned.iter().copied().collect();
        given.sort_unstable();
        for task in given {
            let state = &self.graphs[&task.graph];
            let lane = self.workers[&id].lane(state.class(task.index));
            let attempt = Attempt(state.tasks[task.index as usize].attempt);
            if !self.retracting.contains_key(&task)
                && let Some(worker) = self.workers.get_mut(&id)
            {
                self.retracting.insert(task, ANYWHERE);
                worker.lanes[lane].outgoing += 1;
                out.push(Instruction::Retract { worker: id, task, attempt });
            }
        }
    }

    /// A value of a worker that leaves goes to another, unless that has it already.
    pub(crate) fn evacuate(&mut self, from: WorkerId, task: TaskId, tries: u32, out: &mut Vec<Instruction>) {
        let stays = |id: &WorkerId| *id != from && self.workers.get(id).is_some_and(|worker| !worker.retiring);
        let elsewhere = self.holders(task).iter().any(stays);
        if elsewhere || tries >= TRIES_MAX {
            out.push(Instruction::Free { worker: from, task });
            self.dropped(from, task, out);
            return;
        }
        let to = self.workers.keys().copied().filter(|id| stays(id) && !self.is_held_by(*id, task));
        let to = to.min_by_key(|id| (self.workers[id].held_bytes + self.workers[id].promised_bytes, *id));
        if let Some(to) = to {
            self.start_move(task, from, to, tries, out);
        }
    }

    fn start_move(&mut self, task: TaskId, from: WorkerId, to: WorkerId, tries: u32, out: &mut Vec<Instruction>) {
        let size_bytes = self.size_bytes(task);
        if let Some(worker) = self.workers.get_mut(&to) {
            worker.promised_bytes += size_bytes;
        }
        self.moves.insert(task, Move { from, to, tries });
        out.push(Instruction::Copy { worker: to, task, from });
    }

    fn end_move(&mut self, task: TaskId, to: WorkerId) -> Option<Move> {
        let found = self.moves.get(&task).copied().filter(|found| found.to == to)?;
        self.moves.remove(&task);
        let size_bytes = self.size_bytes(task);
        if let Some(worker) = self.workers.get_mut(&to) {
            worker.promised_bytes = worker.promised_bytes.saturating_sub(size_bytes);
        }
        Some(found)
    }

    /// A value arrived where it was moved to: its first holder forgets it.
    pub(crate) fn moved(&mut self, to: WorkerId, task: TaskId, out: &mut Vec<Instruction>) {
        if self.moves.is_empty() {
            return;
        }
        let Some(Move { from, .. }) = self.end_move(task, to) else { return };
        if self.is_held_by(from, task) && self.is_held_by(to, task) {
            out.push(Instruction::Free { worker: from, task });
            self.dropped(from, task, out);
        }
    }

    /// A copy that was ordered could not be made.
    pub(crate) fn copy_failed(&mut self, to: WorkerId, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(Move { from, tries, .. }) = self.end_move(task, to) else { return };
        if self.retiring.contains(&from) && self.is_held_by(from, task) {
            self.evacuate(from, task, tries + 1, out);
        }
    }

    /// A worker is gone, and what was on its way there is not.
    pub(crate) fn moves_lost_with(&mut self, id: WorkerId, out: &mut Vec<Instruction>) {
        self.retiring.remove(&id);
        let mut lost: Vec<(TaskId, Move)> = self
            .moves
            .iter()
            .filter(|(_, one)| one.to == id || one.from == id)
            .map(|(&task, &one)| (task, one))
            .collect();
        lost.sort_unstable_by_key(|(task, _)| *task);
        for (task, one) in lost {
            self.moves.remove(&task);
            let size_bytes = self.size_bytes(task);
            if let Some(worker) = self.workers.get_mut(&one.to) {
                worker.promised_bytes = worker.promised_bytes.saturating_sub(size_bytes);
            }
            if one.to == id && self.retiring.contains(&one.from) && self.is_held_by(one.from, task) {
                self.evacuate(one.from, task, one.tries, out);
            }
        }
    }

    /// Another worker is there: what could not go anywhere goes there.
    pub(crate) fn evacuate_the_rest(&mut self, out: &mut Vec<Instruction>) {
        for id in self.retiring.clone() {
            for task in self.held_by(id) {
                if !self.moves.contains_key(&task) {
                    self.evacuate(id, task, 0, out);
                }
            }
        }
    }

    /// Lets the workers go that have nothing any more.
    pub(crate) fn let_go_retired(&mut self, out: &mut Vec<Instruction>) {
        let done =
            |id: &&WorkerId| self.workers.get(id).is_none_or(|worker| worker.assigned.is_empty() && worker.held == 0);
        let done: Vec<WorkerId> = self.retiring.iter().filter(done).copied().collect();
        for worker in done {
            self.retiring.remove(&worker);
            out.push(Instruction::Retired { worker });
        }
    }

    /// Drops the copies that nobody asked for and that are more than there are tasks to come that take the value.
    pub(crate) fn tidy(&mut self, out: &mut Vec<Instruction>) {
        let mut surplus: Vec<(WorkerId, TaskId)> = Vec::new();
        for (&graph, state) in &self.graphs {
            for (&index, copies) in &state.copies {
                let State::Memory(first) = state.tasks[index as usize].state else { continue };
                let (mut users, mut successors) = (Vec::new(), Vec::new());
                state.layers.successors(index, &mut successors);
                let mut to_come = state.exports.get(&index).map_or(0, Vec::len);
                for successor in successors {
                    match state.tasks[successor as usize].state {
                        State::Assigned(worker) | State::Ready(worker) => users.push(worker),
                        State::Waiting(_) => to_come += 1,
                        _ => {}
                    }
                }
                let pinned = state.pinned.get(&index).copied().unwrap_or(1) as usize;
                let keep = (users.len() + to_come).max(pinned).max(1);
                let mut idle: Vec<WorkerId> =
                    copies.iter().chain([&first]).copied().filter(|holder| !users.contains(holder)).collect();
                idle.sort_by_key(|id| (self.workers[id].held_bytes, *id));
                let drop = (copies.len() + 1).saturating_sub(keep).min(copies.len());
                let task = TaskId { graph, index };
                surplus.extend(idle.into_iter().rev().take(drop).map(|worker| (worker, task)));
            }
        }
        surplus.sort_unstable();
        for (worker, task) in surplus {
            if !self.moves.contains_key(&task) && self.holders(task).len() > 1 {
                out.push(Instruction::Free { worker, task });
                self.dropped(worker, task, out);
            }
        }
    }
}
