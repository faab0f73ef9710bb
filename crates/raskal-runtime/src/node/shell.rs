//! The shell of a node: the pure machine, the store, and what connects them with the world.
//!
//! Start at [`Shell::run`]. Everything that happens is a [`NodeEvent`]; what is to be said to the scheduler and to each
//! executor is gathered during a turn, so that under load many messages share a frame.
//! Invariant: nobody else touches the machine or the store, and nothing here waits for a peer.

use crate::Failure;
use crate::fetch::{FetchError, Fetcher, UNUSABLE};
use crate::node::calls::Calls;
use crate::node::data::{self, Reply};
use crate::node::layer::LayerFunction;
use crate::node::memory::{Memory, WATCH};
use crate::node::native::{NativeJob, NativePool};
use crate::node::options::NodeOptions;
use crate::node::pipe::Frame;
use crate::node::process::{self, Process};
use crate::node::start::Line;
use crate::node::store::{Store, Stored};
use crate::node::traffic::Traffic;
use crate::node::vitals::Vitals;
use crate::wire::to_message;
use raskal_net::{Link, Sender};
use raskal_proto::client::WorkerInfo;
use raskal_proto::{FailureMessage, FromExecutor, FromWorker, InputFrom, Observation, Ran, ToExecutor, ToWorker};
use raskal_store::spill::SpillFile;
use raskal_store::{Frames, Value};
use raskal_types::{Attempt, ErrorKind, GraphId, SlotClass, TaskId, WorkerId};
use raskal_worker::{Delivery, Event, ExecutorId, Instruction, Source, Worker};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Executors that die one after the other before they are ready are not restarted for ever.
const STILLBORN_MAX: u32 = 3;
/// Events taken together, so that the sockets get their time.
const TURN_LEN: usize = 256;
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What happens to a node.
pub(crate) enum NodeEvent {
    Scheduler(Vec<ToWorker>),
    SchedulerGone(String),
    SchedulerFound(Result<Box<Link>, String>),
    Executor {
        executor: ExecutorId,
        frame: Frame<FromExecutor>,
    },
    ExecutorDied {
        executor: ExecutorId,
        how: String,
    },
    NativeDone {
        task: TaskId,
        attempt: Attempt,
        result: Result<Stored, Failure>,
        ran: Ran,
    },
    /// A task did not run, since an input on disk can't be read.
    NativeUnread {
        task: TaskId,
        attempt: Attempt,
        input: TaskId,
        why: String,
    },
    /// A value on disk can't be read.
    Damaged {
        value: TaskId,
        why: String,
    },
    /// A value could not be sent to an executor: it is on disk and can't be read, or can't be turned into bytes.
    NotSent {
        executor: ExecutorId,
        value: TaskId,
        on_disk: bool,
        why: String,
    },
    Fetched {
        value: TaskId,
        result: Result<Value, FetchError>,
    },
    Requested {
        value: TaskId,
        reply: Reply,
    },
    Spilled {
        value: TaskId,
        version: u64,
        result: Result<Arc<SpillFile>, String>,
    },
}

/// A task that the scheduler gave, with what the machine does not need to know.
struct Given {
    attempt: Attempt,
    layer: u32,
    index: u32,
    payload: Vec<u8>,
    inputs: Vec<TaskId>,
}

/// The function of a layer, and the executors that know it.
struct Sent {
    function: Arc<LayerFunction>,
    informed: HashSet<ExecutorId>,
}

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// What is reported to the scheduler when an answer counts.
pub(crate) enum Answer {
    Finished { size_bytes: u64, ran: Ran, inline: Option<Vec<u8>> },
    Failed(FailureMessage),
}

/// How the life of a node ends.
enum End {
    InOrder,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failed(failure)
    }
}

/// Waits until a time; for ever if there is none.
async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The shell.
pub(crate) struct Shell {
    pub(crate) options: NodeOptions,
    pub(crate) scheduler: Sender<FromWorker>,
    pub(crate) events: mpsc::UnboundedSender<NodeEvent>,
    pub(crate) native: NativePool,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) data: Handle,
    pub(crate) executors: BTreeMap<ExecutorId, Process>,
    /// What was said of this node at the start.
    pub(crate) info: WorkerInfo,
    pub(crate) line: Line,
    /// Whether the scheduler is gone.
    pub(crate) offline: bool,
    /// Whether one that is started again in its place goes on with its work.
    pub(crate) lasting: bool,
    pub(crate) state: State,
}

/// The part that starts anew with each scheduler.
pub(crate) struct State {
    pub(crate) machine: Worker,
    pub(crate) store: Store,
    pub(crate) memory: Memory,
    given: Map<TaskId, Given>,
    functions: Map<(GraphId, u32), Sent>,
    peers: HashMap<WorkerId, String>,
    replies: HashMap<u64, Reply>,
    next_request: u64,
    next_executor: u32,
    stillborn: u32,
    /// Whether the scheduler waits to hear that all executors are ready again.
    restarting: bool,
    /// Whether the scheduler was told that this node wants to leave.
    leaving: bool,
    deaths: HashMap<ExecutorId, String>,
    calls: Calls,
    /// Why the value of the event that is being handled can't be turned into bytes.
    unusable: Option<String>,
    /// Values of the store that can't be turned into bytes, and why.
    unsendable: Map<TaskId, String>,
    pub(crate) outbox: Vec<FromWorker>,
    instructions: Vec<Instruction>,
    vitals: Vitals,
    traffic: Traffic,
}

impl State {
    /// Forgets who the other workers are.
    pub(crate) fn forget_peers(&mut self, fetcher: &Fetcher) {
        self.peers.drain().for_each(|(_, address)| fetcher.forget(&address));
    }
}

impl Shell {
    #[expect(clippy::too_many_arguments, reason = "made once, from the parts that start the node")]
    pub(crate) fn new(
        options: NodeOptions,
        worker: WorkerId,
        scheduler: Sender<FromWorker>,
        events: mpsc::UnboundedSender<NodeEvent>,
        native: NativePool,
        fetcher: Arc<Fetcher>,
        data: Handle,
        executors: BTreeMap<ExecutorId, Process>,
        info: WorkerInfo,
        line: Line,
    ) -> Shell {
        let next_executor = executors.keys().next_back().map_or(0, |last| last.0 + 1);
        let mut machine = Worker::new(worker, options.native_threads);
        let mut instructions = Vec::new();
        for (&executor, process) in executors.iter().filter(|(_, process)| process.ready) {
            let _ = process;
            machine.step(Event::ExecutorReady { executor, threads: options.executor_threads }, &mut instructions);
        }
        let state = State {
            machine,
            store: Store::default(),
            memory: Memory::new(options.memory_limit_bytes, std::env::temp_dir()),
            given: Map::default(),
            functions: Map::default(),
            peers: HashMap::new(),
            replies: HashMap::new(),
            next_request: 0,
            next_executor,
            stillborn: 0,
            restarting: false,
            leaving: false,
            deaths: HashMap::new(),
            calls: Calls::default(),
            unusable: None,
            unsendable: Map::default(),
            outbox: Vec::new(),
            instructions,
            vitals: Vitals::new(),
            traffic: Traffic::default(),
        };
        Shell {
            options,
            scheduler,
            events,
            native,
            fetcher,
            data,
            executors,
            info,
            line,
            offline: false,
            lasting: false,
            state,
        }
    }

    /// Runs until it is sent away in order.
    ///
    /// # Errors
    /// If the scheduler is gone, or the node can't go on.
    pub(crate) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<NodeEvent>) -> Result<(), Failure> {
        let leaves = self.options.lifetime.map(|lifetime| tokio::time::Instant::now() + lifetime);
        let mut clock = tokio::time::interval(HEARTBEAT);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watch = tokio::time::interval(WATCH);
        watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut turn = Vec::new();
        loop {
            tokio::select! {
                _ = inbox.recv_many(&mut turn, TURN_LEN) => {}
                _ = clock.tick() => self.beat(),
                _ = watch.tick(), if self.state.memory.is_limited() => self.watch_memory(),
                () = until(leaves), if leaves.is_some() && !self.state.leaving => {
                    self.state.leaving = true;
                    self.state.outbox.push(FromWorker::Leaving);
                }
            }
            for event in turn.drain(..) {
                match self.take_in(event) {
                    Ok(()) => {}
                    Err(End::InOrder) => return Ok(()),
                    Err(End::Failed(failure)) => return Err(failure),
                }
            }
            self.relieve();
            self.executors.values_mut().for_each(Process::flush);
            if self.offline {
                // All of it is in what is told when the scheduler is there again.
                self.state.outbox.clear();
            }
            if !self.state.outbox.is_empty() {
                // A connection that has ended says so to its reader, which tells us.
                let _ = self.scheduler.push(self.state.outbox.drain(..));
            }
        }
    }

    fn beat(&mut self) {
        let (memory_used_bytes, cpu_percent) =
            self.state.vitals.take(self.executors.values().map(|process| process.pid));
        self.state.outbox.push(FromWorker::Heartbeat {
            memory_used_bytes,
            memory_managed_bytes: self.managed_bytes(),
            memory_spilled_bytes: self.state.store.spilled_bytes(),
            cpu_percent,
            executing: self.state.machine.load().2,
        });
        let mut observed = vec![Observation::Vitals(self.state.traffic.vitals())];
        let lines = raskal_net::log_tail::take();
        if !lines.is_empty() {
            observed.push(Observation::Logged(lines));
        }
        self.state.outbox.extend(observed.into_iter().map(FromWorker::Observed));
    }

    fn take_in(&mut self, event: NodeEvent) -> Result<(), End> {
        match event {
            NodeEvent::Scheduler(messages) => {
                for message in messages {
                    self.hear_scheduler(message)?;
                }
            }
            NodeEvent::SchedulerGone(reason) => self.scheduler_gone(reason),
            NodeEvent::SchedulerFound(found) => self.scheduler_found(found)?,
            NodeEvent::Executor { executor, frame: Frame::Messages(messages) } => {
                messages.into_iter().for_each(|message| self.hear_executor(executor, message));
            }
            NodeEvent::Executor { executor, frame: Frame::Value(value, frames) } => {
                self.exported(executor, value, Value::from_frames(&frames).map_err(Failure::from));
            }
            NodeEvent::Executor { executor, frame: Frame::Lent(value, loan) } => {
                self.tell(executor, ToExecutor::Taken { loan: loan.id });
                let frames = loan.take().map_err(Failure::from);
                self.exported(executor, value, frames.and_then(|frames| Ok(Value::from_frames(&frames)?)));
            }
            NodeEvent::ExecutorDied { executor, how } => self.executor_died(executor, how)?,
            NodeEvent::NativeDone { task, attempt, result, ran } => match result {
                Ok(stored) => {
                    let inline = match &stored {
                        Stored::Inline(bytes) => Some(bytes.to_vec()),
                        Stored::Value(_) | Stored::Spilled(..) => None,
                    };
                    let size_bytes = stored.size_bytes();
                    self.state.store.insert(task, stored);
                    let ran =
                        Ran { thread: self.options.executors * self.options.executor_threads + ran.thread, ..ran };
                    let answer = Answer::Finished { size_bytes, ran, inline };
                    self.step(Event::NativeFinished { task, attempt, size_bytes }, Some(answer));
                }
                Err(failure) => {
                    let mut failure = to_message(failure, None, String::new());
                    failure.ran = Some(ran);
                    self.step(Event::NativeFailed { task, attempt }, Some(Answer::Failed(failure)));
                }
            },
            NodeEvent::NativeUnread { task, attempt, input, why } => {
                tracing::warn!(value = %input, why, "a value on disk can't be read: it is made again");
                self.step(Event::NativeUnread { task, attempt, input }, None);
            }
            NodeEvent::Damaged { value, why } => {
                tracing::warn!(%value, why, "a value on disk can't be read: it is made again");
                self.step(Event::Damaged { value }, None);
            }
            NodeEvent::NotSent { executor, value, on_disk, why } => {
                tracing::warn!(%value, why, "a value could not be given to an executor");
                if on_disk {
                    self.step(Event::NotSent { executor, value }, None);
                } else {
                    self.state.unsendable.insert(value, why);
                }
            }
            NodeEvent::Fetched { value, result } => match result {
                Ok(stored) => {
                    let stored = Stored::Value(stored);
                    let size_bytes = stored.size_bytes();
                    let transfer = self.state.traffic.received(value, size_bytes);
                    self.state
                        .outbox
                        .extend(transfer.map(|transfer| FromWorker::Observed(Observation::Transferred(transfer))));
                    self.state.store.insert(value, stored);
                    self.step(Event::Fetched { value, size_bytes }, None);
                }
                Err(error) => {
                    self.state.traffic.failed(value);
                    tracing::info!(%value, error.message, "a value could not be fetched");
                    let unusable = error.unusable;
                    self.state.unusable = Some(error.message).filter(|_| unusable);
                    self.step(Event::FetchFailed { value, unusable }, None);
                    self.state.unusable = None;
                }
            },
            NodeEvent::Spilled { value, version, result } => self.spilled(value, version, result),
            NodeEvent::Requested { value, reply } => {
                let request = self.state.next_request;
                self.state.next_request += 1;
                self.state.replies.insert(request, reply);
                self.step(Event::Requested { request, value }, None);
            }
        }
        Ok(())
    }

    fn hear_scheduler(&mut self, message: ToWorker) -> Result<(), End> {
        match message {
            ToWorker::Run { task, attempt, layer, index, payload, inputs } => {
                let class = self
                    .state
                    .functions
                    .get(&(task.graph, layer))
                    .map_or(SlotClass::Native, |sent| sent.function.class);
                let mut ids = Vec::with_capacity(inputs.len());
                let mut sources = Vec::with_capacity(inputs.len());
                for (input, from) in inputs {
                    ids.push(input);
                    let source = match from {
                        InputFrom::Here => Source::Here,
                        InputFrom::Peer(peer) => Source::Peer(peer),
                        InputFrom::Inline(bytes) => {
                            if self.state.store.get(input).is_none() {
                                self.state.store.insert(input, Stored::Inline(bytes.into()));
                            }
                            Source::Inline
                        }
                    };
                    sources.push((input, source));
                }
                self.state.given.insert(task, Given { attempt, layer, index, payload, inputs: ids });
                self.step(Event::Run { task, attempt, class, inputs: sources }, None);
            }
            ToWorker::Function { graph, layer, prefix, shape, class, function } => {
                let function = LayerFunction::new(prefix, shape, class, function.codec, function.shared.into());
                let sent = Sent { function: Arc::new(function), informed: HashSet::new() };
                self.state.functions.insert((graph, layer), sent);
            }
            ToWorker::Abandon { task, attempt } => {
                self.step(Event::Abandon { task, attempt }, None);
                if self.state.given.get(&task).is_some_and(|given| given.attempt == attempt) {
                    self.state.given.remove(&task);
                }
            }
            ToWorker::Retract { task, attempt } => self.step(Event::Retract { task, attempt }, None),
            ToWorker::Free { task } => self.step(Event::Free { value: task }, None),
            ToWorker::Forget { graph } => {
                self.state.functions.retain(|id, _| id.0 != graph);
                for process in self.executors.values_mut() {
                    process.outbox.push(ToExecutor::Forget { graph });
                }
            }
            ToWorker::Peers { joined, left } => {
                for worker in left {
                    if let Some(address) = self.state.peers.remove(&worker) {
                        self.fetcher.forget(&address);
                    }
                }
                self.state.peers.extend(joined);
            }
            ToWorker::Call { call, pid, payload } => {
                let answer = self.state.calls.begin(call, pid, payload, &mut self.executors);
                self.state.outbox.extend(answer);
            }
            ToWorker::Setup { setup, now } => self.state.calls.set_up(setup, now, &mut self.executors),
            ToWorker::Copy { task, from } => self.step(Event::Copy { value: task, peer: from }, None),
            ToWorker::Restart => self.restart(),
            ToWorker::Leave { reason } => {
                tracing::info!(reason, "the worker ends");
                return Err(End::InOrder);
            }
            ToWorker::Welcome { worker, lasting } => self.welcome(worker, lasting),
            ToWorker::Retire { reason } => {
                return Err(Failure::new(ErrorKind::Io, format!("the scheduler sent us away: {reason}")).into());
            }
        }
        Ok(())
    }

    fn exported(&mut self, executor: ExecutorId, value: TaskId, result: Result<Value, Failure>) {
        match result {
            Ok(stored) => {
                self.state.store.insert(value, Stored::Value(stored));
                self.step(Event::Exported { executor, value }, None);
                self.left_executor(value);
            }
            Err(error) => {
                tracing::error!(%value, %error, "an executor gave bytes that are not a value");
                self.stays_in_executor(value);
                self.step(Event::ExportFailed { executor, value, gone: false }, None);
            }
        }
    }

    fn hear_executor(&mut self, executor: ExecutorId, message: FromExecutor) {
        match message {
            FromExecutor::Ready => {
                self.state.stillborn = 0;
                if let Some(process) = self.executors.get_mut(&executor) {
                    process.ready = true;
                }
                self.tell_if_restarted();
                let threads = self.options.executor_threads;
                self.step(Event::ExecutorReady { executor, threads }, None);
            }
            FromExecutor::Finished { task, attempt, size_bytes, ran, inline } => {
                let ran = self.place(executor, ran);
                if let Some(bytes) = &inline
                    && self.state.store.get(task).is_none()
                {
                    self.state.store.insert(task, Stored::Inline(bytes.clone().into()));
                }
                let event = Event::PythonFinished {
                    executor,
                    task,
                    attempt,
                    size_bytes,
                    duration_us: ran.duration_us,
                    inline: inline.is_some(),
                };
                self.step(event, Some(Answer::Finished { size_bytes, ran, inline }));
            }
            FromExecutor::Failed { task, attempt, mut failure } => {
                failure.ran = failure.ran.map(|ran| self.place(executor, ran));
                self.step(Event::PythonFailed { executor, task, attempt }, Some(Answer::Failed(failure)));
            }
            FromExecutor::Profiled(profile) => {
                self.state.outbox.push(FromWorker::Observed(Observation::Profiled(profile)));
            }
            FromExecutor::Abandoned { task, attempt } => {
                self.step(Event::PythonSkipped { executor, task, attempt }, None);
            }
            FromExecutor::Begun { task, attempt } => self.step(Event::PythonBegun { task, attempt }, None),
            FromExecutor::Taken { loan } => {
                if let Some(process) = self.executors.get(&executor) {
                    process.lender.taken(loan);
                }
            }
            FromExecutor::Called { call, result } => {
                let pid = self.executors.get(&executor).map_or(0, |process| process.pid);
                let answer = self.state.calls.answered(call, executor, pid, Ok(result));
                self.state.outbox.extend(answer);
            }
            FromExecutor::Threads { threads } => {
                if let Some(process) = self.executors.get_mut(&executor) {
                    process.threads = threads;
                }
                self.step(Event::ExecutorThreads { executor, threads }, None);
                self.report_slots();
            }
            FromExecutor::Unread { task, attempt, input } => match self.state.unsendable.get(&input) {
                Some(why) => {
                    let text = format!("an input of the task (task {input}) can't be given to its process: {why}");
                    let failure = FailureMessage::new(ErrorKind::Type, text);
                    self.step(Event::PythonFailed { executor, task, attempt }, Some(Answer::Failed(failure)));
                }
                None => self.step(Event::PythonUnread { executor, task, attempt, input }, None),
            },
            FromExecutor::ExportFailed { task, gone, message } => {
                self.stays_in_executor(task);
                self.state.unusable = Some(message).filter(|_| !gone);
                self.step(Event::ExportFailed { executor, value: task, gone }, None);
                self.state.unusable = None;
            }
        }
    }

    /// The thread of an executor as one of the worker's: an executor that takes a dead one's place takes its numbers.
    fn place(&self, executor: ExecutorId, ran: Ran) -> Ran {
        let place = self.executors.get(&executor).map_or(0, |process| process.place);
        Ran { thread: place * self.options.executor_threads + ran.thread, ..ran }
    }

    fn executor_died(&mut self, executor: ExecutorId, how: String) -> Result<(), Failure> {
        let Some(process) = self.executors.remove(&executor) else { return Ok(()) };
        tracing::warn!(executor = executor.0, how, "an executor died");
        if !process.ready && !self.state.restarting {
            self.state.stillborn += 1;
            if self.state.stillborn >= STILLBORN_MAX {
                return Err(Failure::new(ErrorKind::Io, format!("executors die before they are ready: {how}")));
            }
        }
        for sent in self.state.functions.values_mut() {
            sent.informed.remove(&executor);
        }
        let answers = self.state.calls.died(executor, process.pid, &how);
        self.state.deaths.insert(executor, how);
        self.step(Event::ExecutorDied { executor, running: None }, None);
        self.state.deaths.remove(&executor);
        self.state.outbox.extend(answers);
        let id = ExecutorId(self.state.next_executor);
        self.state.next_executor += 1;
        let stepped_aside = process.threads != self.options.executor_threads;
        let mut process = process::start(id, process.place, &self.options, &self.events)?;
        self.state.calls.prepare(&mut process);
        self.executors.insert(id, process);
        if stepped_aside {
            self.report_slots();
        }
        Ok(())
    }

    /// Tells the scheduler how many Python tasks run here at once.
    fn report_slots(&mut self) {
        let python = self.executors.values().map(|process| process.threads).sum();
        self.state.outbox.push(FromWorker::Slots { python });
    }

    pub(crate) fn step(&mut self, event: Event, mut answer: Option<Answer>) {
        let mut instructions = std::mem::take(&mut self.state.instructions);
        self.state.machine.step(event, &mut instructions);
        for instruction in instructions.drain(..) {
            self.obey(instruction, &mut answer);
        }
        self.state.instructions = instructions;
    }

    fn obey(&mut self, instruction: Instruction, answer: &mut Option<Answer>) {
        match instruction {
            Instruction::RunPython { executor, task, inputs, .. } => self.run_python(executor, task, inputs),
            Instruction::Report { task, attempt } => {
                self.state.given.remove(&task);
                match answer.take() {
                    Some(Answer::Finished { size_bytes, ran, inline }) => {
                        self.state.outbox.push(FromWorker::Finished { task, attempt, size_bytes, ran, inline });
                    }
                    Some(Answer::Failed(failure)) => {
                        self.state.outbox.push(FromWorker::Failed { task, attempt, died: false, failure });
                    }
                    None => {}
                }
            }
            Instruction::RunNative { task, attempt } => self.run_native(task, attempt),
            Instruction::Drop { value } => {
                self.state.store.remove(value);
                self.state.unsendable.remove(&value);
            }
            Instruction::Fetch { value, peer } => {
                self.state.traffic.asked(value, peer);
                let address = self.state.peers.get(&peer).cloned();
                data::fetch(&self.data, &self.fetcher, address, value, self.events.clone());
            }
            Instruction::Export { executor, value } => self.tell(executor, ToExecutor::Export { task: value }),
            Instruction::AbandonIn { executor, task, attempt } => {
                self.tell(executor, ToExecutor::Abandon { task, attempt });
            }
            Instruction::FreeIn { executor, value } => self.tell(executor, ToExecutor::Free { task: value }),
            Instruction::ReportRetracted { task, attempt } => {
                self.state.given.remove(&task);
                self.state.outbox.push(FromWorker::Retracted { task, attempt });
            }
            Instruction::ReportRetained { task, attempt } => {
                self.state.outbox.push(FromWorker::Retained { task, attempt });
            }
            Instruction::ReportDeath { executor, task, attempt } => {
                let how = self.state.deaths.get(&executor).cloned().unwrap_or_else(|| "its executor died".into());
                let mut failure = FailureMessage::new(ErrorKind::Killed, how);
                failure.key = self.state.given.remove(&task).and_then(|given| {
                    Some(self.state.functions.get(&(task.graph, given.layer))?.function.key(given.index))
                });
                self.state.outbox.push(FromWorker::Failed { task, attempt, died: true, failure });
            }
            Instruction::ReportMissing { task, attempt, input, holder } => {
                self.state.given.remove(&task);
                self.state.outbox.push(FromWorker::InputMissing { task, attempt, input, holder });
            }
            Instruction::ReportUnusable { task, attempt, input } => {
                let why = self.state.unusable.clone().unwrap_or_else(|| "it can't be turned into bytes".into());
                let text = format!(
                    "an input of the task (task {input}) can't leave the process that it lives in: {why}\nhint: return \
                     something that can be pickled, or make and use it within one task"
                );
                let mut failure = FailureMessage::new(ErrorKind::Type, text);
                failure.key = self.state.given.remove(&task).and_then(|given| {
                    Some(self.state.functions.get(&(task.graph, given.layer))?.function.key(given.index))
                });
                self.state.outbox.push(FromWorker::Failed { task, attempt, died: false, failure });
            }
            Instruction::ReportCopied { value } => self.state.outbox.push(FromWorker::Copied { task: value }),
            Instruction::ReportNotCopied { value } => self.state.outbox.push(FromWorker::CopyFailed { task: value }),
            Instruction::ReportDropped { value } => self.state.outbox.push(FromWorker::Dropped { task: value }),
            Instruction::Serve { request, value } => {
                if let Some(reply) = self.state.replies.remove(&request) {
                    let stored = self.state.store.get(value).cloned();
                    self.state.traffic.sent(stored.as_ref().map_or(0, Stored::size_bytes));
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(stored.ok_or_else(|| format!("the value of task {value} is not in the store")));
                }
            }
            Instruction::Refuse { request, value } => {
                if let Some(reply) = self.state.replies.remove(&request) {
                    let text = match &self.state.unusable {
                        Some(why) => format!("{UNUSABLE}{why}"),
                        None => format!("the value of task {value} is not held here"),
                    };
                    let _ = reply.send(Err(text));
                }
            }
        }
    }

    /// Ends all executors; what dies is started anew.
    fn restart(&mut self) {
        for process in self.executors.values_mut() {
            process.ready = false;
            process.kill("the cluster was restarted".into());
        }
        self.state.restarting = true;
        self.tell_if_restarted();
    }

    fn tell_if_restarted(&mut self) {
        if self.state.restarting && self.executors.values().all(|process| process.ready) {
            self.state.restarting = false;
            self.state.outbox.push(FromWorker::Restarted);
        }
    }

    fn tell(&mut self, executor: ExecutorId, message: ToExecutor) {
        if let Some(process) = self.executors.get_mut(&executor) {
            process.outbox.push(message);
        }
    }

    fn run_native(&mut self, task: TaskId, attempt: Attempt) {
        let job = self.state.given.get(&task).and_then(|given| {
            let layer = self.state.functions.get(&(task.graph, given.layer))?.function.clone();
            let inputs = given.inputs.iter().map(|&input| Some((input, self.state.store.get(input).cloned()?)));
            let inputs = inputs.collect::<Option<_>>()?;
            Some(NativeJob { task, attempt, layer, index: given.index, payload: given.payload.clone(), inputs })
        });
        match job {
            Some(job) => self.native.push(job),
            None => {
                let result = Err(Failure::internal(format!("task {task} was run without its function or inputs")));
                let _ = self.events.send(NodeEvent::NativeDone { task, attempt, result, ran: Ran::default() });
            }
        }
    }

    fn run_python(&mut self, executor: ExecutorId, task: TaskId, inputs: Vec<(TaskId, Delivery)>) {
        let (Some(process), Some(given)) = (self.executors.get_mut(&executor), self.state.given.get(&task)) else {
            return;
        };
        if let Some(sent) = self.state.functions.get_mut(&(task.graph, given.layer))
            && sent.informed.insert(executor)
        {
            process.outbox.push(ToExecutor::Function {
                graph: task.graph,
                layer: given.layer,
                prefix: sent.function.prefix.clone(),
                shape: sent.function.shape.clone(),
                codec: sent.function.codec.clone(),
                shared: sent.function.shared.to_vec(),
            });
        }
        let mut with_values = Vec::with_capacity(inputs.len());
        for (input, delivery) in inputs {
            let bytes = match delivery {
                Delivery::Live => None,
                Delivery::Inline => {
                    let stored = self.state.store.get(input);
                    let bytes = stored.and_then(inline_bytes);
                    if let (None, Some(stored)) = (&bytes, stored) {
                        let (on_disk, why) = (stored.is_on_disk(), "its bytes can't be read".to_owned());
                        let _ = self.events.send(NodeEvent::NotSent { executor, value: input, on_disk, why });
                    }
                    bytes
                }
                Delivery::Sent => {
                    if let Some(stored) = self.state.store.get(input) {
                        process.send_value(input, stored.clone());
                    }
                    None
                }
            };
            with_values.push((input, bytes));
        }
        process.outbox.push(ToExecutor::Run {
            task,
            attempt: given.attempt,
            layer: given.layer,
            index: given.index,
            payload: given.payload.clone(),
            inputs: with_values,
        });
    }
}

fn inline_bytes(stored: &Stored) -> Option<Vec<u8>> {
    if let Stored::Inline(bytes) = stored {
        return Some(bytes.to_vec());
    }
    let frames: Frames = stored.to_frames().ok()?;
    let mut bytes = Vec::new();
    frames.write_to(&mut bytes);
    Some(bytes)
}
