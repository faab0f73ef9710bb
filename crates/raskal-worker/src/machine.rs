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
enum State {
    /// So many inputs are on their way.
    Waiting(u32),
    /// In a queue.
    Queued,
    /// Running, or sent to an executor.
    Sent(Option<ExecutorId>),
}

/// One task of the scheduler's.
struct Task {
    attempt: Attempt,
    class: SlotClass,
    inputs: Vec<(TaskId, Source)>,
    state: State,
    /// The executor chosen for it, once its inputs bind it to one.
    executor: Option<ExecutorId>,
    /// Whether the scheduler asked it back.
    asked_back: bool,
}

/// A worker's machine.
pub struct Worker {
    id: WorkerId,
    tasks: TaskMap<Task>,
    pub(crate) values: TaskMap<Place>,
    pub(crate) executors: Vec<Executor>,
    /// Counts the steps.
    pub(crate) clock: u64,
    /// Bytes of the values that live in executors.
    pub(crate) live_bytes: u64,
    native_slots: u32,
    native_running: u32,
    native_queue: VecDeque<TaskId>,
    python_queue: VecDeque<TaskId>,
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
            Event::Fetched { value, size_bytes } => {
                out.push(Instruction::ReportCopied { value });
                self.arrived(value, Some(size_bytes), out);
            }
            Event::FetchFailed { value, unusable } => self.transfer_failed(value, unusable, out),
            Event::Exported { executor, value } => self.exported(executor, value, out),
            Event::ExportFailed { value, .. } => self.export_failed(value, out),
            Event::Requested { request, value } => self.requested(request, value, out),
            Event::NativeFinished { task, attempt, size_bytes } => {
                self.native_running -= 1;
                if self.take(task, attempt, out).is_some() {
                    self.keep(task, None, size_bytes);
                    out.push(Instruction::Report { task, attempt });
                } else if !self.in_store(task) {
                    out.push(Instruction::Drop { value: task });
                }
            }
            Event::PythonFinished { executor, task, attempt, size_bytes, duration_us, inline } => {
                if let Some(executor) = self.executor(executor) {
                    executor.answered(task, attempt);
                    executor.learn(duration_us);
                }
                self.python_finished(executor, task, attempt, size_bytes, inline, out);
            }
            Event::NativeFailed { task, attempt } => {
                self.native_running -= 1;
                if self.take(task, attempt, out).is_some() {
                    out.push(Instruction::Report { task, attempt });
                }
            }
            Event::PythonFailed { executor, task, attempt } => {
                if let Some(executor) = self.executor(executor) {
                    executor.answered(task, attempt);
                }
                if self.take(task, attempt, out).is_some() {
                    out.push(Instruction::Report { task, attempt });
                }
            }
            Event::PythonSkipped { executor, task, attempt } => {
                if let Some(executor) = self.executor(executor) {
                    executor.answered(task, attempt);
                }
                if self.tasks.get(&task).is_some_and(|known| known.attempt == attempt && known.asked_back) {
                    self.take(task, attempt, out);
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
        if self.tasks.contains_key(&task) {
            // The scheduler abandoned the earlier run already, or counts it as lost.
            self.take(task, self.tasks[&task].attempt, out);
        }
        for &(input, source) in &inputs {
            if source == Source::Inline {
                self.values.entry(input).or_insert_with(|| Place::passing(INLINE_BYTES_MAX)).users += 1;
            }
        }
        for (input, _) in &inputs {
            if let Some(place) = self.values.get_mut(input) {
                place.touched = self.clock;
            }
        }
        let state = State::Waiting(0);
        self.tasks.insert(task, Task { attempt, class, inputs, state, executor: None, asked_back: false });
        for at in 0..self.tasks[&task].inputs.len() {
            let (input, source) = self.tasks[&task].inputs[at];
            let known = self.values.get(&input).is_some_and(|place| place.is_somewhere() || place.fetching);
            let holder = match source {
                Source::Here | Source::Inline if !known => self.id,
                Source::Peer(peer) if !known => {
                    let place = self.values.entry(input).or_insert_with(|| Place::new(0));
                    place.fetching = true;
                    place.peer = Some(peer);
                    out.push(Instruction::Fetch { value: input, peer });
                    continue;
                }
                _ => continue,
            };
            self.take(task, attempt, out);
            out.push(Instruction::ReportMissing { task, attempt, input, holder });
            return;
        }
        self.prepare(task, out);
    }

    /// Waits for what is on its way, or queues a task.
    pub(crate) fn prepare(&mut self, id: TaskId, out: &mut Vec<Instruction>) {
        if let Some((attempt, input)) = self.lost_input(id) {
            self.take(id, attempt, out);
            out.push(Instruction::ReportMissing { task: id, attempt, input, holder: self.id });
            return;
        }
        let Some(task) = self.tasks.get(&id) else { return };
        let inputs: Vec<TaskId> = task.inputs.iter().map(|input| input.0).collect();
        let fetching = inputs.iter().filter(|input| self.values.get(input).is_some_and(|place| place.fetching));
        let mut missing: Vec<TaskId> = fetching.copied().collect();
        let mut bound = None;
        if missing.is_empty() {
            if task.class == SlotClass::Python {
                bound = self.choose(&inputs);
            }
            for &input in &inputs {
                let Some(place) = self.values.get_mut(&input) else { continue };
                let there = place.in_store || bound.is_some_and(|executor| place.executors.contains(&executor));
                if !there {
                    if let (false, Some(&executor)) = (place.exporting, place.executors.first()) {
                        place.exporting = true;
                        out.push(Instruction::Export { executor, value: input });
                    }
                    missing.push(input);
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for input in &missing {
            if let Some(place) = self.values.get_mut(input) {
                place.waiters.push(Waiter::Task(id));
            }
        }
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.executor = bound;
        if !missing.is_empty() {
            task.state = State::Waiting(missing.len() as u32);
            return;
        }
        task.state = State::Queued;
        match (task.class, bound) {
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
    pub(crate) fn input_arrived(&mut self, id: TaskId, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let State::Waiting(missing) = &mut task.state {
            *missing = missing.saturating_sub(1);
            if *missing == 0 {
                self.prepare(id, out);
            }
        }
    }

    /// A value that a task waits for can't be got.
    pub(crate) fn input_missing(&mut self, id: TaskId, input: TaskId, missing: Missing, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get(&id).filter(|task| matches!(task.state, State::Waiting(_))) else { return };
        let attempt = task.attempt;
        self.take(id, attempt, out);
        out.push(match missing {
            Missing::Lost(holder) => Instruction::ReportMissing { task: id, attempt, input, holder },
            Missing::Unusable => Instruction::ReportUnusable { task: id, attempt, input },
        });
    }

    /// Removes a task, if this run of it is the one that is known, and lets go of the values that came along with it.
    fn take(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) -> Option<()> {
        if self.tasks.get(&id)?.attempt != attempt {
            return None;
        }
        let task = self.tasks.remove(&id)?;
        for (input, source) in task.inputs {
            if let (State::Sent(_), Some(place)) = (task.state, self.values.get_mut(&input)) {
                place.sent = place.sent.saturating_sub(1);
            }
            if source == Source::Inline {
                self.user_gone(input, out);
            }
        }
        Some(())
    }

    fn abandon(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get(&id).filter(|task| task.attempt == attempt) else { return };
        if let State::Sent(Some(executor)) = task.state {
            out.push(Instruction::AbandonIn { executor, task: id, attempt });
        }
        self.take(id, attempt, out);
    }

    /// Gives a task back unless it runs; one that was sent to an executor is given back when that confirms it.
    fn retract(&mut self, id: TaskId, attempt: Attempt, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.attempt == attempt) else { return };
        match task.state {
            State::Waiting(_) | State::Queued => {
                self.take(id, attempt, out);
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
        if self.take(task, attempt, out).is_some() {
            self.keep(task, here, size_bytes);
            out.push(Instruction::Report { task, attempt });
            return;
        }
        // Nobody wants it; a later run of the same task may have left its value under the same name.
        let rerun = self.tasks.get(&task).is_some_and(|task| task.state == State::Sent(Some(executor)));
        let held = |place: &Place| if inline { place.in_store } else { place.executors.contains(&executor) };
        if !rerun && !self.values.get(&task).is_some_and(held) {
            out.push(match here {
                Some(executor) => Instruction::FreeIn { executor, value: task },
                None => Instruction::Drop { value: task },
            });
        }
    }

    fn executor_died(&mut self, id: ExecutorId, running: Option<Vec<TaskId>>, out: &mut Vec<Instruction>) {
        let Some(position) = self.executors.iter().position(|executor| executor.id == id) else { return };
        let executor = self.executors.remove(position);
        let threads = executor.threads as usize;
        let guilty = |at: usize, task: &TaskId| running.as_ref().map_or(at < threads, |running| running.contains(task));
        let mut again = Vec::new();
        for (at, &(task, attempt)) in executor.sent.iter().enumerate() {
            let known = self.tasks.get(&task).is_some_and(|known| known.attempt == attempt);
            if known && guilty(at, &task) {
                self.take(task, attempt, out);
                out.push(Instruction::ReportDeath { executor: id, task, attempt });
            } else if known {
                again.push(task);
            }
        }
        again.extend(executor.queue);
        self.values_died_with(id, out);
        let again: Vec<TaskId> = again.into_iter().filter(|task| self.tasks.contains_key(task)).collect();
        for task in again {
            self.prepare(task, out);
        }
    }

    /// An input of a task that is nowhere any more.
    fn lost_input(&self, task: TaskId) -> Option<(Attempt, TaskId)> {
        let task = self.tasks.get(&task)?;
        let gone = |input: &TaskId| !self.values.get(input).is_some_and(|place| place.is_somewhere() || place.fetching);
        task.inputs.iter().map(|input| input.0).find(gone).map(|input| (task.attempt, input))
    }

    fn executor(&mut self, id: ExecutorId) -> Option<&mut Executor> {
        self.executors.iter_mut().find(|executor| executor.id == id)
    }

    fn dispatch(&mut self, out: &mut Vec<Instruction>) {
        while self.native_running < self.native_slots
            && let Some(id) = self.native_queue.pop_front()
        {
            let Some(task) = self.tasks.get_mut(&id).filter(|task| task.state == State::Queued) else { continue };
            task.state = State::Sent(None);
            self.native_running += 1;
            out.push(Instruction::RunNative { task: id, attempt: task.attempt });
            for (input, _) in &task.inputs {
                if let Some(place) = self.values.get_mut(input) {
                    place.sent += 1;
                }
            }
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

    fn send(&mut self, at: usize, id: TaskId, out: &mut Vec<Instruction>) {
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.state == State::Queued) else { return };
        let executor = &mut self.executors[at];
        task.state = State::Sent(Some(executor.id));
        executor.sent.push_back((id, task.attempt));
        let (executor, attempt) = (executor.id, task.attempt);
        let mut inputs: Vec<(TaskId, Delivery)> = Vec::with_capacity(task.inputs.len());
        let taken: Vec<TaskId> = task.inputs.iter().map(|input| input.0).collect();
        for input in taken {
            let delivery = self.change(input, |place| {
                place.sent += 1;
                place.deliver(executor, INLINE_BYTES_MAX)
            });
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
