//! The machine: tasks from their arrival to their answer.
//!
//! Start at [`Worker::step`]. Invariants: a task that is known is waiting, queued or sent, and in exactly one of these;
//! every task that came is answered or was abandoned; a value is dropped only when the scheduler says so, when its
//! executor dies, or when it came along with tasks that are all gone.

use crate::executor::Executor;
use crate::message::{Delivery, Event, ExecutorId, Instruction, Source};
use crate::transfer::{Missing, Place, Waiter};
use raskal_types::{Attempt, SlotClass, TaskId, WorkerId};
use std::collections::{HashMap, VecDeque};

/// A map by task, hashed by a fixed function: iteration order never depends on the process.
pub(crate) type TaskMap<V> = HashMap<TaskId, V, foldhash::fast::FixedState>;

/// Values up to this size go along with each task that takes them, rather than being kept in its executor.
const INLINE_BYTES_MAX: u64 = 4096;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// So many inputs are on their way.
    Waiting(u32),
    /// In a queue.
    Queued,
    /// Running, or sent to an executor.
    Sent(Option<ExecutorId>),
}

/// One task of the scheduler's.
pub(crate) struct Task {
    pub(crate) attempt: Attempt,
    class: SlotClass,
    pub(crate) inputs: Vec<(TaskId, Source)>,
    pub(crate) state: State,
    /// Whether the scheduler asked it back.
    asked_back: bool,
    /// The executor that it was sent to may still have the value of an earlier run, which this one was to replace.
    leftover: bool,
}

/// A worker's machine.
pub struct Worker {
    id: WorkerId,
    pub(crate) tasks: TaskMap<Task>,
    pub(crate) values: TaskMap<Place>,
    pub(crate) executors: Vec<Executor>,
    /// Counts the steps.
    pub(crate) clock: u64,
    /// Bytes of the values that live in executors.
    pub(crate) live_bytes: u64,
    native_slots: u32,
    pub(crate) native_running: u32,
    pub(crate) native_queue: VecDeque<TaskId>,
    pub(crate) python_queue: VecDeque<TaskId>,
}

impl Worker {
    /// A worker without executors that runs so many native tasks at once.
    pub fn new(id: WorkerId, native_slots: u32) -> Worker {
        Worker {
            id,
            tasks: TaskMap::default(),
            values: TaskMap::default(),
            executors: Vec::new(),
            clock: 0,
            live_bytes: 0,
            native_slots,
            native_running: 0,
            native_queue: VecDeque::new(),
            python_queue: VecDeque::new(),
        }
    }

    /// Takes in one event and appends what is to be done to `out`.
    pub fn step(&mut self, event: Event, out: &mut Vec<Instruction>) {
        self.clock += 1;
        match event {
            Event::Evict { value } => self.evict(value, out),
            Event::Run { task, attempt, class, inputs } => self.run(task, attempt, class, inputs, out),
            Event::Abandon { task, attempt } => self.abandon(task, attempt, out),
            Event::Retract { task, attempt } => self.retract(task, attempt, out),
            Event::Copy { value, peer } => self.copy(value, peer, out),
            Event::Free { value } => self.free(value, out),
            Event::Fetched { value, size_bytes } => self.fetched(value, size_bytes, out),
            Event::FetchFailed { value, unusable } => self.transfer_failed(value, unusable, out),
            Event::Exported { executor, value } => self.exported(executor, value, out),
            Event::ExportFailed { executor, value, gone } => self.export_failed(executor, value, gone, out),
            Event::Damaged { value } => self.damaged(value, out),
            Event::NotSent { executor, value } => {
                self.vanished(executor, value, out);
                self.damaged(value, out);
            }
            Event::Requested { request, value } => self.requested(request, value, out),
            Event::NativeFinished { task, attempt, size_bytes } => {
                self.native_running -= 1;
                if self.take(task, attempt, out).is_some() {
                    self.keep(task, None, size_bytes);
                    out.push(Instruction::Report { task, attempt });
                    self.wake(task, out);
                } else if !self.in_store(task) {
                    out.push(Instruction::Drop { value: task });
                }
            }
            Event::NativeFailed { task, attempt } => {
                self.native_running -= 1;
                if self.take(task, attempt, out).is_some() {
                    out.push(Instruction::Report { task, attempt });
                }
            }
            Event::NativeUnread { task, attempt, input } => {
                self.native_running -= 1;
                self.damaged(input, out);
                self.give_back(task, attempt, input, out);
            }
            Event::PythonFinished { executor, task, attempt, size_bytes, duration_us, inline } => {
                if let Some(executor) = self.answered(executor, task, attempt) {
                    executor.learn(duration_us);
                }
                self.python_finished(executor, task, attempt, size_bytes, inline, out);
            }
            Event::PythonFailed { executor, task, attempt } => {
                self.answered(executor, task, attempt);
                if self.end(task, attempt, out).is_some() {
                    out.push(Instruction::Report { task, attempt });
                }
            }
            Event::PythonUnread { executor, task, attempt, input } => {
                self.answered(executor, task, attempt);
                self.vanished(executor, input, out);
                if self.tasks.get(&task).is_some_and(|known| known.attempt == attempt) {
                    self.unsend(task);
                    self.prepare(task, out);
                }
            }
            Event::PythonSkipped { executor, task, attempt } => {
                self.answered(executor, task, attempt);
                if self.tasks.get(&task).is_some_and(|known| known.attempt == attempt && known.asked_back) {
                    self.end(task, attempt, out);
                    out.push(Instruction::ReportRetracted { task, attempt });
                }
            }
            Event::PythonBegun { task, attempt } => {
                if self.tasks.get(&task).is_some_and(|known| known.attempt == attempt && known.asked_back) {
                    out.push(Instruction::ReportRetained { task, attempt });
                }
            }
            Event::ExecutorReady { executor, threads } => self.executors.push(Executor::new(executor, threads)),
            Event::ExecutorThreads { executor, threads } => {
                if let Some(executor) = self.executor(executor) {
                    executor.threads = threads.max(1);
                }
            }
            Event::ExecutorDied { executor, running } => self.executor_died(executor, running, out),
        }
        self.dispatch(out);
    }

    /// Numbers of tasks: waiting for inputs, queued, and running or sent.
    pub fn load(&self) -> (u32, u32, u32) {
        self.tasks.values().fold((0, 0, 0), |(waiting, queued, sent), task| match task.state {
            State::Waiting(_) => (waiting + 1, queued, sent),
            State::Queued => (waiting, queued + 1, sent),
            State::Sent(_) => (waiting, queued, sent + 1),
        })
    }

    /// Who it is.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// It has another number, to a scheduler that it came back to.
    pub fn rename(&mut self, id: WorkerId) {
        self.id = id;
    }

    /// The values that it holds, and their sizes.
    pub fn inventory(&self) -> Vec<(TaskId, u64)> {
        let held = self.values.iter().filter(|(_, place)| place.owned && place.is_somewhere());
        let mut held: Vec<(TaskId, u64)> = held.map(|(&value, place)| (value, place.size_bytes)).collect();
        held.sort_unstable();
        held
    }

    /// The tasks that it was given and has not answered.
    pub fn given(&self) -> Vec<(TaskId, Attempt)> {
        let mut given: Vec<(TaskId, Attempt)> = self.tasks.iter().map(|(&id, task)| (id, task.attempt)).collect();
        given.sort_unstable();
        given
    }

    fn run(
        &mut self,
        task: TaskId,
        attempt: Attempt,
        class: SlotClass,
        inputs: Vec<(TaskId, Source)>,
        out: &mut Vec<Instruction>,
    ) {
        if let Some(known) = self.tasks.get(&task) {
            // The scheduler abandoned the earlier run already, or counts it as lost.
            self.end(task, known.attempt, out);
        }
        for &(input, source) in &inputs {
            let place = self.values.entry(input).or_default();
            place.users += 1;
            place.touched = self.clock;
            if source == Source::Inline {
                place.along += 1;
                if !place.is_somewhere() {
                    place.size_bytes = INLINE_BYTES_MAX;
                }
                place.in_store = true;
            }
        }
        let (asked, state) = (inputs.clone(), State::Waiting(0));
        self.tasks.insert(task, Task { attempt, class, inputs, state, asked_back: false, leftover: false });
        for (input, source) in asked {
            let known = |place: &Place| place.is_somewhere() || place.fetching.is_some();
            match source {
                Source::Inline => self.wake(input, out),
                _ if self.values.get(&input).is_some_and(known) => {}
                Source::Peer(peer) => self.fetch(input, peer, out),
                Source::Here => {
                    self.give_back(task, attempt, input, out);
                    return;
                }
            }
        }
        self.prepare(task, out);
    }

    /// A task does not run, since an input that should be here is not.
    fn give_back(&mut self, task: TaskId, attempt: Attempt, input: TaskId, out: &mut Vec<Instruction>) {
        let holder = self.id;
        if self.end(task, attempt, out).is_some() {
            out.push(Instruction::ReportMissing { task, attempt, input, holder });
        }
    }

    /// Waits for what is on its way, or queues a task.
    pub(crate) fn prepare(&mut self, id: TaskId, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get(&id) else { return };
        let (attempt, class) = (task.attempt, task.class);
        let mut inputs: Vec<TaskId> = task.inputs.iter().map(|input| input.0).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let is_somewhere = |value: &TaskId| self.values.get(value).is_some_and(Place::is_somewhere);
        let (here, mut missing): (Vec<TaskId>, Vec<TaskId>) = inputs.into_iter().partition(is_somewhere);
        let lost = |value: &&TaskId| self.values.get(value).is_none_or(|place| place.fetching.is_none());
        if let Some(&input) = missing.iter().find(lost) {
            self.give_back(id, attempt, input, out);
            return;
        }
        let mut bound = None;
        if missing.is_empty() {
            if class == SlotClass::Python {
                bound = self.choose(&here);
            }
            for input in here {
                let Some(place) = self.values.get_mut(&input) else { continue };
                if !place.is_ready_for(bound) {
                    place.export(input, out);
                    missing.push(input);
                }
            }
        }
        for input in &missing {
            if let Some(place) = self.values.get_mut(input) {
                place.waiters.push(Waiter::Task(id, attempt));
            }
        }
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if !missing.is_empty() {
            task.state = State::Waiting(missing.len() as u32);
            return;
        }
        task.state = State::Queued;
        match (class, bound) {
            (SlotClass::Native, _) => self.native_queue.push_back(id),
            (SlotClass::Python, None) => self.python_queue.push_back(id),
            (SlotClass::Python, Some(bound)) => {
                if let Some(executor) = self.executor(bound) {
                    executor.queue.push_back(id);
                }
            }
        }
    }

    /// The executor in which most of the inputs live, unless it is busy and another has nothing to do.
    fn choose(&self, inputs: &[TaskId]) -> Option<ExecutorId> {
        let held = |executor: &Executor| {
            let places = inputs.iter().filter_map(|input| self.values.get(input));
            places.filter(|place| place.executors.contains(&executor.id)).map(|place| place.size_bytes + 1).sum::<u64>()
        };
        let best = self.executors.iter().map(|executor| (held(executor), executor)).max_by_key(|(held, _)| *held);
        let (bytes, best) = best.filter(|(bytes, _)| *bytes > 0)?;
        let idle = self.executors.iter().find(|other| other.is_idle());
        match idle {
            Some(idle) if !best.is_idle() && bytes < 1 << 20 => Some(idle.id),
            _ => Some(best.id),
        }
    }

    /// A value that a task waits for is there.
    pub(crate) fn input_arrived(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.attempt == attempt) else { return };
        if let State::Waiting(missing) = &mut task.state {
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                self.prepare(id, out);
            }
        }
    }

    /// A value that a task waits for can't be got.
    pub(crate) fn input_missing(
        &mut self,
        task: TaskId,
        attempt: Attempt,
        input: TaskId,
        missing: Missing,
        out: &mut Vec<Instruction>,
    ) {
        if self.end(task, attempt, out).is_some() {
            out.push(match missing {
                Missing::Lost(holder) => Instruction::ReportMissing { task, attempt, input, holder },
                Missing::Unusable => Instruction::ReportUnusable { task, attempt, input },
            });
        }
    }

    /// Removes a task, if this run of it is the one that is known, and lets go of the values that it takes.
    fn take(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) -> Option<Task> {
        if self.tasks.get(&id)?.attempt != attempt {
            return None;
        }
        self.unsend(id);
        let task = self.tasks.remove(&id)?;
        if let State::Waiting(_) = task.state {
            for (input, _) in &task.inputs {
                if let Some(place) = self.values.get_mut(input) {
                    place.waiters.retain(|&waiter| waiter != Waiter::Task(id, attempt));
                }
            }
        }
        for &(input, source) in &task.inputs {
            if let Some(place) = self.values.get_mut(&input) {
                place.users -= 1;
                place.along -= u32::from(source == Source::Inline);
                self.release(input, out);
            }
        }
        Some(task)
    }

    /// Removes a task that makes no value here, with what an earlier run may have left.
    fn end(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) -> Option<()> {
        let state = self.tasks.get(&id).map(|task| task.state);
        let task = self.take(id, attempt, out)?;
        if let (true, Some(State::Sent(Some(executor)))) = (task.leftover, state)
            && !self.values.get(&id).is_some_and(|place| place.executors.contains(&executor))
        {
            out.push(Instruction::FreeIn { executor, value: id });
        }
        Some(())
    }

    /// A task is not sent any more: it is as before, or is about to go.
    fn unsend(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let State::Sent(_) = task.state {
            task.state = State::Waiting(0);
            for (input, _) in &task.inputs {
                if let Some(place) = self.values.get_mut(input) {
                    place.sent -= 1;
                }
            }
        }
    }

    fn answered(&mut self, executor: ExecutorId, task: TaskId, attempt: Attempt) -> Option<&mut Executor> {
        let executor = self.executor(executor)?;
        executor.answered(task, attempt);
        Some(executor)
    }

    fn abandon(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get(&id).filter(|task| task.attempt == attempt) else { return };
        if let State::Sent(Some(executor)) = task.state {
            out.push(Instruction::AbandonIn { executor, task: id, attempt });
        }
        self.end(id, attempt, out);
    }

    /// Gives a task back unless it runs; one that was sent to an executor is given back when that confirms it.
    fn retract(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.attempt == attempt) else { return };
        match task.state {
            State::Waiting(_) | State::Queued => {
                self.end(id, attempt, out);
                out.push(Instruction::ReportRetracted { task: id, attempt });
            }
            State::Sent(Some(executor)) if !task.asked_back => {
                task.asked_back = true;
                out.push(Instruction::AbandonIn { executor, task: id, attempt });
            }
            State::Sent(Some(_)) => {}
            State::Sent(None) => out.push(Instruction::ReportRetained { task: id, attempt }),
        }
    }

    fn python_finished(
        &mut self,
        executor: ExecutorId,
        task: TaskId,
        attempt: Attempt,
        size_bytes: u64,
        inline: bool,
        out: &mut Vec<Instruction>,
    ) {
        let here = (!inline).then_some(executor);
        if let Some(ended) = self.take(task, attempt, out) {
            if inline && ended.leftover {
                out.push(Instruction::FreeIn { executor, value: task });
            }
            self.keep(task, here, size_bytes);
            out.push(Instruction::Report { task, attempt });
            self.wake(task, out);
            return;
        }
        // Nobody wants it. A later run of the same task may leave its value under the same name in the same executor,
        // which must not be told to forget that.
        let place = self.values.get(&task);
        if inline {
            if !place.is_some_and(|place| place.in_store) {
                out.push(Instruction::Drop { value: task });
            }
        } else if !place.is_some_and(|place| place.executors.contains(&executor)) {
            match self.tasks.get_mut(&task).filter(|task| task.state == State::Sent(Some(executor))) {
                Some(rerun) => rerun.leftover = true,
                None => out.push(Instruction::FreeIn { executor, value: task }),
            }
        }
    }

    fn executor_died(&mut self, id: ExecutorId, running: Option<Vec<TaskId>>, out: &mut Vec<Instruction>) {
        let Some(position) = self.executors.iter().position(|executor| executor.id == id) else { return };
        let executor = self.executors.remove(position);
        let threads = executor.threads as usize;
        let guilty = |at: usize, task: &TaskId| running.as_ref().map_or(at < threads, |running| running.contains(task));
        let mut again = Vec::new();
        for (at, &(task, attempt)) in executor.sent.iter().enumerate() {
            let Some(known) = self.tasks.get_mut(&task).filter(|known| known.attempt == attempt) else { continue };
            known.leftover = false;
            let asked_back = known.asked_back;
            if guilty(at, &task) {
                self.take(task, attempt, out);
                out.push(Instruction::ReportDeath { executor: id, task, attempt });
            } else if asked_back {
                self.take(task, attempt, out);
                out.push(Instruction::ReportRetracted { task, attempt });
            } else {
                self.unsend(task);
                again.push((task, attempt));
            }
        }
        for task in executor.queue {
            // Unless it is in another queue by now.
            if let Some(known) = self.tasks.get(&task).filter(|known| known.state == State::Queued) {
                again.push((task, known.attempt));
            }
        }
        self.values_died_with(id, out);
        for (task, attempt) in again {
            if self.tasks.get(&task).is_some_and(|known| known.attempt == attempt) {
                self.prepare(task, out);
            }
        }
    }

    fn executor(&mut self, id: ExecutorId) -> Option<&mut Executor> {
        self.executors.iter_mut().find(|executor| executor.id == id)
    }

    fn dispatch(&mut self, out: &mut Vec<Instruction>) {
        while self.native_running < self.native_slots
            && let Some(id) = self.native_queue.pop_front()
        {
            if !self.begin(id, None, out) {
                continue;
            }
            self.native_running += 1;
            out.push(Instruction::RunNative { task: id, attempt: self.tasks[&id].attempt });
        }
        // Fewest tasks first, one each in turn, so that an idle process never waits behind a busy one.
        while let Some(at) = (0..self.executors.len())
            .filter(|&at| {
                let executor = &self.executors[at];
                executor.has_room() && !(executor.queue.is_empty() && self.python_queue.is_empty())
            })
            .min_by_key(|&at| self.executors[at].sent.len())
        {
            let executor = &mut self.executors[at];
            let Some(id) = executor.queue.pop_front().or_else(|| self.python_queue.pop_front()) else { break };
            self.send(at, id, out);
        }
    }

    /// Takes a task out of its queue to run, unless it is none any more, or an input that was there is not.
    fn begin(&mut self, id: TaskId, executor: Option<ExecutorId>, out: &mut Vec<Instruction>) -> bool {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.state == State::Queued) else { return false };
        if (task.class == SlotClass::Native) != executor.is_none() {
            return false;
        }
        let ready = |value: &TaskId| self.values.get(value).is_some_and(|place| place.is_ready_for(executor));
        if !task.inputs.iter().all(|(input, _)| ready(input)) {
            self.prepare(id, out);
            return false;
        }
        task.state = State::Sent(executor);
        for (input, _) in &task.inputs {
            if let Some(place) = self.values.get_mut(input) {
                place.sent += 1;
            }
        }
        true
    }

    fn send(&mut self, at: usize, id: TaskId, out: &mut Vec<Instruction>) {
        let executor = self.executors[at].id;
        if !self.begin(id, Some(executor), out) {
            return;
        }
        let attempt = self.tasks[&id].attempt;
        self.executors[at].sent.push_back((id, attempt));
        let taken: Vec<TaskId> = self.tasks[&id].inputs.iter().map(|input| input.0).collect();
        let mut inputs: Vec<(TaskId, Delivery)> = Vec::with_capacity(taken.len());
        for input in taken {
            let delivery = self.change(input, |place| place.deliver(executor, INLINE_BYTES_MAX));
            inputs.extend(delivery.map(|delivery| (input, delivery)));
        }
        out.push(Instruction::RunPython { executor, task: id, attempt, inputs });
    }
}

impl Delivery {
    /// Whether the executor keeps the value.
    pub fn is_kept(self) -> bool {
        self != Delivery::Inline
    }
}
