//! Answers losses: what was lost is made again from what made it.
//!
//! Start at [`Scheduler::worker_lost`]. Invariant: only what a waiting task or a client still needs is made again.

use crate::message::{Cause, Instruction};
use crate::scheduler::{DEATHS_MAX, Scheduler};
use crate::task::{ANYWHERE, State};
use raskal_types::{Attempt, TaskId, WorkerId};

/// What is to be told once every task that is made again knows what it waits for.
#[derive(Default)]
struct Settled {
    /// Imported tasks whose value is there.
    arrived: Vec<TaskId>,
    failed: Vec<(TaskId, Cause)>,
    ready: Vec<TaskId>,
}

impl Scheduler {
    /// A worker is gone: its tasks go elsewhere, its values are made again.
    pub(crate) fn worker_lost(&mut self, id: WorkerId, out: &mut Vec<Instruction>) {
        let Some(worker) = self.workers.remove(&id) else { return };
        self.shared_workers -= usize::from(worker.shared);
        self.hungry.iter_mut().for_each(|hungry| _ = hungry.remove(&id));
        self.withdraw_offer(id);
        self.strays.retain(|stray| stray.0 != id);
        (0..2).for_each(|lane| {
            _ = (self.idle[lane].remove(&id), self.loaded[lane].remove(&id), self.queued[lane].remove(&id))
        });
        for &task in &worker.assigned {
            let lane = worker.lane(self.class(task));
            self.asked_back(id, lane, task);
        }

        // Those that it must have been running died with it; those queued behind them did not.
        let mut assigned: Vec<TaskId> = worker.assigned.iter().copied().collect();
        assigned.sort_unstable_by_key(|task| self.graphs[&task.graph].rank(task.graph, task.index));
        let mut running = worker.lanes.each_ref().map(|lane| lane.slots);
        let mut again = Vec::new();
        for task in assigned {
            let lane = worker.lane(self.class(task));
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            state.layer_state(task.index).running -= 1;
            state.tasks[task.index as usize].state = State::Waiting(0);
            if running[lane] > 0 {
                running[lane] -= 1;
                *state.deaths.entry(task.index).or_default() += 1;
            }
            again.push(task);
        }
        // Its queue goes to others, once it is known which inputs are left.
        for lane in &worker.lanes {
            for &rank in lane.ready.iter().chain(&lane.lease) {
                let Some(task) = self.task_of(rank) else { continue };
                let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
                if let State::Ready(_) = state.tasks[task.index as usize].state {
                    self.ready[state.class(task.index) as usize] -= 1;
                    state.tasks[task.index as usize].state = State::Waiting(0);
                    again.push(task);
                }
            }
        }
        let lost: Vec<TaskId> = self.held_by(id).into_iter().filter(|&task| !self.other_holder(id, task)).collect();
        for &task in &again {
            self.recount(task);
        }
        self.lose(lost, out);
        self.moves_lost_with(id, out);
        for task in again {
            let Some(state) = self.graphs.get(&task.graph) else { continue };
            if state.deaths.get(&task.index).is_some_and(|&deaths| deaths >= DEATHS_MAX) {
                self.fail(task, Cause::Killed(task), out);
            } else if state.tasks[task.index as usize].state == State::Waiting(0) {
                self.make_ready(task);
            }
        }
    }

    /// A holder no longer has a value.
    pub(crate) fn dropped(&mut self, worker: WorkerId, task: TaskId, out: &mut Vec<Instruction>) {
        let size_bytes = self.size_bytes(task);
        let held = self.is_held_by(worker, task);
        let Some(holder) = self.workers.get_mut(&worker).filter(|_| held) else { return };
        holder.held -= 1;
        holder.held_bytes -= size_bytes;
        if !self.other_holder(worker, task) {
            self.lose(vec![task], out);
        }
    }

    /// A worker holds a further copy of a value.
    pub(crate) fn copied(&mut self, worker: WorkerId, task: TaskId, out: &mut Vec<Instruction>) {
        let task = self.resolve(task);
        let held =
            self.graphs.get_mut(&task.graph).and_then(|state| match state.tasks.get(task.index as usize)?.state {
                State::Memory(holder) if holder != ANYWHERE => Some((state, holder)),
                _ => None,
            });
        let (Some((state, holder)), Some(copier)) = (held, self.workers.get_mut(&worker)) else {
            self.stray(worker, task, out);
            return;
        };
        let known = state.copies.get(&task.index).is_some_and(|copies| copies.contains(&worker));
        if holder != worker && !known {
            copier.held += 1;
            copier.held_bytes += u64::from(state.tasks[task.index as usize].size_units) * 256;
            state.copies.entry(task.index).or_default().push(worker);
        }
    }

    /// A worker has a value that nobody counts on. It forgets it, unless it is to make that very value again: told to
    /// forget, it might forget the new one. See [`Scheduler::take_back`] for what becomes of it then.
    pub(crate) fn stray(&mut self, worker: WorkerId, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.workers.get(&worker) else { return };
        if state.assigned.contains(&task) {
            self.strays.insert((worker, task));
        } else if !self.is_held_by(worker, task) {
            out.push(Instruction::Free { worker, task });
        }
    }

    /// A worker could not get an input.
    pub(crate) fn input_missing(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
        input: TaskId,
        holder: WorkerId,
        out: &mut Vec<Instruction>,
    ) {
        let input = self.resolve(input);
        if self.is_held_by(holder, input) {
            // The holder may have it all the same (the connection failed, or it was made again meanwhile).
            out.push(Instruction::Free { worker: holder, task: input });
            self.dropped(holder, input, out);
        }
        if self.take_back(worker, task, attempt, out) {
            self.reconsider(task);
        }
    }

    /// Counts again which inputs a task waits for, and queues it if there are none.
    pub(crate) fn reconsider(&mut self, task: TaskId) {
        if self.recount(task) == 0 {
            self.make_ready(task);
        }
    }

    pub(crate) fn recount(&mut self, task: TaskId) -> u32 {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return u32::MAX };
        let mut inputs = Vec::new();
        state.layers.predecessors(task.index, &mut inputs);
        let held = |input: &&u32| matches!(state.tasks[**input as usize].state, State::Memory(_));
        let missing = inputs.len() as u32 - inputs.iter().filter(held).count() as u32;
        state.tasks[task.index as usize].state = State::Waiting(missing);
        missing
    }

    /// Strikes `worker` from the holders of a value; false if it was the last.
    fn other_holder(&mut self, worker: WorkerId, task: TaskId) -> bool {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return true };
        let own = &mut state.tasks[task.index as usize];
        let State::Memory(holder) = own.state else { return true };
        let copies = state.copies.entry(task.index).or_default();
        copies.retain(|&copy| copy != worker);
        let mut other = true;
        if holder == worker {
            match copies.pop() {
                Some(copy) => own.state = State::Memory(copy),
                None => other = false,
            }
        }
        if copies.is_empty() {
            state.copies.remove(&task.index);
        }
        other
    }

    /// Values are held by nobody any more: whoever waits for them waits again, and they are made again.
    fn lose(&mut self, lost: Vec<TaskId>, out: &mut Vec<Instruction>) {
        for &task in &lost {
            self.unmake(task, out);
        }
        self.revive(lost, out);
    }

    /// Takes a value out of memory, and those who counted on it back to waiting.
    fn unmake(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        state.tasks[task.index as usize].state = State::Released;
        state.live -= 1;
        let exports = state.exports.get(&task.index).cloned().unwrap_or_default();
        let mut successors = Vec::new();
        state.layers.successors(task.index, &mut successors);
        for index in successors {
            let successor = TaskId { graph: task.graph, index };
            let Some(state) = self.graphs.get_mut(&task.graph) else { return };
            match &mut state.tasks[index as usize].state {
                State::Waiting(missing) => *missing += 1,
                State::Ready(_) => {
                    self.withdraw(successor, out);
                    if let Some(state) = self.graphs.get_mut(&task.graph) {
                        state.tasks[index as usize].state = State::Waiting(1);
                    }
                }
                // A worker that has it may hold the input already; if not, it will say so.
                _ => {}
            }
        }
        for own in exports {
            if let Some(state) = self.graphs.get(&own.graph)
                && let State::Memory(_) = state.tasks[own.index as usize].state
            {
                self.unmake(own, out);
                if let Some(state) = self.graphs.get_mut(&own.graph) {
                    state.awaken(own.index);
                    state.tasks[own.index as usize].state = State::Waiting(1);
                }
            }
        }
    }

    /// Has values made again, and before them the inputs that are gone as well.
    ///
    /// First it is settled what each task waits for, and only then told who arrived, failed or is ready: each of these
    /// may give up others, which must have their counts by then.
    pub(crate) fn revive(&mut self, tasks: Vec<TaskId>, out: &mut Vec<Instruction>) {
        let mut stack = Vec::new();
        for task in tasks {
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            let own = state.tasks[task.index as usize];
            if let (State::Released | State::Unneeded, 1..) = (own.state, own.uses) {
                state.awaken(task.index);
                stack.push(task);
            }
        }
        let mut settled = Settled::default();
        while let Some(task) = stack.pop() {
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            if let Some(source) = state.imports.get(&task.index).copied() {
                self.revive_import(task, source, &mut stack, &mut settled);
                continue;
            }
            let layers = state.layers.clone();
            let mut inputs = Vec::new();
            layers.predecessors(task.index, &mut inputs);
            let cause = inputs.iter().find_map(|index| state.causes.get(index).copied());
            let mut missing = 0;
            for index in inputs {
                let input = &mut state.tasks[index as usize];
                input.uses += 1;
                match input.state {
                    State::Memory(_) => continue,
                    // For a task that fails nothing is made.
                    State::Released | State::Unneeded if cause.is_none() => {
                        state.awaken(index);
                        stack.push(TaskId { graph: task.graph, index });
                    }
                    _ => {}
                }
                missing += 1;
            }
            state.tasks[task.index as usize].state = State::Waiting(missing);
            match cause {
                // An input failed when it was made again for somebody else.
                Some(cause) => settled.failed.push((task, cause)),
                None if missing == 0 => settled.ready.push(task),
                None => {}
            }
        }
        self.settle(settled, out);
    }

    /// An imported task is needed again: so is the task that it stands for.
    fn revive_import(&mut self, own: TaskId, source: TaskId, stack: &mut Vec<TaskId>, settled: &mut Settled) {
        if let Some(state) = self.graphs.get_mut(&own.graph) {
            state.tasks[own.index as usize].state = State::Waiting(1);
        }
        let Some(state) = self.graphs.get_mut(&source.graph) else {
            settled.failed.push((own, Cause::Lost(source)));
            return;
        };
        state.exports.entry(source.index).or_default().push(own);
        let task = &mut state.tasks[source.index as usize];
        task.uses += 1;
        match task.state {
            State::Memory(_) => settled.arrived.push(own),
            State::Released | State::Unneeded => {
                state.awaken(source.index);
                stack.push(source);
            }
            State::Failed => {
                let cause = state.causes.get(&source.index).copied().unwrap_or(Cause::Lost(source));
                settled.failed.push((own, cause));
            }
            _ => {}
        }
    }

    fn settle(&mut self, settled: Settled, out: &mut Vec<Instruction>) {
        for own in settled.arrived {
            self.import_arrived(own, out);
        }
        for (task, cause) in settled.failed {
            self.fail(task, cause, out);
        }
        for task in settled.ready {
            // Unless it was given up because what needs it failed.
            if self
                .graphs
                .get(&task.graph)
                .is_some_and(|state| state.tasks[task.index as usize].state == State::Waiting(0))
            {
                self.make_ready(task);
            }
        }
    }
}
