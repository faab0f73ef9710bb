//! What a thread remembers of its process: the tasks it was given, and what it knows and holds already.
//!
//! Start at [`Desk::hand_over`], which puts a task into words, and [`Desk::answer`], which finds the task that an answer
//! is to. Nothing is sent twice: functions once in a program's life, values once for all tasks that are here together.

use crate::local::PlainThread;
use crate::local::processes::functions::Functions;
use crate::local::processes::process::Process;
use crate::local::spill::load_inputs;
use crate::local::state::Job;
use crate::{Failure, Program};
use raskal_graph::LayerId;
use raskal_proto::{FailureMessage, FromExecutor, INLINE_BYTES_MAX, ToExecutor};
use raskal_store::{Frames, Value};
use raskal_types::{Attempt, ErrorKind, GraphId, TaskId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// What a task costs beside the time that it runs.
const OVERHEAD_US: f32 = 5.0;

/// The tasks that a process was given and has not answered, and what it knows.
#[derive(Default)]
pub(super) struct Desk {
    jobs: VecDeque<Job>,
    /// Mean time of a layer's tasks, weighted to the recent.
    means_us: Map<(GraphId, LayerId), f32>,
    /// The layers of each program whose functions it was sent.
    informed: HashMap<GraphId, (Weak<Program>, HashSet<LayerId>)>,
    /// The inputs that it holds, and how many of the jobs use each.
    held: Map<TaskId, u32>,
    /// Results that came before their answers.
    values: Map<TaskId, Frames>,
    inputs: Vec<u32>,
}

impl Desk {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn jobs(&self) -> &VecDeque<Job> {
        &self.jobs
    }

    /// Adds tasks that are to be handed over.
    pub(super) fn add(&mut self, jobs: Vec<Job>) {
        self.jobs.extend(jobs);
    }

    /// Expected time of a task of a layer; `None` before one has run.
    pub(super) fn cost_us(&self, graph: GraphId, layer: LayerId) -> Option<f32> {
        self.means_us.get(&(graph, layer)).map(|mean| mean + OVERHEAD_US)
    }

    /// Expected time of all that the process was given; infinite while a task of unknown length is among it.
    pub(super) fn work_us(&self) -> f32 {
        let cost = |job: &Job| {
            let (layer, _) = job.program.graph.locate(job.task.index);
            self.cost_us(job.task.graph, layer).unwrap_or(f32::INFINITY)
        };
        self.jobs.iter().map(cost).sum()
    }

    /// Takes in how long a task ran.
    pub(super) fn learn(&mut self, job: &Job) {
        let (layer, _) = job.program.graph.locate(job.task.index);
        let duration_us = job.duration_us as f32;
        let mean = self.means_us.entry((job.task.graph, layer)).or_insert(duration_us);
        *mean += (duration_us - *mean) * 0.2;
    }

    /// Tells the process of the job at a place, with what it does not know or hold yet. False if the job can't run, and
    /// has its answer.
    pub(super) fn hand_over(&mut self, place: usize, process: &mut Process, functions: &Functions) -> io::Result<bool> {
        let job = &mut self.jobs[place];
        let (task, graph) = (job.task, job.task.graph);
        let (layer, index) = job.program.graph.locate(task.index);
        // One that is on disk and can't be read is missing, which the job tells.
        let Some(values) = load_inputs(job, &PlainThread) else { return Ok(false) };
        if let Some(failure) = job.program.recorder.as_ref().and_then(|recorder| recorder.begin(task.index)) {
            job.answer = Some(Err(failure));
            return Ok(false);
        }
        let encoded = functions.get(job);
        let function = match encoded.get() {
            Some(Ok(function)) => function,
            other => {
                let unknown = || Failure::internal("a function was not encoded");
                let failure = other.and_then(|function| function.as_ref().err()).cloned().unwrap_or_else(unknown);
                job.answer = Some(Err(located(job, failure)));
                return Ok(false);
            }
        };
        let known = self.informed.entry(graph).or_insert_with(|| (Arc::downgrade(&job.program), HashSet::new()));
        if known.1.insert(layer) {
            let grid = job.program.graph.layer(layer);
            process.say(ToExecutor::Function {
                graph,
                layer: layer.0,
                prefix: grid.prefix.clone(),
                shape: grid.shape.clone(),
                codec: function.codec.to_owned(),
                shared: function.shared.to_vec(),
            });
        }
        let mut needed = std::mem::take(&mut self.inputs);
        needed.clear();
        job.program.graph.predecessors(task.index, &mut needed);
        let mut inputs = Vec::with_capacity(values.len());
        for (value, &input) in values.iter().zip(&needed) {
            let input = TaskId { graph, index: input };
            let mut bytes = None;
            if let Some(uses) = self.held.get_mut(&input) {
                *uses += 1;
            } else {
                match value.to_frames() {
                    Ok(frames) if frames.size_bytes() <= INLINE_BYTES_MAX => {
                        let mut into = Vec::new();
                        frames.write_to(&mut into);
                        bytes = Some(into);
                    }
                    Ok(frames) => {
                        process.give(input, frames)?;
                        self.held.insert(input, 1);
                    }
                    Err(error) => {
                        let failure = located(&self.jobs[place], unusable(&error));
                        self.jobs[place].answer = Some(Err(failure));
                        inputs.into_iter().for_each(|(input, _)| self.release(input, process));
                        return Ok(false);
                    }
                }
            }
            inputs.push((input, bytes));
        }
        self.inputs = needed;
        let payload = function.tasks.as_ref().map(|tasks| tasks.get(index).to_vec()).unwrap_or_default();
        process.say(ToExecutor::Run {
            task,
            attempt: self.jobs[place].attempt,
            layer: layer.0,
            index,
            payload,
            inputs,
        });
        Ok(true)
    }

    /// Takes a job off the desk.
    pub(super) fn remove(&mut self, place: usize) -> Option<Job> {
        self.jobs.remove(place)
    }

    /// A value that came before the answer that it belongs to.
    pub(super) fn keep(&mut self, task: TaskId, frames: Frames) {
        if self.jobs.iter().any(|job| job.task == task) {
            self.values.insert(task, frames);
        }
    }

    /// The job that an answer is to, with the answer; `None` if it is to none of these.
    pub(super) fn answer(
        &mut self,
        message: FromExecutor,
        process: &mut Process,
        unpack: fn(FailureMessage) -> Failure,
    ) -> Option<Job> {
        match message {
            FromExecutor::Finished { task, attempt, ran, inline, .. } => {
                let value = self.values.remove(&task);
                let mut job = self.take(task, attempt, process)?;
                let frames = match inline {
                    Some(bytes) => Frames::read_from(&bytes.into()),
                    None => value,
                };
                let missing = || Failure::internal(format!("the value of task {task} did not come with its answer"));
                job.duration_us = ran.duration_us;
                self.learn(&job);
                let answer = frames.map(|frames| Value::Frames(Arc::new(frames))).ok_or_else(missing);
                note(&mut job, answer);
                Some(job)
            }
            FromExecutor::Failed { task, attempt, failure } => {
                let mut job = self.take(task, attempt, process)?;
                let failure = located(&job, unpack(failure));
                note(&mut job, Err(failure));
                Some(job)
            }
            FromExecutor::Unread { task, attempt, input } => {
                let mut job = self.take(task, attempt, process)?;
                let failure = Failure::internal(format!("input {input} does not live in the process of its task"));
                note(&mut job, Err(failure));
                Some(job)
            }
            FromExecutor::Ready
            | FromExecutor::Abandoned { .. }
            | FromExecutor::Begun { .. }
            | FromExecutor::Profiled(_)
            | FromExecutor::Taken { .. }
            | FromExecutor::Called { .. }
            | FromExecutor::Threads { .. }
            | FromExecutor::ExportFailed { .. } => None,
        }
    }

    /// Takes a job off the desk that is over for the process, which may then forget what only that job used.
    pub(super) fn take(&mut self, task: TaskId, attempt: Attempt, process: &mut Process) -> Option<Job> {
        // Answers come in the order in which tasks were given: it is almost always the first.
        let place = self.jobs.iter().position(|job| job.task == task && job.attempt == attempt)?;
        let job = self.jobs.remove(place)?;
        if !self.held.is_empty() {
            let mut needed = Vec::new();
            job.program.graph.predecessors(task.index, &mut needed);
            needed.into_iter().for_each(|index| self.release(TaskId { graph: task.graph, index }, process));
        }
        Some(job)
    }

    fn release(&mut self, input: TaskId, process: &mut Process) {
        let Some(uses) = self.held.get_mut(&input) else { return };
        *uses -= 1;
        if *uses == 0 {
            self.held.remove(&input);
            process.say(ToExecutor::Free { task: input });
        }
    }

    /// The process is gone, and with it what it knew; returns the jobs that it did not answer.
    pub(super) fn clear(&mut self) -> Vec<Job> {
        self.informed.clear();
        self.held.clear();
        self.values.clear();
        self.jobs.drain(..).collect()
    }

    /// Forgets the programs that are gone, here and in the process.
    pub(super) fn forget(&mut self, mut process: Option<&mut Process>) {
        self.informed.retain(|&graph, (program, _)| {
            let lives = program.strong_count() > 0;
            if !lives {
                self.means_us.retain(|key, _| key.0 != graph);
                if let Some(process) = &mut process {
                    process.say(ToExecutor::Forget { graph });
                }
            }
            lives
        });
        if self.informed.is_empty() {
            self.means_us.clear();
        }
    }
}

/// A failure with the task's key and the user's line.
pub(super) fn located(job: &Job, failure: Failure) -> Failure {
    let (layer, index) = job.program.graph.locate(job.task.index);
    let origin = failure.origin.clone().or_else(|| job.program.functions[layer.0 as usize].origin(index));
    Failure { key: Some(job.program.key(job.task.index)), origin, ..failure }
}

/// Notes the answer of a job that has just come, for whoever records the run as well.
fn note(job: &mut Job, mut answer: Result<Value, Failure>) {
    if let Some(recorder) = &job.program.recorder {
        let ended = Instant::now();
        let begun = ended.checked_sub(Duration::from_micros(job.duration_us.into())).unwrap_or(ended);
        recorder.end(job.task.index, begun..ended, &mut answer);
    }
    job.size_bytes = answer.as_ref().map_or(0, |value| value.size_bytes() as u64);
    job.answer = Some(answer);
}

fn unusable(error: &raskal_store::ValueError) -> Failure {
    let text = format!(
        "an input of the task can't be given to another process: {error}\nhint: use something that can be pickled, or \
         make and use it within one task"
    );
    Failure::new(ErrorKind::Type, text)
}
