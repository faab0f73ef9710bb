//! An executor process: what a node notices of one.
//!
//! Jobs run in the order of their arrival on its threads, values live in it until it is told to forget them, and values are
//! turned into bytes by a thread of its own, which may come to it late.

use crate::message::{Deed, FromProcess, Outcome, ToProcess};
use raskal_types::{Attempt, TaskId};
use raskal_worker::ExecutorId;
use std::collections::{BTreeMap, VecDeque};

struct Job {
    task: TaskId,
    attempt: Attempt,
    inputs: Vec<(TaskId, Option<u64>)>,
}

pub(crate) struct Process {
    id: ExecutorId,
    threads: u32,
    running: u32,
    jobs: VecDeque<Job>,
    pub(crate) values: BTreeMap<TaskId, u64>,
}

impl Process {
    pub(crate) fn new(id: ExecutorId, threads: u32) -> Process {
        Process { id, threads, running: 0, jobs: VecDeque::new(), values: BTreeMap::new() }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0 && self.jobs.is_empty()
    }

    pub(crate) fn obey(&mut self, message: ToProcess, out: &mut Vec<Deed>) {
        let executor = self.id;
        match message {
            ToProcess::Run { task, attempt, inputs } => self.jobs.push_back(Job { task, attempt, inputs }),
            ToProcess::Value { value, content } => _ = self.values.insert(value, content),
            ToProcess::Export { value } => out.push(Deed::Export { executor, value }),
            ToProcess::Free { value } => _ = self.values.remove(&value),
            ToProcess::Abandon { task, attempt } => {
                let place = self.jobs.iter().position(|job| (job.task, job.attempt) == (task, attempt));
                let word = match place.and_then(|place| self.jobs.remove(place)) {
                    Some(_) => FromProcess::Skipped { task, attempt },
                    None => FromProcess::Begun { task, attempt },
                };
                out.push(Deed::Hear { executor, word });
            }
        }
        self.start(out);
    }

    /// A run ended, and not with the process.
    pub(crate) fn ran(&mut self, task: TaskId, attempt: Attempt, outcome: Outcome, out: &mut Vec<Deed>) {
        let executor = self.id;
        self.running -= 1;
        let word = match outcome {
            Outcome::Value { content, size_bytes, is_small, duration_us } => {
                if !is_small {
                    self.values.insert(task, content);
                }
                let inline = is_small.then_some(content);
                FromProcess::Finished { task, attempt, size_bytes, duration_us, inline }
            }
            Outcome::Raised | Outcome::Died | Outcome::Unread(_) => FromProcess::Raised { task, attempt },
        };
        out.push(Deed::Hear { executor, word });
        self.start(out);
    }

    /// It comes to turning a value into bytes.
    pub(crate) fn export(&self, value: TaskId, usable: bool, out: &mut Vec<Deed>) {
        let word = match self.values.get(&value) {
            Some(&content) if usable => FromProcess::Value { value, content },
            known => FromProcess::ExportFailed { value, gone: known.is_none() },
        };
        out.push(Deed::Hear { executor: self.id, word });
    }

    /// A task steps aside, or takes its place again.
    pub(crate) fn change_threads(&mut self, change: i32, out: &mut Vec<Deed>) {
        self.threads = self.threads.saturating_add_signed(change);
        out.push(Deed::Hear { executor: self.id, word: FromProcess::Threads { threads: self.threads } });
        self.start(out);
    }

    fn start(&mut self, out: &mut Vec<Deed>) {
        let executor = self.id;
        while self.running < self.threads
            && let Some(Job { task, attempt, inputs }) = self.jobs.pop_front()
        {
            let found: Result<Vec<u64>, TaskId> = inputs
                .into_iter()
                .map(|(input, content)| content.or_else(|| self.values.get(&input).copied()).ok_or(input))
                .collect();
            match found {
                Ok(inputs) => {
                    self.running += 1;
                    out.push(Deed::RunPython { executor, task, attempt, inputs });
                }
                Err(input) => {
                    out.push(Deed::Hear { executor, word: FromProcess::Unreadable { task, attempt, input } });
                }
            }
        }
    }
}
