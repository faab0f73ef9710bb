//! Threads of the local engine that each own an executor process, which runs the Python tasks.
//!
//! Start at [`ProcessPool::start`] and at `Clerk::work`, the life of a thread. It hands its process about two milliseconds
//! of tasks at once, tops that up while answers stream back, and runs native tasks itself. Values come back as bytes and
//! stay bytes here: only who reads a result reads them.
//! Invariant: a task that was taken is answered, given back, or given up with its run, however the process ends.
//!
//! - `desk`: what a thread remembers of its process; `process`: the process itself; `functions`: functions as bytes.

mod desk;
mod functions;
mod process;

use super::state::{Job, State};
use super::{LocalEngine, PlainThread, run_job};
use crate::Failure;
use crate::node::executor::task_number;
use desk::{Desk, located};
use functions::Functions;
use process::{Heard, Process};
use raskal_proto::{FailureMessage, FromExecutor, ToExecutor};
use raskal_scheduler::Slots;
use raskal_store::Budget;
use raskal_types::{ErrorKind, SlotClass};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Work given to a process at once: enough to hide the way there and back, little enough to share it out at the end.
const BATCH_US: f32 = 2_000.0;
/// And so many tasks at most.
const BATCH_LEN: usize = 256;
/// Native tasks shorter than this run while the process is at work; longer ones only when it waits for nothing.
const CHEAP_US: f32 = 100.0;
/// How often a thread looks whether anybody still waits for what its process runs.
const TICK: Duration = Duration::from_millis(40);
/// Processes that die one after the other without answering anything are not replaced for ever.
const FRUITLESS_MAX: u32 = 3;

/// How executor processes are started and understood.
#[derive(Clone)]
pub struct ProcessOptions {
    /// The command that starts one; its standard input is the pipe.
    pub command: Vec<OsString>,
    /// Reads a failure that travelled, with its exception.
    pub unpack: fn(FailureMessage) -> Failure,
}

/// A local engine whose Python tasks run in processes. These start with the first task.
pub struct ProcessPool {
    engine: Arc<LocalEngine>,
    threads: Vec<JoinHandle<()>>,
}

impl ProcessPool {
    /// A pool of `count` processes.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(count: u32, options: ProcessOptions) -> io::Result<ProcessPool> {
        let engine = Arc::new(LocalEngine::of(Slots::Separate { python: count, native: count }, Budget::process()));
        let pool = Arc::new(Pool { count, options, functions: Functions::default() });
        let mut threads = Vec::new();
        for number in 0..count {
            let clerk = Clerk::new(engine.clone(), pool.clone());
            let thread = std::thread::Builder::new().name(format!("raskal-process-{number}"));
            threads.push(thread.spawn(move || clerk.work())?);
        }
        Ok(ProcessPool { engine, threads })
    }

    /// The engine that programs are run on.
    pub fn engine(&self) -> Arc<LocalEngine> {
        self.engine.clone()
    }

    /// Whether somebody has its engine.
    pub fn is_in_use(&self) -> bool {
        // The pool and each of its threads have it as well.
        Arc::strong_count(&self.engine) > 1 + self.threads.len()
    }

    /// Ends threads and processes; waits for them no longer than `wait`.
    pub fn stop(self, wait: Duration) {
        self.engine.stop();
        let begun = Instant::now();
        for thread in self.threads {
            while !thread.is_finished() && begun.elapsed() < wait {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// What the threads of a pool share.
struct Pool {
    count: u32,
    options: ProcessOptions,
    functions: Functions,
}

/// A thread of a pool, and its process once it has one.
struct Clerk {
    engine: Arc<LocalEngine>,
    pool: Arc<Pool>,
    desk: Desk,
    process: Option<Process>,
    /// Processes that died one after the other without a task to blame or an answer given.
    fruitless: u32,
}

impl Clerk {
    fn new(engine: Arc<LocalEngine>, pool: Arc<Pool>) -> Clerk {
        Clerk { engine, pool, desk: Desk::default(), process: None, fruitless: 0 }
    }

    fn work(mut self) {
        let mut done = Vec::new();
        while let Some(taken) = self.trade(std::mem::take(&mut done)) {
            if taken.is_empty() && self.desk.is_empty() {
                self.tidy();
                if self.engine.wait_for_work() {
                    return;
                }
                continue;
            }
            let (python, native): (Vec<Job>, Vec<Job>) =
                taken.into_iter().partition(|job| job.class == SlotClass::Python);
            if let Err(error) = self.send(python, &mut done) {
                self.bury(&error, &mut done);
            }
            for mut job in native {
                run_job(&mut job, &PlainThread);
                self.desk.learn(&job);
                done.push(job);
            }
            if !self.desk.is_empty() {
                let wait = if done.is_empty() { TICK } else { Duration::ZERO };
                match self.hear(wait, &mut done) {
                    Ok(heard) if heard || wait.is_zero() => {}
                    Ok(_) => self.look_around(&mut done),
                    Err(error) => self.bury(&error, &mut done),
                }
            }
        }
    }

    /// Hands in what is done and takes what comes next; `None` once the engine is stopped.
    fn trade(&mut self, mut done: Vec<Job>) -> Option<Vec<Job>> {
        let engine = self.engine.clone();
        let work_us = self.desk.work_us();
        let mut state = engine.state.lock();
        let mut over = false;
        for job in &mut done {
            over |= state.answer(job);
        }
        loop {
            let leaving = state.choose_leaving();
            if leaving.is_empty() {
                break;
            }
            let garbage = state.take_garbage();
            drop(state);
            done.clear();
            drop(garbage);
            engine.spill(leaving, &PlainThread);
            state = engine.state.lock();
        }
        let stopped = state.is_stopped();
        let taken = if stopped { Vec::new() } else { self.take(&mut state, work_us) };
        let wake = state.idle > 0 && state.has_work();
        let garbage = state.take_garbage();
        drop(state);
        if over {
            engine.done.notify_all();
        }
        if wake {
            engine.work.notify_one();
        }
        drop((done, garbage));
        (!stopped).then_some(taken)
    }

    /// The tasks to go on with: as many as fill the process's time, but never more than a fair share of what is queued.
    fn take(&self, state: &mut State, work_us: f32) -> Vec<Job> {
        let mut room_us = BATCH_US - work_us;
        let busy = !self.desk.is_empty();
        let mut taken = Vec::new();
        if busy && room_us < BATCH_US / 2.0 {
            return taken;
        }
        let share = state.queued().div_ceil(2 * self.pool.count as usize);
        let mut room = BATCH_LEN.saturating_sub(self.desk.jobs().len()).min(share.max(1));
        while let Some((graph, layer, class)) = state.next_layer() {
            let cost_us = self.desk.cost_us(graph, layer);
            let fits = match class {
                SlotClass::Native => cost_us.is_some_and(|cost_us| cost_us < CHEAP_US),
                SlotClass::Python => {
                    let left_to_idle = state.queued() <= state.idle;
                    room > 0 && !left_to_idle && cost_us.is_some_and(|cost_us| cost_us <= room_us)
                }
            };
            let first = !busy && taken.is_empty();
            if !fits && !first {
                break;
            }
            let Some(job) = state.next_job() else { break };
            taken.push(job);
            match class {
                SlotClass::Python => {
                    room = room.saturating_sub(1);
                    room_us -= cost_us.unwrap_or(BATCH_US);
                }
                // It may take long, and until then nobody hears what the process says.
                SlotClass::Native if !fits => break,
                SlotClass::Native => {}
            }
        }
        taken
    }

    /// Gives tasks to the process, which is started if there is none. Those that can't be sent are done: they failed.
    fn send(&mut self, jobs: Vec<Job>, done: &mut Vec<Job>) -> io::Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut place = self.desk.jobs().len();
        self.desk.add(jobs);
        let process = match &mut self.process {
            Some(process) => process,
            None => self.process.insert(Process::start(&self.pool.options.command)?),
        };
        while place < self.desk.jobs().len() {
            if self.desk.hand_over(place, process, &self.pool.functions)? {
                place += 1;
            } else {
                done.extend(self.desk.remove(place));
            }
        }
        process.flush()
    }

    /// Takes in what the process says within `wait`; false if that is nothing.
    fn hear(&mut self, wait: Duration, done: &mut Vec<Job>) -> io::Result<bool> {
        let Some(process) = &mut self.process else { return Ok(false) };
        match process.hear(wait)? {
            Heard::Nothing => return Ok(false),
            Heard::Value(task, frames) => self.desk.keep(task, frames),
            Heard::Messages(messages) => {
                let mut back = Vec::new();
                for message in messages {
                    match message {
                        FromExecutor::Abandoned { task, attempt } => {
                            back.extend(self.desk.take(task, attempt, process))
                        }
                        message => done.extend(self.desk.answer(message, process, self.pool.options.unpack)),
                    }
                }
                if !done.is_empty() {
                    self.fruitless = 0;
                }
                if !back.is_empty() {
                    self.give_back(back);
                }
            }
        }
        Ok(true)
    }

    /// Nothing was heard for a while. A process that runs what nobody waits for any more is replaced. Tasks behind a long
    /// one are called back, if nobody waits for them or other threads have nothing to do.
    fn look_around(&mut self, done: &mut Vec<Job>) {
        let Some(process) = &mut self.process else { return };
        let running = process.running();
        let state = self.engine.state.lock();
        let idle = state.idle > state.queued();
        let wanted = |job: &Job| state.is_current(job);
        let is_running = |job: &Job| running == Some(task_number(job.task));
        let jobs = self.desk.jobs();
        let lost =
            !jobs.iter().any(wanted) || running.is_some() && !jobs.iter().any(|job| is_running(job) && wanted(job));
        let called_back: Vec<ToExecutor> = (jobs.iter().filter(|job| !is_running(job) && (idle || !wanted(job))))
            .map(|job| ToExecutor::Abandon { task: job.task, attempt: job.attempt })
            .collect();
        drop(state);
        if lost {
            drop(self.process.take());
            let jobs = self.desk.clear();
            self.give_back(jobs);
            // Started ahead of need: it takes as long as many a computation. If it can't be, the next task will tell.
            self.process = Process::start(&self.pool.options.command).ok();
            return;
        }
        // A process that is still starting runs none; what is meant for it waits.
        if running.is_some() && !called_back.is_empty() {
            called_back.into_iter().for_each(|message| process.say(message));
            if let Err(error) = process.flush() {
                self.bury(&error, done);
            }
        }
    }

    fn give_back(&self, jobs: Vec<Job>) {
        let mut state = self.engine.state.lock();
        for job in jobs.iter().rev() {
            state.give_back(job);
        }
        drop(state);
        self.engine.work.notify_all();
        drop(jobs);
    }

    /// The process died or could not be started: the task that it ran counts a death, the others are queued again.
    fn bury(&mut self, error: &io::Error, done: &mut Vec<Job>) {
        let mut jobs = self.desk.clear();
        let fail = |jobs: Vec<Job>, text: String, done: &mut Vec<Job>| {
            done.extend(jobs.into_iter().map(|mut job| {
                job.answer = Some(Err(located(&job, Failure::new(ErrorKind::Io, text.clone()))));
                job
            }));
        };
        let Some(process) = self.process.take() else {
            return fail(jobs, format!("cannot start an executor process: {error}"), done);
        };
        let running = process.running();
        let how = process.end();
        tracing::debug!(how, "a process died");
        let blamed = running.and_then(|number| jobs.iter().position(|job| task_number(job.task) == number));
        let Some(place) = blamed else {
            self.fruitless += 1;
            if self.fruitless < FRUITLESS_MAX {
                return self.give_back(jobs);
            }
            self.fruitless = 0;
            return fail(jobs, format!("executor processes die before they run a task: {how}"), done);
        };
        self.fruitless = 0;
        let job = jobs.remove(place);
        self.give_back(jobs);
        let name = located(&job, Failure::new(ErrorKind::Killed, ""));
        let mut state = self.engine.state.lock();
        let over = state.died(&job, &how, name);
        let garbage = state.take_garbage();
        drop(state);
        self.engine.work.notify_all();
        if over {
            self.engine.done.notify_all();
        }
        drop((job, garbage));
    }

    /// Forgets what belongs to programs that are over.
    fn tidy(&mut self) {
        self.desk.forget(self.process.as_mut());
        self.pool.functions.forget();
        if let Some(process) = &mut self.process {
            // A process that died while nothing was asked of it is found when something is.
            let _ = process.flush();
        }
    }
}
