//! Workers that were there before: what they hold and run is taken over instead of made again.
//!
//! Start at [`Scheduler::adopt_value`] and [`Scheduler::adopt_run`]. A worker whose connection broke, or whose scheduler was
//! started again, tells what it has when it comes back. While it does, nothing is given out ([`crate::Event::Hold`]), so
//! that no task is begun whose value is about to turn up.

use crate::message::Instruction;
use crate::scheduler::Scheduler;
use crate::task::{ANYWHERE, State};
use raskal_types::{Attempt, TaskId, WorkerId};

impl Scheduler {
    /// A worker holds a value that this scheduler did not see being made.
    pub(crate) fn adopt_value(&mut self, worker: WorkerId, task: TaskId, size_bytes: u64, out: &mut Vec<Instruction>) {
        if !self.workers.contains_key(&worker) {
            return;
        }
        let task = self.resolve(task);
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize)).copied();
        match known.map(|task| task.state) {
            Some(State::Memory(holder)) if holder != ANYWHERE => self.copied(worker, task, out),
            Some(State::Waiting(_) | State::Ready(_) | State::Assigned(_)) => {
                self.withdraw(task, out);
                self.made(worker, task, size_bytes);
                self.consume_inputs(task, out);
                self.announce(task, out);
            }
            _ => self.stray(worker, task, out),
        }
    }

    /// A worker runs a task that this scheduler did not give it.
    pub(crate) fn adopt_run(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize)).copied();
        let waits = matches!(known.map(|task| task.state), Some(State::Waiting(_) | State::Ready(_)));
        let fits = known.is_some_and(|known| known.attempt <= attempt.0) && self.workers.contains_key(&worker);
        let choosy = self.graphs.get(&task.graph).is_some_and(|state| state.demand(task.index).is_some());
        if !waits || !fits || choosy {
            // What takes of a resource is given out anew: how much is taken must be known for certain.
            out.push(Instruction::Abandon { worker, task, attempt });
            return;
        }
        self.withdraw(task, out);
        let lane = self.workers[&worker].lane(self.class(task));
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let own = &mut state.tasks[task.index as usize];
        own.state = State::Assigned(worker);
        own.attempt = attempt.0;
        state.layer_state(task.index).running += 1;
        if let Some(state) = self.workers.get_mut(&worker) {
            state.lanes[lane].assigned += 1;
            state.assigned.insert(task);
        }
        self.weigh(worker, lane);
    }
}
