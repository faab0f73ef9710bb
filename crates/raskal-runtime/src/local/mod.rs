//! The engine of one process: the scheduler with a single node, whose slots are threads.
//!
//! Start at [`LocalEngine::run`], which submits a program and waits, and [`LocalEngine::work`], the life of a thread. The
//! machine and the queue sit under one lock that is held for well under a microsecond at a time; no function runs and no
//! value is dropped while it is held, since both may call the user's code.

mod memory;
mod processes;
mod record;
mod spill;
mod state;

use crate::{Failure, Program};
use parking_lot::{Condvar, Mutex};
pub use processes::{ProcessOptions, ProcessPool};
use raskal_scheduler::Slots;
use raskal_store::{Budget, Value};
use raskal_types::{ErrorKind, GraphId, SlotClass};
pub use record::{Observer, Record, Recorder};
use state::{Job, State};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a thread of the engine needs of the language that hosts it.
pub trait ThreadHost {
    /// Calls `body` while the thread holds no lock of the host language (the GIL).
    fn detached(&self, body: &mut dyn FnMut());

    /// Calls `body`, which runs a task of a program in the host language. A host that can break such a task off, when
    /// nobody waits for the program any more, notes here what the thread is at.
    fn running(&self, _program: &Program, body: &mut dyn FnMut()) {
        body();
    }
}

/// Threads that no host language knows of.
pub struct PlainThread;

impl ThreadHost for PlainThread {
    fn detached(&self, body: &mut dyn FnMut()) {
        body();
    }
}

/// How far a run is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// For each layer that has tasks to run: its key prefix, how many are done, how many are needed.
    pub layers: Vec<(String, u32, u32)>,
}

/// How often a waiting caller looks at progress and signals.
const POLL: Duration = Duration::from_millis(50);
/// After so long a thread that ran tiny tasks lets other threads of the host language have a turn.
const TURN: Duration = Duration::from_millis(5);

/// The scheduler and the queue of one process.
pub struct LocalEngine {
    state: Mutex<State>,
    /// There may be work for a thread.
    work: Condvar,
    /// A run may be over.
    done: Condvar,
    budget: Arc<Budget>,
}

impl LocalEngine {
    /// An engine of `slots` slots; [`LocalEngine::work`] must be called on as many threads.
    ///
    /// ```
    /// use raskal_runtime::{LocalEngine, ProgramBuilder, local::PlainThread};
    /// use raskal_store::{Block, Value};
    /// let mut builder = ProgramBuilder::new();
    /// let layer = builder.add_values("one-1", vec![1], vec![Value::from(Block::from_vec(vec![1.0], &[1]))])?;
    /// let wanted = vec![builder.graph().task(layer, 0)];
    /// let values = LocalEngine::new(1).run_here(builder.finish(wanted), &PlainThread, &mut |_| Ok(()))?;
    /// assert_eq!(values[0].as_block()?.as_slice::<f64>(), Some(&[1.0][..]));
    /// # Ok::<(), raskal_runtime::Failure>(())
    /// ```
    pub fn new(slots: u32) -> LocalEngine {
        LocalEngine::with_budget(slots, Budget::process())
    }

    /// An engine with a memory budget of its own.
    pub fn with_budget(slots: u32, budget: Arc<Budget>) -> LocalEngine {
        LocalEngine::of(Slots::Shared(slots), budget)
    }

    fn of(slots: Slots, budget: Arc<Budget>) -> LocalEngine {
        let state = Mutex::new(State::new(slots, budget.clone()));
        LocalEngine { state, work: Condvar::new(), done: Condvar::new(), budget }
    }

    /// What its values may take, and take.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// An engine whose threads are plain ones.
    pub fn with_threads(slots: u32) -> std::io::Result<Arc<LocalEngine>> {
        let engine = Arc::new(LocalEngine::new(slots));
        for number in 0..slots {
            let engine = engine.clone();
            std::thread::Builder::new().name(format!("raskal-{number}")).spawn(move || engine.work(&PlainThread))?;
        }
        Ok(engine)
    }

    /// Runs a program on the engine's threads and returns the wanted values in order.
    ///
    /// `poll` is called every 50 ms; when it fails (an interrupt), what is left of the program is given up.
    ///
    /// # Errors
    /// The first failure of a task that a wanted value needs, or what `poll` failed with.
    pub fn run(
        &self,
        program: Program,
        poll: &mut dyn FnMut(&Progress) -> Result<(), Failure>,
    ) -> Result<Vec<Value>, Failure> {
        let graph = self.submit(program);
        loop {
            let mut state = self.state.lock();
            if !state.is_over(graph) {
                self.done.wait_for(&mut state, POLL);
            }
            if state.is_over(graph) {
                drop(state);
                match self.finish(graph) {
                    Some(result) => return result,
                    None => continue,
                }
            }
            let progress = state.progress(graph);
            drop(state);
            if let Err(failure) = poll(&progress) {
                self.end(graph);
                return Err(failure);
            }
        }
    }

    /// Runs a program on the calling thread alone.
    ///
    /// # Errors
    /// As [`LocalEngine::run`]. `poll` is called between tasks.
    pub fn run_here(
        &self,
        program: Program,
        host: &dyn ThreadHost,
        poll: &mut dyn FnMut(&Progress) -> Result<(), Failure>,
    ) -> Result<Vec<Value>, Failure> {
        let graph = self.submit(program);
        let mut polled = Instant::now();
        let mut job = None;
        loop {
            job = self.advance(job.take(), host);
            let Some(next) = job.as_mut() else {
                match self.finish(graph) {
                    Some(result) => return result,
                    None => continue,
                }
            };
            run_job(next, host);
            if polled.elapsed() > POLL {
                polled = Instant::now();
                let progress = self.state.lock().progress(graph);
                if let Err(failure) = poll(&progress) {
                    self.answer(next);
                    self.end(graph);
                    return Err(failure);
                }
            }
        }
    }

    /// The life of a thread: runs tasks until [`LocalEngine::stop`].
    pub fn work(&self, host: &dyn ThreadHost) {
        let mut job: Option<Job> = None;
        let mut turn = Instant::now();
        loop {
            job = self.advance(job.take(), host);
            match job.as_mut() {
                Some(job) => {
                    let ended = run_job(job, host);
                    if ended.duration_since(turn) > TURN {
                        host.detached(&mut || {});
                        turn = Instant::now();
                    }
                }
                None => {
                    let mut stopped = false;
                    host.detached(&mut || stopped = self.wait_for_work());
                    if stopped {
                        return;
                    }
                    turn = Instant::now();
                }
            }
        }
    }

    /// Has the threads return once their tasks are done.
    pub fn stop(&self) {
        self.state.lock().stop();
        self.work.notify_all();
    }

    fn wait_for_work(&self) -> bool {
        let mut state = self.state.lock();
        while !state.has_work() && !state.is_stopped() {
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
        }
        state.is_stopped()
    }

    fn submit(&self, program: Program) -> GraphId {
        let mut state = self.state.lock();
        let graph = state.submit(program);
        self.work.notify_all();
        graph
    }

    /// Hands in a finished job, if any, and takes the next one.
    fn advance(&self, mut finished: Option<Job>, host: &dyn ThreadHost) -> Option<Job> {
        let mut state = self.state.lock();
        let over = finished.as_mut().is_some_and(|job| state.answer(job));
        loop {
            let leaving = state.choose_leaving();
            if leaving.is_empty() {
                break;
            }
            let garbage = state.take_garbage();
            drop(state);
            drop((finished.take(), garbage));
            // Whoever made a value that is too much writes before it makes another.
            self.spill(leaving, host);
            state = self.state.lock();
        }
        let next = state.next_job();
        let wake = state.idle > 0 && state.has_work();
        let garbage = state.take_garbage();
        drop(state);
        if over {
            self.done.notify_all();
        }
        if wake {
            self.work.notify_one();
        }
        drop((finished, garbage));
        next
    }

    fn answer(&self, job: &mut Job) {
        let mut state = self.state.lock();
        state.answer(job);
        let garbage = state.take_garbage();
        drop(state);
        drop(garbage);
    }

    /// Takes the results of a run and forgets it. None if a result could not be read again and is being made anew.
    fn finish(&self, graph: GraphId) -> Option<Result<Vec<Value>, Failure>> {
        let results = self.state.lock().results(graph);
        let results = match results {
            Some(Ok(inputs)) => match spill::load(inputs) {
                Ok((values, _)) => Ok(values),
                Err((task, error)) => {
                    tracing::warn!(%task, %error, "a result on disk can't be read: it is made again");
                    self.state.lock().lost(task);
                    self.work.notify_all();
                    return None;
                }
            },
            Some(Err(failure)) => Err(failure),
            None => Err(Failure::new(ErrorKind::Cancelled, "the computation was given up")),
        };
        self.end(graph);
        Some(results)
    }

    /// Forgets a run; a run that is not over is given up.
    fn end(&self, graph: GraphId) {
        let mut state = self.state.lock();
        let running = state.running(graph);
        state.end(graph);
        let garbage = state.take_garbage();
        drop(state);
        drop(garbage);
        running.iter().for_each(|function| function.interrupt());
    }
}

/// Runs a job's task and notes its answer; returns when it ended.
fn run_job(job: &mut Job, host: &dyn ThreadHost) -> Instant {
    let begun = Instant::now();
    let inputs = match spill::load_inputs(job, host) {
        Some(inputs) => inputs,
        None => return Instant::now(),
    };
    let program = &job.program;
    let task = job.task.index;
    let refused = program.recorder.as_ref().and_then(|recorder| recorder.begin(task));
    let mut answer = match (refused, job.class) {
        (Some(failure), _) => Err(failure),
        (None, class) => {
            let (mut inputs, mut answer) = (Some(inputs), None);
            let mut call = || {
                if let Some(inputs) = inputs.take() {
                    answer = Some(program.call(task, inputs));
                }
            };
            match class {
                SlotClass::Python => host.running(program, &mut call),
                SlotClass::Native => host.detached(&mut call),
            }
            answer.unwrap_or_else(|| Err(Failure::internal("a host did not call the body it was given")))
        }
    };
    let ended = Instant::now();
    if let Some(recorder) = &program.recorder {
        recorder.end(task, begun..ended, &mut answer);
    }
    job.duration_us = u32::try_from(ended.duration_since(begun).as_micros()).unwrap_or(u32::MAX);
    // Here, and not under the engine's lock: an object's size may be told by the user's code.
    job.size_bytes = answer.as_ref().map_or(0, |value| value.size_bytes() as u64);
    job.answer = Some(answer);
    ended
}
