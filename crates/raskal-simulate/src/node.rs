//! A worker, reduced to what the scheduler can notice of one.
//!
//! Orders in, [`Deed`]s out: inputs are fetched first, tasks wait for a slot, values are kept until they are freed. It
//! never reads the scheduler's state: all it knows came with its orders.

use raskal_scheduler::{Event, Slots, Traits};
use raskal_types::{Attempt, SlotClass, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The worker that is nowhere: who is named for an input that had no holder.
pub(crate) const NOBODY: WorkerId = WorkerId(u32::MAX);

/// What the scheduler tells a worker.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Run { task: TaskId, attempt: Attempt, class: SlotClass, inputs: Vec<(TaskId, WorkerId)> },
    Abandon { task: TaskId, attempt: Attempt },
    Retract { task: TaskId, attempt: Attempt },
    Copy { task: TaskId, from: WorkerId },
    Leave,
    Free { task: TaskId },
}

/// What a worker does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Tells the scheduler.
    Report(Event),
    /// Asks another for a value.
    Fetch { value: TaskId, holder: WorkerId },
    /// Runs a task on these inputs.
    Start { task: TaskId, attempt: Attempt, inputs: Vec<u64> },
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Value { value: u64, duration_us: u32 },
    Raised,
    Died,
}

struct Job {
    attempt: Attempt,
    class: SlotClass,
    inputs: Vec<(TaskId, WorkerId)>,
    started: bool,
}

pub(crate) struct Node {
    id: WorkerId,
    pub(crate) slots: Slots,
    pub(crate) traits: Traits,
    pub(crate) values: BTreeMap<TaskId, u64>,
    jobs: BTreeMap<TaskId, Job>,
    /// Values on their way, and from whom.
    fetching: BTreeMap<TaskId, WorkerId>,
    /// Those of them that the scheduler ordered.
    ordered: BTreeSet<TaskId>,
    queue: VecDeque<(TaskId, Attempt)>,
    /// Runs in the slots, by lane; an abandoned one stays until it ends.
    running: [u32; 2],
}

impl Node {
    pub(crate) fn new(id: WorkerId, slots: Slots, traits: Traits) -> Node {
        Node {
            id,
            slots,
            traits,
            values: BTreeMap::new(),
            jobs: BTreeMap::new(),
            fetching: BTreeMap::new(),
            ordered: BTreeSet::new(),
            queue: VecDeque::new(),
            running: [0; 2],
        }
    }

    /// The tasks that it was given and has not answered.
    pub(crate) fn given(&self) -> impl Iterator<Item = TaskId> {
        self.jobs.keys().copied()
    }

    /// The same, with their runs.
    pub(crate) fn given_runs(&self) -> Vec<(TaskId, Attempt)> {
        self.jobs.iter().map(|(&task, job)| (task, job.attempt)).collect()
    }

    /// It has another number.
    pub(crate) fn rename(&mut self, id: WorkerId) {
        self.id = id;
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.fetching.is_empty() && self.running == [0; 2]
    }

    pub(crate) fn obey(&mut self, order: Order, out: &mut Vec<Deed>) {
        match order {
            Order::Run { task, attempt, class, inputs } => {
                let missing: Vec<(TaskId, WorkerId)> =
                    inputs.iter().copied().filter(|(input, _)| !self.values.contains_key(input)).collect();
                self.jobs.insert(task, Job { attempt, class, inputs, started: false });
                for (input, holder) in missing {
                    if self.fetching.contains_key(&input) {
                        continue;
                    }
                    if holder == NOBODY || holder == self.id {
                        self.missing(task, input, holder, out);
                        break;
                    }
                    self.fetching.insert(input, holder);
                    out.push(Deed::Fetch { value: input, holder });
                }
                self.queue_if_complete(task, out);
            }
            Order::Abandon { task, attempt } => {
                if self.jobs.get(&task).is_some_and(|job| job.attempt == attempt) {
                    self.jobs.remove(&task);
                }
            }
            Order::Retract { task, attempt } => {
                if self.jobs.get(&task).is_some_and(|job| job.attempt == attempt && !job.started) {
                    self.jobs.remove(&task);
                    out.push(Deed::Report(Event::Retracted { worker: self.id, task, attempt }));
                } else {
                    out.push(Deed::Report(Event::Retained { worker: self.id, task, attempt }));
                }
            }
            Order::Copy { task, from } => {
                if self.values.contains_key(&task) {
                    out.push(Deed::Report(Event::Copied { worker: self.id, task }));
                } else {
                    self.ordered.insert(task);
                    if self.fetching.insert(task, from).is_none() {
                        out.push(Deed::Fetch { value: task, holder: from });
                    }
                }
            }
            Order::Leave => {}
            Order::Free { task } => {
                self.values.remove(&task);
            }
        }
        self.start(out);
    }

    /// A fetch ended: with the value, or without.
    pub(crate) fn fetched(&mut self, value: TaskId, got: Option<u64>, out: &mut Vec<Deed>) {
        let Some(holder) = self.fetching.remove(&value) else { return };
        let ordered = self.ordered.remove(&value);
        let new = got.is_some_and(|content| self.values.insert(value, content).is_none());
        if got.is_some() && (new || ordered) {
            out.push(Deed::Report(Event::Copied { worker: self.id, task: value }));
        } else if got.is_none() && ordered {
            out.push(Deed::Report(Event::CopyFailed { worker: self.id, task: value }));
        }
        let waiting: Vec<TaskId> = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.started && job.inputs.iter().any(|(input, _)| *input == value))
            .map(|(&task, _)| task)
            .collect();
        for task in waiting {
            match self.values.contains_key(&value) {
                true => self.queue_if_complete(task, out),
                false => self.missing(task, value, holder, out),
            }
        }
        self.start(out);
    }

    /// A process died, and these values with it.
    pub(crate) fn lose(&mut self, dropped: &[TaskId], out: &mut Vec<Deed>) {
        for &task in dropped {
            if self.values.remove(&task).is_some() {
                out.push(Deed::Report(Event::Dropped { worker: self.id, task }));
            }
        }
    }

    /// A run ended. One that was abandoned meanwhile is not answered for, unless it could not be stopped in time and its
    /// value is there all the same.
    pub(crate) fn ended(
        &mut self,
        task: TaskId,
        attempt: Attempt,
        class: SlotClass,
        outcome: Outcome,
        stubborn: bool,
        out: &mut Vec<Deed>,
    ) {
        let worker = self.id;
        self.running[self.lane(class)] -= 1;
        let known = self.jobs.get(&task).is_some_and(|job| job.attempt == attempt);
        if known {
            self.jobs.remove(&task);
        }
        match outcome {
            Outcome::Value { value, duration_us } if known || stubborn => {
                self.values.insert(task, value);
                // Not quite the same size each time: sizes are measured.
                let size_bytes = value % 10_000 + u64::from(attempt.0) * 300;
                out.push(Deed::Report(Event::Finished { worker, task, attempt, size_bytes, duration_us }));
            }
            Outcome::Raised if known => out.push(Deed::Report(Event::Failed { worker, task, attempt, died: false })),
            Outcome::Died if known => out.push(Deed::Report(Event::Failed { worker, task, attempt, died: true })),
            _ => {}
        }
        self.start(out);
    }

    fn lane(&self, class: SlotClass) -> usize {
        if let Slots::Shared(_) = self.slots { 0 } else { class as usize }
    }

    fn has_slot(&self, class: SlotClass) -> bool {
        let slots = match (self.slots, class) {
            (Slots::Shared(slots), _) => slots,
            (Slots::Separate { python, .. }, SlotClass::Python) => python,
            (Slots::Separate { native, .. }, SlotClass::Native) => native,
        };
        self.running[self.lane(class)] < slots
    }

    fn missing(&mut self, task: TaskId, input: TaskId, holder: WorkerId, out: &mut Vec<Deed>) {
        if let Some(job) = self.jobs.remove(&task) {
            out.push(Deed::Report(Event::InputMissing { worker: self.id, task, attempt: job.attempt, input, holder }));
        }
    }

    /// Queues a task whose inputs are all here. One that was here and is not on its way again was lost meanwhile.
    fn queue_if_complete(&mut self, task: TaskId, out: &mut Vec<Deed>) {
        let Some(job) = self.jobs.get(&task) else { return };
        let mut absent = job.inputs.iter().map(|(input, _)| *input).filter(|input| !self.values.contains_key(input));
        match absent.clone().find(|input| !self.fetching.contains_key(input)) {
            Some(lost) => self.missing(task, lost, self.id, out),
            None if absent.next().is_none() => self.queue.push_back((task, job.attempt)),
            None => {}
        }
    }

    fn start(&mut self, out: &mut Vec<Deed>) {
        for (task, attempt) in std::mem::take(&mut self.queue) {
            let Some(job) = self.jobs.get(&task).filter(|job| job.attempt == attempt && !job.started) else { continue };
            if !self.has_slot(job.class) {
                self.queue.push_back((task, attempt));
                continue;
            }
            let inputs: Result<Vec<u64>, TaskId> =
                job.inputs.iter().map(|(input, _)| self.values.get(input).copied().ok_or(*input)).collect();
            match inputs {
                Err(input) => self.missing(task, input, self.id, out),
                Ok(inputs) => {
                    self.running[self.lane(job.class)] += 1;
                    self.jobs.entry(task).and_modify(|job| job.started = true);
                    out.push(Deed::Start { task, attempt, inputs });
                }
            }
        }
    }
}
