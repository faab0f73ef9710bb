//! The inside of an executor process: a queue of tasks, the values that live here, and the pipe to the node.
//!
//! Start at [`Executor::start`] and [`Executor::work`]. One thread reads the pipe and never touches the host language;
//! the threads that run tasks stay attached to it and write their answers themselves when the queue is empty. Under load
//! answers are gathered for at most half a millisecond.
//! A node leaves large results here and asks for them when somebody else needs them; the local engine, which starts
//! executors as well, has every result back with its answer.
//! Calls beside the tasks (`run`, plug-ins, actors) have a queue of their own; what is to be set up first holds the tasks
//! back. A task that steps aside has another thread take its place, and its own thread ends with it.
//! Invariant: no lock here is held while a function runs or a value is dropped.

use crate::node::layer::LayerFunction;
use crate::node::pipe::Frame;
use crate::{Call, Failure, FunctionRegistry};
use parking_lot::{Condvar, Mutex};
use raskal_proto::{FailureMessage, FromExecutor, Ran, ToExecutor, observe};
use raskal_store::{Frames, Lender, Slate, Value};
use raskal_types::{Attempt, ErrorKind, GraphId, SlotClass, TaskId};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long answers are gathered while there is more to do.
const GATHER: Duration = Duration::from_micros(500);
/// After so long a thread that runs tiny tasks lets other threads of the host language have a turn.
const TURN: Duration = Duration::from_millis(5);

/// What an executor needs of the language that hosts it.
pub trait ExecutorHost {
    /// Calls `body` while the thread holds no lock of the host language (the GIL).
    fn detached(&self, body: &mut dyn FnMut());

    /// The value's bytes, if it is small and simple enough to go along with the answer; otherwise it stays here.
    fn inline(&self, value: &Value) -> Option<Vec<u8>>;

    /// A failure as it travels, with the exception and its traceback.
    fn pack(&self, failure: Failure) -> FailureMessage;

    /// Makes a call; `answer` takes what it answers, now or later.
    fn call(&self, payload: &[u8], answer: CallAnswer);

    /// The host language's number of this thread.
    fn thread(&self) -> u64;

    /// A task of this key goes from one state to another; told if [`Executor::tell_changes`] asked for it.
    fn changed(&self, _key: &str, _from: &str, _to: &str) {}
}

/// How an executor serves whoever started it.
#[derive(Default)]
pub struct ExecutorOptions {
    /// How many threads run tasks at first.
    pub threads: u32,
    /// Whether results go back with their answers, instead of staying here until they are asked for.
    pub returns: bool,
    /// Where to note which task runs ([`task_number`]), with one thread; [`NO_TASK`] between tasks.
    pub slate: Option<Slate>,
}

/// What is on the slate while no task runs.
pub const NO_TASK: u64 = u64::MAX;
/// Returned values up to this size travel inside answers.
const RETURNED_BYTES_MAX: usize = 64 << 10;

/// A task as the number on a slate.
pub fn task_number(task: TaskId) -> u64 {
    u64::from(task.graph.0) << 32 | u64::from(task.index)
}

struct Job {
    task: TaskId,
    attempt: Attempt,
    layer: Option<Arc<LayerFunction>>,
    index: u32,
    payload: Vec<u8>,
    inputs: Vec<(TaskId, Option<Vec<u8>>)>,
}

/// Where the answer to a call goes: said once, from any thread.
pub struct CallAnswer {
    executor: Arc<Executor>,
    call: Option<u64>,
    result: Vec<u8>,
}

impl CallAnswer {
    /// Answers the call.
    pub fn give(mut self, result: Vec<u8>) {
        self.result = result;
    }
}

impl Drop for CallAnswer {
    fn drop(&mut self) {
        // Nobody waits for ever, also when the host forgets to answer.
        match self.call {
            Some(call) => {
                self.executor.say(FromExecutor::Called { call, result: std::mem::take(&mut self.result) });
                self.executor.flush();
            }
            None => {
                self.executor.queue.lock().gates -= 1;
                self.executor.work.notify_all();
            }
        }
    }
}

/// A task that runs on a thread.
#[derive(Clone, Debug)]
pub struct Running {
    /// The host language's number of the thread.
    pub thread: u64,
    /// Which task.
    pub task: TaskId,
    /// Which run of it.
    pub attempt: Attempt,
    /// Its key, as made from its layer.
    pub key: String,
}

/// What a thread runs.
type Desk = Arc<Mutex<Option<(TaskId, Attempt, Option<Arc<LayerFunction>>, u32)>>>;

thread_local! {
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
    /// Whether the task of this thread has stepped aside.
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Calls, with their number unless they set something up.
    calls: VecDeque<(Option<u64>, Vec<u8>)>,
    /// Set-ups that have not ended: no task begins before.
    gates: usize,
    /// Threads that are to end, since tasks came back that had stepped aside.
    surplus: usize,
    /// How many tasks run at once.
    threads: u32,
    exports: VecDeque<TaskId>,
    idle: usize,
}

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// An executor process.
pub struct Executor {
    queue: Mutex<Queue>,
    work: Condvar,
    export: Condvar,
    call: Condvar,
    desks: Mutex<Vec<(u64, Desk)>>,
    layers: Mutex<Map<(GraphId, u32), Arc<LayerFunction>>>,
    values: Mutex<Map<TaskId, Value>>,
    answers: Mutex<Vec<FromExecutor>>,
    gathered: Condvar,
    pipe: Mutex<UnixStream>,
    lender: Lender,
    options: ExecutorOptions,
    registry: FunctionRegistry,
    clock: Clock,
    /// Which numbers threads have.
    numbers: Mutex<Vec<bool>>,
    /// Whether the host is told of each task that begins and ends.
    tells: AtomicBool,
}

/// Instants as time since the Unix epoch. Set anew whenever a thread has nothing to do, so that it follows the system's.
struct Clock {
    start: Instant,
    start_us: AtomicU64,
}

impl Clock {
    fn new() -> Clock {
        let clock = Clock { start: Instant::now(), start_us: AtomicU64::new(0) };
        clock.set();
        clock
    }

    fn set(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start_us = now.saturating_sub(self.start.elapsed()).as_micros() as u64;
        self.start_us.store(start_us, Ordering::Relaxed);
    }

    fn at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start).as_micros() as u64;
        self.start_us.load(Ordering::Relaxed) + since
    }
}

impl Executor {
    /// Starts to read the pipe. `gone` is called when the node is: the process is to end then.
    ///
    /// # Errors
    /// If the system gives no thread or the pipe is closed.
    pub fn start(
        pipe: UnixStream,
        registry: FunctionRegistry,
        options: ExecutorOptions,
        gone: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Arc<Executor>> {
        let read = pipe.try_clone()?;
        let queue = Queue { threads: options.threads, ..Queue::default() };
        let executor = Arc::new(Executor {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            export: Condvar::new(),
            call: Condvar::new(),
            desks: Mutex::default(),
            layers: Mutex::default(),
            values: Mutex::default(),
            answers: Mutex::default(),
            gathered: Condvar::new(),
            pipe: Mutex::new(pipe),
            lender: Lender::new(std::os::unix::process::parent_id()),
            numbers: Mutex::default(),
            tells: AtomicBool::new(false),
            options,
            registry,
            clock: Clock::new(),
        });
        let reader = executor.clone();
        std::thread::Builder::new().name("raskal-pipe".into()).spawn(move || {
            reader.read(read);
            gone();
        })?;
        let gatherer = executor.clone();
        std::thread::Builder::new().name("raskal-answers".into()).spawn(move || gatherer.gather())?;
        executor.say(FromExecutor::Ready);
        executor.flush();
        Ok(executor)
    }

    /// The life of a thread that runs tasks. It ends with the process, or when its task had stepped aside.
    pub fn work(&self, host: &dyn ExecutorHost) {
        let desk = Desk::default();
        let number = self.take_number();
        self.desks.lock().push((host.thread(), desk.clone()));
        DESK.set(Some(desk.clone()));
        self.work_on(number, host, &desk);
        self.desks.lock().retain(|(_, other)| !Arc::ptr_eq(other, &desk));
        self.numbers.lock()[number as usize] = false;
    }

    /// The least number that no thread has: who takes another's place takes its row in pictures, too.
    fn take_number(&self) -> u32 {
        let mut numbers = self.numbers.lock();
        let free = numbers.iter().position(|taken| !taken).unwrap_or_else(|| {
            numbers.push(false);
            numbers.len() - 1
        });
        numbers[free] = true;
        free as u32
    }

    fn work_on(&self, number: u32, host: &dyn ExecutorHost, desk: &Desk) {
        let mut turn = Instant::now();
        loop {
            let job = {
                let mut queue = self.queue.lock();
                if queue.surplus > 0 {
                    queue.surplus -= 1;
                    drop(queue);
                    return self.flush();
                }
                queue.next()
            };
            let job = match job {
                Some(job) => {
                    self.gather_soon();
                    job
                }
                None => {
                    self.flush();
                    let mut job = None;
                    self.clock.set();
                    host.detached(&mut || job = self.wait_for_job());
                    turn = Instant::now();
                    let Some(job) = job else { return };
                    job
                }
            };
            *desk.lock() = Some((job.task, job.attempt, job.layer.clone(), job.index));
            let told = self.tells.load(Ordering::Relaxed).then(Executor::current).flatten();
            if let Some(told) = &told {
                host.changed(&told.key, "ready", "executing");
            }
            let (ended, well) = self.run(job, number, host);
            if let Some(told) = &told {
                host.changed(&told.key, "executing", if well { "memory" } else { "error" });
            }
            *desk.lock() = None;
            if ASIDE.take() {
                // Another thread took this one's place.
                self.change_threads(-1);
                return;
            }
            if ended.duration_since(turn) > TURN {
                host.detached(&mut || {});
                turn = Instant::now();
            }
        }
    }

    /// The life of the thread that turns values into bytes when the node asks for them. It ends with the process.
    pub fn work_exports(&self, host: &dyn ExecutorHost) {
        loop {
            let mut task = None;
            host.detached(&mut || {
                let mut queue = self.queue.lock();
                while queue.exports.is_empty() {
                    self.export.wait(&mut queue);
                }
                task = queue.exports.pop_front();
            });
            let Some(task) = task else { continue };
            let value = self.values.lock().get(&task).cloned();
            let frames = match value {
                Some(value) => value.to_frames().map_err(|error| (false, error.to_string())),
                None => Err((true, "it does not live here any more".to_owned())),
            };
            match frames {
                Ok(frames) => {
                    self.flush();
                    host.detached(&mut || self.write(&Frame::value(task, frames.clone(), &self.lender)));
                }
                Err((gone, message)) => {
                    self.say(FromExecutor::ExportFailed { task, gone, message });
                    self.flush();
                }
            }
        }
    }

    /// The life of the thread that makes calls beside the tasks. It ends with the process.
    pub fn work_calls(self: &Arc<Self>, host: &dyn ExecutorHost) {
        loop {
            let mut next = None;
            host.detached(&mut || {
                let mut queue = self.queue.lock();
                while queue.calls.is_empty() {
                    self.call.wait(&mut queue);
                }
                next = queue.calls.pop_front();
            });
            if let Some((call, payload)) = next {
                host.call(&payload, CallAnswer { executor: self.clone(), call, result: Vec::new() });
            }
        }
    }

    /// Has the host be told of each task that begins and ends from now on, or no more.
    pub fn tell_changes(&self, tell: bool) {
        self.tells.store(tell, Ordering::Relaxed);
    }

    /// The task that runs on this thread.
    pub fn current() -> Option<Running> {
        DESK.with_borrow(|desk| running(0, desk.as_ref()?))
    }

    /// The tasks that run now, with their threads.
    pub fn running(&self) -> Vec<Running> {
        self.desks.lock().iter().filter_map(|(thread, desk)| running(*thread, desk)).collect()
    }

    /// The task of this thread steps aside: it runs on, and the host is to start another thread that takes its place; false
    /// if it has done so before, or there is no task.
    pub fn step_aside(&self) -> bool {
        if Executor::current().is_none() || ASIDE.replace(true) {
            return false;
        }
        self.change_threads(1);
        true
    }

    /// The task of this thread, which had stepped aside, takes a place again; false if it had not.
    pub fn step_back(&self) -> bool {
        if !ASIDE.replace(false) {
            return false;
        }
        self.queue.lock().surplus += 1;
        self.work.notify_one();
        self.change_threads(-1);
        true
    }

    fn change_threads(&self, change: i32) {
        {
            let mut queue = self.queue.lock();
            queue.threads = queue.threads.saturating_add_signed(change);
            let threads = queue.threads;
            // Said under the lock, so that the last word is the right one.
            self.say(FromExecutor::Threads { threads });
        }
        self.flush();
    }

    /// The next job, once there is one; none if the thread is to end.
    fn wait_for_job(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.surplus > 0 {
                queue.surplus -= 1;
                return None;
            }
            if let Some(job) = queue.next() {
                return Some(job);
            }
            queue.idle += 1;
            self.work.wait(&mut queue);
            queue.idle -= 1;
        }
    }

    /// Runs a task; when it ended, and whether well.
    fn run(&self, job: Job, thread: u32, host: &dyn ExecutorHost) -> (Instant, bool) {
        let (task, attempt) = (job.task, job.attempt);
        if let Some(slate) = &self.options.slate {
            slate.write(task_number(task));
        }
        let started = Instant::now();
        let job = match self.take_inputs(job) {
            Ok(job) => job,
            Err(input) => {
                // Its node sends it again, or has the input made again.
                self.say(FromExecutor::Unread { task, attempt, input });
                if let Some(slate) = &self.options.slate {
                    slate.write(NO_TASK);
                }
                return (Instant::now(), false);
            }
        };
        let result = self.call(job);
        let ended = Instant::now();
        let duration_us = u32::try_from(ended.duration_since(started).as_micros()).unwrap_or(u32::MAX);
        let ran = Ran { began_us: self.clock.at(started), duration_us, thread };
        let answer = match result {
            Ok(value) if self.options.returns => match self.give_back(task, &value, host) {
                Ok((size_bytes, inline)) => FromExecutor::Finished { task, attempt, size_bytes, ran, inline },
                Err(failure) => failed(task, attempt, host.pack(failure), ran),
            },
            Ok(value) => {
                let inline = host.inline(&value);
                let size_bytes = match &inline {
                    Some(bytes) => bytes.len() as u64,
                    None => value.size_bytes() as u64,
                };
                if inline.is_none() {
                    let old = self.values.lock().insert(task, value);
                    drop(old);
                }
                FromExecutor::Finished { task, attempt, size_bytes, ran, inline }
            }
            Err(failure) => failed(task, attempt, host.pack(failure), ran),
        };
        let well = matches!(answer, FromExecutor::Finished { .. });
        // Written by this thread if there is nothing more to do.
        self.answers.lock().push(answer);
        if let Some(slate) = &self.options.slate {
            slate.write(NO_TASK);
        }
        (ended, well)
    }

    /// The value's size and, unless it goes as a frame of its own, its bytes.
    fn give_back(
        &self,
        task: TaskId,
        value: &Value,
        host: &dyn ExecutorHost,
    ) -> Result<(u64, Option<Vec<u8>>), Failure> {
        if let Some(bytes) = host.inline(value) {
            return Ok((bytes.len() as u64, Some(bytes)));
        }
        let frames = value.to_frames().map_err(|error| {
            let text = format!(
                "the result of the task can't leave its process: {error}\nhint: return something that can be pickled, or \
                 make and use it within one task"
            );
            Failure::new(ErrorKind::Type, text)
        })?;
        let size_bytes = frames.size_bytes() as u64;
        if frames.size_bytes() <= RETURNED_BYTES_MAX {
            let mut bytes = Vec::new();
            frames.write_to(&mut bytes);
            return Ok((size_bytes, Some(bytes)));
        }
        host.detached(&mut || self.write(&Frame::value(task, frames.clone(), &self.lender)));
        Ok((size_bytes, None))
    }

    /// The inputs of a job, before anything runs; the first that does not live here, if one does not.
    fn take_inputs(&self, mut job: Job) -> Result<(Job, Vec<Value>), TaskId> {
        let mut inputs = Vec::with_capacity(job.inputs.len());
        for (input, bytes) in std::mem::take(&mut job.inputs) {
            let value = match bytes {
                Some(bytes) => Frames::read_from(&bytes.into()).map(|frames| Value::Frames(Arc::new(frames))),
                None => self.values.lock().get(&input).cloned(),
            };
            inputs.push(value.ok_or(input)?);
        }
        Ok((job, inputs))
    }

    fn call(&self, (job, inputs): (Job, Vec<Value>)) -> Result<Value, Failure> {
        let layer =
            job.layer.ok_or_else(|| Failure::internal(format!("task {} came before its function", job.task)))?;
        let locate = |mut failure: Failure| {
            failure.key.get_or_insert_with(|| layer.key(job.index));
            failure
        };
        let function = layer.get(&self.registry).map_err(locate)?;
        let call = Call { index: job.index, shape: &layer.shape, inputs, payload: &job.payload };
        function.run(call).map_err(|mut failure| {
            failure.origin = failure.origin.take().or_else(|| function.origin(job.index));
            failure.key = failure.key.take().or_else(|| function.key(job.index));
            locate(failure)
        })
    }

    /// The threads that run a task, by the host language's number, and the key prefix of its layer.
    pub fn layers_at_work(&self) -> Vec<(u64, String)> {
        let layer =
            |desk: &Desk| desk.lock().as_ref().and_then(|(_, _, layer, _)| Some(layer.as_ref()?.prefix.clone()));
        self.desks.lock().iter().filter_map(|(thread, desk)| Some((*thread, layer(desk)?))).collect()
    }

    /// Tells the node where the threads spent their time; it goes along with the next answers.
    pub fn profiled(&self, profile: observe::Profile) {
        self.say(FromExecutor::Profiled(profile));
    }

    fn say(&self, answer: FromExecutor) {
        self.answers.lock().push(answer);
        self.gathered.notify_one();
    }

    /// Has the answers that wait written soon, whatever this thread does meanwhile.
    fn gather_soon(&self) {
        if !self.answers.lock().is_empty() {
            self.gathered.notify_one();
        }
    }

    /// Writes the answers that wait.
    fn flush(&self) {
        // The pipe first: two threads must not write their batches in the other order.
        let mut pipe = self.pipe.lock();
        let answers = std::mem::take(&mut *self.answers.lock());
        if !answers.is_empty() {
            write_to(&mut pipe, &Frame::Messages(answers));
        }
    }

    fn write(&self, frame: &Frame<FromExecutor>) {
        write_to(&mut self.pipe.lock(), frame);
    }

    /// Writes answers that nobody wrote since their threads are busy.
    fn gather(&self) {
        loop {
            {
                let mut answers = self.answers.lock();
                while answers.is_empty() {
                    self.gathered.wait(&mut answers);
                }
            }
            std::thread::sleep(GATHER);
            self.flush();
        }
    }

    fn read(&self, pipe: UnixStream) {
        let mut pipe = BufReader::with_capacity(1 << 16, pipe);
        loop {
            match Frame::read(&mut pipe) {
                Ok(Some(Frame::Messages(messages))) => {
                    if !self.take_in(messages) {
                        return;
                    }
                }
                Ok(Some(Frame::Value(task, frames))) => self.receive(task, frames),
                Ok(Some(Frame::Lent(task, loan))) => {
                    let id = loan.id;
                    match loan.take() {
                        Ok(frames) => self.receive(task, frames),
                        // The tasks that take it fail, and say that it is not here.
                        Err(error) => tracing::error!(%task, %error, "a lent value could not be mapped"),
                    }
                    self.say(FromExecutor::Taken { loan: id });
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the pipe to the node broke");
                    return;
                }
            }
        }
    }

    fn queue_call(&self, call: Option<u64>, payload: Vec<u8>) {
        let mut queue = self.queue.lock();
        queue.gates += usize::from(call.is_none());
        queue.calls.push_back((call, payload));
        self.call.notify_one();
    }

    fn receive(&self, task: TaskId, frames: Frames) {
        // Read by the tasks that take it: each then has memory of its own, to which it may write.
        let old = self.values.lock().insert(task, Value::Frames(Arc::new(frames)));
        drop(old);
    }

    fn take_in(&self, messages: Vec<ToExecutor>) -> bool {
        let (mut garbage, mut abandoned) = (Vec::new(), Vec::new());
        let mut new_jobs = 0;
        let mut last: Option<((GraphId, u32), Arc<LayerFunction>)> = None;
        for message in messages {
            match message {
                ToExecutor::Function { graph, layer, prefix, shape, codec, shared } => {
                    let function = LayerFunction::new(prefix, shape, SlotClass::Python, codec, shared.into());
                    self.layers.lock().insert((graph, layer), Arc::new(function));
                }
                ToExecutor::Run { task, attempt, layer, index, payload, inputs } => {
                    let id = (task.graph, layer);
                    let layer = match &last {
                        Some((known, layer)) if *known == id => Some(layer.clone()),
                        _ => {
                            let layer = self.layers.lock().get(&id).cloned();
                            last = layer.clone().map(|layer| (id, layer));
                            layer
                        }
                    };
                    self.queue.lock().jobs.push_back(Job { task, attempt, layer, index, payload, inputs });
                    new_jobs += 1;
                }
                ToExecutor::Export { task } => {
                    self.queue.lock().exports.push_back(task);
                    self.export.notify_one();
                }
                ToExecutor::Free { task } => garbage.extend(self.values.lock().remove(&task)),
                ToExecutor::Abandon { task, attempt } => {
                    let mut queue = self.queue.lock();
                    let place = queue.jobs.iter().position(|job| job.task == task && job.attempt == attempt);
                    abandoned.extend(place.and_then(|place| queue.jobs.remove(place)));
                    drop(queue);
                    self.say(match place {
                        Some(_) => FromExecutor::Abandoned { task, attempt },
                        None => FromExecutor::Begun { task, attempt },
                    });
                }
                ToExecutor::Call { call, payload } => self.queue_call(Some(call), payload),
                ToExecutor::Setup { payload } => self.queue_call(None, payload),
                ToExecutor::Taken { loan } => self.lender.taken(loan),
                ToExecutor::Forget { graph } => self.layers.lock().retain(|id, _| id.0 != graph),
                ToExecutor::Stop => return false,
            }
        }
        let idle = self.queue.lock().idle;
        for _ in 0..new_jobs.min(idle) {
            self.work.notify_one();
        }
        drop((garbage, abandoned));
        true
    }
}

impl Queue {
    /// The next job, unless something is to be set up first.
    fn next(&mut self) -> Option<Job> {
        if self.gates > 0 { None } else { self.jobs.pop_front() }
    }
}

fn running(thread: u64, desk: &Desk) -> Option<Running> {
    let (task, attempt, layer, index) = desk.lock().clone()?;
    let key = layer.map_or_else(|| task.to_string(), |layer| layer.key(index));
    Some(Running { thread, task, attempt, key })
}

fn failed(task: TaskId, attempt: Attempt, mut failure: FailureMessage, ran: Ran) -> FromExecutor {
    failure.ran = Some(ran);
    FromExecutor::Failed { task, attempt, failure }
}

fn write_to(pipe: &mut UnixStream, frame: &Frame<FromExecutor>) {
    if let Err(error) = frame.write(pipe).and_then(|()| pipe.flush()) {
        // The node is gone; the reader finds that too, and ends the process.
        tracing::debug!(%error, "an answer could not be written");
    }
}
