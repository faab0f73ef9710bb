//! What the engine's lock guards: the scheduler, the values, and the tasks that it said to run.
//!
//! Invariant: nothing here calls a function or drops a value; values to drop are moved to `garbage`.

use super::Progress;
use super::memory::{Leaving, Memory};
use super::spill::Loaded;
use crate::{Failure, Function, Program};
use raskal_graph::LayerId;
use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
use raskal_store::spill::SpillFile;
use raskal_store::{Budget, Value};
use raskal_types::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The one worker.
const HERE: WorkerId = WorkerId(0);
/// The one client.
const CALLER: ClientId = ClientId(0);

/// A task on its way through a thread.
pub(super) struct Job {
    pub(super) program: Arc<Program>,
    pub(super) task: TaskId,
    pub(super) attempt: Attempt,
    pub(super) class: SlotClass,
    pub(super) inputs: Vec<Input>,
    pub(super) answer: Option<Result<Value, Failure>>,
    /// Size of the answer.
    pub(super) size_bytes: u64,
    pub(super) duration_us: u32,
    /// Inputs that were read from disk, for others that take them.
    pub(super) loaded: Vec<Loaded>,
    /// The input that could not be read.
    pub(super) missing: Option<TaskId>,
}

/// Where an input of a task is.
pub(super) enum Input {
    Here(Value),
    Away(TaskId, Arc<SpillFile>),
}

/// A submitted program.
struct Run {
    program: Arc<Program>,
    values: Vec<Option<Value>>,
    /// Wanted tasks that are not in memory yet.
    pending: usize,
    failure: Option<Failure>,
    /// How processes died that ran a task.
    deaths: HashMap<u32, Vec<String>>,
}

/// What is dropped once the lock is open.
#[derive(Default)]
pub(super) struct Garbage {
    _values: Vec<Value>,
    _runs: Vec<Run>,
    _files: Vec<Arc<SpillFile>>,
}

pub(super) struct State {
    scheduler: Scheduler,
    runs: HashMap<GraphId, Run>,
    queue: VecDeque<(TaskId, Attempt)>,
    instructions: Vec<Instruction>,
    graphs: u32,
    pub(super) idle: usize,
    stopped: bool,
    values: Vec<Value>,
    ended: Vec<Run>,
    files: Vec<Arc<SpillFile>>,
    inputs: Vec<u32>,
    pub(super) memory: Memory,
    /// Whether the scheduler was told that memory is short: it then gives one root at a time.
    strained: bool,
}

impl State {
    pub(super) fn new(slots: Slots, budget: Arc<Budget>) -> State {
        let mut scheduler = Scheduler::new();
        // Whatever a task asks of its worker, there is only this process.
        let traits = Traits { anything: true, ..Traits::default() };
        let at_a_time = match slots {
            Slots::Shared(count) => count,
            Slots::Separate { python, native } => python.max(native),
        };
        scheduler.step(Event::WorkerJoined { worker: HERE, slots, traits }, &mut Vec::new());
        State {
            scheduler,
            runs: HashMap::new(),
            queue: VecDeque::new(),
            instructions: Vec::new(),
            graphs: 0,
            idle: 0,
            stopped: false,
            values: Vec::new(),
            ended: Vec::new(),
            files: Vec::new(),
            inputs: Vec::new(),
            memory: Memory::new(budget, at_a_time),
            strained: false,
        }
    }

    pub(super) fn submit(&mut self, program: Program) -> GraphId {
        let graph = GraphId(self.graphs);
        self.graphs += 1;
        let program = Arc::new(program);
        let mut wanted = program.wanted.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let values = vec![None; program.graph.task_count() as usize];
        let run =
            Run { program: program.clone(), values, pending: wanted.len(), failure: None, deaths: HashMap::new() };
        self.runs.insert(graph, run);
        let layers = program.graph.clone();
        let wanted = program.wanted.clone();
        self.step(Event::Submit { graph, client: CALLER, layers, imports: Vec::new(), wanted });
        graph
    }

    fn step(&mut self, event: Event) {
        let mut instructions = std::mem::take(&mut self.instructions);
        self.scheduler.step(event, &mut instructions);
        for instruction in instructions.drain(..) {
            match instruction {
                Instruction::Run { task, attempt, .. } => self.queue.push_back((task, attempt)),
                Instruction::Abandon { task, attempt, .. } => self.queue.retain(|&queued| queued != (task, attempt)),
                Instruction::Free { task, .. } => {
                    let run = self.runs.get_mut(&task.graph);
                    self.values.extend(run.and_then(|run| run.values[task.index as usize].take()));
                    self.files.extend(self.memory.forget(task));
                }
                Instruction::Finished { task, .. } => {
                    if let Some(run) = self.runs.get_mut(&task.graph) {
                        run.pending -= 1;
                    }
                }
                // The failure itself was noted when the task answered.
                Instruction::Failed { .. } => {}
                // One worker alone is never asked to give anything away.
                Instruction::Retract { .. }
                | Instruction::Copy { .. }
                | Instruction::Retired { .. }
                | Instruction::Stays { .. } => {}
                Instruction::Forget { graph } => {
                    self.ended.extend(self.runs.remove(&graph));
                    self.files.extend(self.memory.forget_all(graph));
                }
            }
        }
        self.instructions = instructions;
    }

    /// Whether the results of a run, or its failure, are there.
    pub(super) fn is_over(&self, graph: GraphId) -> bool {
        self.runs.get(&graph).is_none_or(|run| run.pending == 0 || run.failure.is_some())
    }

    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn next_job(&mut self) -> Option<Job> {
        loop {
            let (task, attempt) = self.queue.pop_front()?;
            let Some(run) = self.runs.get(&task.graph) else { continue };
            self.inputs.clear();
            run.program.graph.predecessors(task.index, &mut self.inputs);
            let input = |&index: &u32| match &run.values[index as usize] {
                Some(value) => Some(Input::Here(value.clone())),
                None => {
                    let input = TaskId { graph: task.graph, index };
                    self.memory.file(input).map(|file| Input::Away(input, file))
                }
            };
            let inputs: Option<Vec<Input>> = self.inputs.iter().map(input).collect();
            let (layer, _) = run.program.graph.locate(task.index);
            let mut job = Job {
                program: run.program.clone(),
                task,
                attempt,
                class: run.program.graph.layer(layer).class,
                inputs: Vec::new(),
                answer: None,
                size_bytes: 0,
                duration_us: 0,
                loaded: Vec::new(),
                missing: None,
            };
            match inputs {
                Some(inputs) => job.inputs = inputs,
                None => {
                    let key = run.program.key(task.index);
                    job.answer = Some(Err(Failure::internal(format!("an input of {key} is not in memory"))));
                    self.answer(&mut job);
                    continue;
                }
            }
            return Some(job);
        }
    }

    /// Takes in the answer of a job; true if that may have ended its run.
    pub(super) fn answer(&mut self, job: &mut Job) -> bool {
        let (worker, task, attempt) = (HERE, job.task, job.attempt);
        for (input, size_bytes, value) in job.loaded.drain(..) {
            self.loaded(input, size_bytes, value);
        }
        if let Some(input) = job.missing {
            self.step(Event::InputMissing { worker, task, attempt, input, holder: HERE });
            return self.is_over(task.graph);
        }
        match job.answer.take() {
            Some(Ok(value)) => {
                let size_bytes = job.size_bytes;
                match self.runs.get_mut(&task.graph) {
                    Some(run) => {
                        self.values.extend(run.values[task.index as usize].replace(value));
                        self.memory.hold(task, size_bytes);
                    }
                    None => self.values.push(value),
                }
                // Before the answer, which has the next task given out.
                self.weigh();
                self.step(Event::Finished { worker, task, attempt, size_bytes, duration_us: job.duration_us });
            }
            Some(Err(failure)) => {
                self.step(Event::Failed { worker, task, attempt, died: false });
                // Not if it is to be tried again.
                if self.scheduler.cause(task).is_some()
                    && let Some(run) = self.runs.get_mut(&task.graph)
                {
                    run.failure.get_or_insert(failure);
                }
            }
            None => {}
        }
        self.is_over(task.graph)
    }

    /// The functions of a run of which tasks are running.
    pub(super) fn running(&self, graph: GraphId) -> Vec<Arc<dyn Function>> {
        let Some(run) = self.runs.get(&graph) else { return Vec::new() };
        let counts = self.scheduler.counts(graph);
        let running = counts.iter().zip(&run.program.functions).filter(|(counts, _)| counts.running > 0);
        running.map(|(_, function)| function.clone()).collect()
    }

    /// A value was read from disk. It stays in memory if others than its reader take it.
    fn loaded(&mut self, task: TaskId, size_bytes: u64, value: Value) {
        let shared = self.scheduler.uses(task) > 1 && self.memory.file(task).is_some();
        match self.runs.get_mut(&task.graph).map(|run| &mut run.values[task.index as usize]) {
            Some(place @ None) if shared => {
                *place = Some(value);
                self.memory.hold(task, size_bytes);
            }
            _ => self.values.push(value),
        }
    }

    /// Tells the scheduler whether more is held than may be. Roots only make it more, and wait.
    fn weigh(&mut self) {
        let strained = self.memory.is_short();
        if strained != self.strained {
            self.strained = strained;
            self.step(Event::Strained { worker: HERE, strained });
        }
    }

    /// The values to write to disk now.
    pub(super) fn choose_leaving(&mut self) -> Vec<Leaving> {
        self.weigh();
        let runs = &self.runs;
        self.memory.choose(&self.scheduler, |task| {
            runs.get(&task.graph).and_then(|run| run.values[task.index as usize].as_ref())
        })
    }

    /// A value is on disk now.
    pub(super) fn left(&mut self, task: TaskId, file: Arc<SpillFile>) {
        if self.memory.left(task, file.clone())
            && let Some(run) = self.runs.get_mut(&task.graph)
        {
            self.values.extend(run.values[task.index as usize].take());
        } else {
            self.files.push(file);
        }
    }

    /// Gives up a run whose values can't be kept.
    pub(super) fn fail(&mut self, graph: GraphId, failure: Failure) {
        if let Some(run) = self.runs.get_mut(&graph) {
            run.failure.get_or_insert(failure);
        }
    }

    /// The key of a task, for messages; none if its run is over.
    pub(super) fn key(&self, task: TaskId) -> Option<(Arc<Program>, u32)> {
        self.runs.get(&task.graph).map(|run| (run.program.clone(), task.index))
    }

    /// Where the results of a run that is over are, or why it has none. None if it was given up.
    pub(super) fn results(&mut self, graph: GraphId) -> Option<Result<Vec<Input>, Failure>> {
        let run = self.runs.get_mut(&graph)?;
        if let Some(failure) = run.failure.take() {
            return Some(Err(failure));
        }
        let input = |&index: &u32| match &run.values[index as usize] {
            Some(value) => Some(Input::Here(value.clone())),
            None => {
                let task = TaskId { graph, index };
                self.memory.file(task).map(|file| Input::Away(task, file))
            }
        };
        run.program.wanted.iter().map(input).collect::<Option<Vec<_>>>().map(Ok)
    }

    /// A result can't be read again: it is made again.
    pub(super) fn lost(&mut self, task: TaskId) {
        if let Some(run) = self.runs.get_mut(&task.graph) {
            run.pending += 1;
            self.files.extend(self.memory.forget(task));
            self.step(Event::Dropped { worker: HERE, task });
        }
    }

    /// Forgets a run; what it still does is given up.
    pub(super) fn end(&mut self, graph: GraphId) {
        self.step(Event::Cancel { graph });
    }

    pub(super) fn progress(&self, graph: GraphId) -> Progress {
        let Some(run) = self.runs.get(&graph) else { return Progress::default() };
        let counts = self.scheduler.counts(graph);
        let layers = counts.iter().enumerate().filter(|(_, counts)| counts.needed > 0).map(|(layer, counts)| {
            let prefix = run.program.graph.layer(LayerId(layer as u32)).prefix.clone();
            (prefix, counts.done, counts.needed)
        });
        Progress { layers: layers.collect() }
    }

    pub(super) fn take_garbage(&mut self) -> Garbage {
        Garbage {
            _values: std::mem::take(&mut self.values),
            _runs: std::mem::take(&mut self.ended),
            _files: std::mem::take(&mut self.files),
        }
    }
}

/// What threads with processes ask and say beyond that.
impl State {
    /// Number of tasks that wait for a thread.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The program, layer and class of the task that is next.
    pub(super) fn next_layer(&self) -> Option<(GraphId, LayerId, SlotClass)> {
        self.queue.iter().find_map(|(task, _)| {
            let graph = &self.runs.get(&task.graph)?.program.graph;
            let (layer, _) = graph.locate(task.index);
            Some((task.graph, layer, graph.layer(layer).class))
        })
    }

    /// Whether anybody still waits for the answer of a job.
    pub(super) fn is_current(&self, job: &Job) -> bool {
        self.scheduler.is_assigned(HERE, job.task, job.attempt)
    }

    /// Queues a job that did not run, before all others.
    pub(super) fn give_back(&mut self, job: &Job) {
        if self.is_current(job) {
            self.queue.push_front((job.task, job.attempt));
        }
    }

    /// A process died while it ran a job; true if that may have ended its run.
    /// `name` is a failure that names the task.
    pub(super) fn died(&mut self, job: &Job, how: &str, name: Failure) -> bool {
        if !self.is_current(job) {
            return false;
        }
        let (worker, task, attempt) = (HERE, job.task, job.attempt);
        if let Some(run) = self.runs.get_mut(&task.graph) {
            run.deaths.entry(task.index).or_default().push(how.to_owned());
        }
        self.step(Event::Failed { worker, task, attempt, died: true });
        if self.scheduler.cause(task).is_some()
            && let Some(run) = self.runs.get_mut(&task.graph)
        {
            let deaths = run.deaths.remove(&task.index).unwrap_or_default();
            run.failure.get_or_insert_with(|| Failure {
                key: name.key,
                origin: name.origin,
                ..Failure::killed(&deaths)
            });
        }
        self.is_over(task.graph)
    }
}
