//! A node: the real machine of `raskal-worker`, and a model of the shell around it that obeys it to the letter.
//!
//! Messages in, [`Deed`]s out. What the machine may rely on is checked here: an instruction that could not be carried out
//! is a failure of the simulation, as it would be an internal error of a cluster.

use crate::message::{Asker, AtNode, Deed, FromProcess, InputFrom, Inventory, NodeId, Order, Outcome, Reply, Shape};
use crate::message::{ToProcess, Word};
use crate::process::Process;
use raskal_scheduler::{Slots, Traits};
use raskal_types::{Attempt, SlotClass, TaskId, WorkerId};
use raskal_worker::{Delivery, Event, ExecutorId, Instruction, Source, Worker};
use std::collections::{BTreeMap, BTreeSet};

/// A task that the scheduler gave.
struct Given {
    attempt: Attempt,
    inputs: Vec<TaskId>,
}

/// What is told when an answer counts.
enum Answer {
    Finished { size_bytes: u64, duration_us: u32, inline: Option<u64> },
    Raised,
}

pub(crate) struct Node {
    machine: Worker,
    /// The connection to the scheduler; none while there is none.
    pub(crate) connection: Option<WorkerId>,
    pub(crate) shape: Shape,
    pub(crate) traits: Traits,
    /// How much longer than others it takes for all that it does.
    pub(crate) slowness: u64,
    /// Nothing happens here before this time.
    pub(crate) hangs_until_us: u64,
    store: BTreeMap<TaskId, u64>,
    /// Values of the store that can't be read.
    damaged: BTreeSet<TaskId>,
    pub(crate) processes: BTreeMap<ExecutorId, Process>,
    /// How many threads each process said it has.
    threads: BTreeMap<ExecutorId, u32>,
    given: BTreeMap<TaskId, Given>,
    peers: BTreeMap<WorkerId, NodeId>,
    requests: BTreeMap<u64, (Asker, TaskId)>,
    next_request: u64,
    next_executor: u32,
    /// Whether a value of which the machine speaks can't leave its process.
    unusable: bool,
    instructions: Vec<Instruction>,
}

impl Shape {
    pub(crate) fn slots(self) -> Slots {
        match self.shared {
            true => Slots::Shared(self.native),
            false => Slots::Separate { python: self.executors * self.threads, native: self.native },
        }
    }
}

impl Node {
    /// A node that says hello on a connection.
    pub(crate) fn new(connection: WorkerId, shape: Shape, traits: Traits, slowness: u64, out: &mut Vec<Deed>) -> Node {
        let mut node = Node {
            machine: Worker::new(connection, shape.native),
            connection: Some(connection),
            shape,
            traits: traits.clone(),
            slowness,
            hangs_until_us: 0,
            store: BTreeMap::new(),
            damaged: BTreeSet::new(),
            processes: BTreeMap::new(),
            threads: BTreeMap::new(),
            given: BTreeMap::new(),
            peers: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            next_executor: 0,
            unusable: false,
            instructions: Vec::new(),
        };
        out.push(Deed::Say(Word::Hello { shape, traits, inventory: None }));
        (0..shape.executors).for_each(|_| node.start_process(out));
        node
    }

    fn start_process(&mut self, out: &mut Vec<Deed>) {
        let executor = ExecutorId(self.next_executor);
        self.next_executor += 1;
        self.processes.insert(executor, Process::new(executor, self.shape.threads));
        self.threads.insert(executor, self.shape.threads);
        out.push(Deed::StartProcess { executor });
    }

    pub(crate) fn happen(&mut self, happening: AtNode, is_usable: &dyn Fn(TaskId) -> bool, out: &mut Vec<Deed>) {
        match happening {
            AtNode::Told { connection, order } if self.connection == Some(connection) => self.obey(order, out),
            // Said on a connection that has ended since.
            AtNode::Told { .. } => {}
            AtNode::Process { executor, word } => self.hear(executor, word, out),
            AtNode::NativeRan { task, attempt, outcome } => self.native_ran(task, attempt, outcome, out),
            AtNode::Asked { asker, value } => {
                self.requests.insert(self.next_request, (asker, value));
                self.next_request += 1;
                self.step(Event::Requested { request: self.next_request - 1, value }, None, out);
            }
            AtNode::Fetched { value, reply } => match reply {
                Reply::Content(content) => {
                    self.put(value, content);
                    self.step(Event::Fetched { value, size_bytes: 1 + content % 20_000 }, None, out);
                }
                Reply::Refused => self.step(Event::FetchFailed { value, unusable: false }, None, out),
                Reply::Unusable => {
                    self.unusable = true;
                    self.step(Event::FetchFailed { value, unusable: true }, None, out);
                    self.unusable = false;
                }
            },
            AtNode::NotSent { executor, value } => self.step(Event::NotSent { executor, value }, None, out),
            AtNode::Disconnected { connection } if self.connection == Some(connection) => {
                self.connection = None;
                out.push(Deed::Reconnect);
            }
            AtNode::Disconnected { .. } => {}
            // The world gives it a connection first.
            AtNode::Reconnected => self.reconnected(out),
            AtNode::InProcess { executor, message } => {
                // To one that is dead nothing comes.
                if let Some(process) = self.processes.get_mut(&executor) {
                    process.obey(message, out);
                }
            }
            AtNode::ProcessRan { executor, task, attempt, outcome } => {
                let Some(process) = self.processes.get_mut(&executor) else { return };
                match outcome {
                    Outcome::Died => self.kill(executor, out),
                    outcome => process.ran(task, attempt, outcome, out),
                }
            }
            AtNode::Exporting { executor, value } => {
                if let Some(process) = self.processes.get(&executor) {
                    process.export(value, is_usable(value), out);
                }
            }
            AtNode::Aside { executor, change } => {
                if let Some(process) = self.processes.get_mut(&executor) {
                    process.change_threads(change, out);
                }
            }
        }
    }

    /// A process dies; the node hears of it behind what the process said.
    pub(crate) fn kill(&mut self, executor: ExecutorId, out: &mut Vec<Deed>) {
        if self.processes.remove(&executor).is_some() {
            out.push(Deed::Hear { executor, word: FromProcess::Died });
        }
    }

    /// Memory is short: the value that was used the longest ago leaves the executors.
    pub(crate) fn evict(&mut self, out: &mut Vec<Deed>) {
        if let Some(cold) = self.machine.coldest().into_iter().find(|cold| cold.executors > 0) {
            self.step(Event::Evict { value: cold.value }, None, out);
        }
    }

    /// A value of the store, which is on disk, will turn out to be damaged.
    pub(crate) fn damage(&mut self, nth: usize) {
        let whole: Vec<TaskId> = self.store.keys().copied().filter(|value| !self.damaged.contains(value)).collect();
        self.damaged.extend(whole.get(nth % whole.len().max(1)));
    }

    /// The requests of others that it has not answered.
    pub(crate) fn open_requests(&self) -> impl Iterator<Item = (Asker, TaskId)> {
        self.requests.values().copied()
    }

    /// The tasks that it was given and has not answered.
    pub(crate) fn given(&self) -> Vec<TaskId> {
        self.machine.given().into_iter().map(|(task, _)| task).collect()
    }

    /// The values that it holds, as it would tell them.
    pub(crate) fn held(&self) -> BTreeSet<TaskId> {
        self.machine.inventory().into_iter().map(|(value, _)| value).collect()
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.machine.load() == (0, 0, 0) && self.requests.is_empty() && self.processes.values().all(Process::is_idle)
    }

    /// What is where, by the machine, is where it says; nothing is on its way.
    pub(crate) fn check_places(&self) {
        let places = self.machine.places();
        let stored: Vec<TaskId> = places.iter().filter(|place| place.in_store).map(|place| place.value).collect();
        assert_eq!(self.store.keys().copied().collect::<Vec<_>>(), stored, "values in the store");
        for (executor, process) in &self.processes {
            let live = places.iter().filter(|place| place.executors.contains(executor)).map(|place| place.value);
            let known = live.collect::<Vec<_>>();
            assert_eq!(process.values.keys().copied().collect::<Vec<_>>(), known, "values in {executor:?}");
        }
        if let Some((task, given)) = self.given.iter().next() {
            panic!("the shell still knows {task} of attempt {}", given.attempt);
        }
    }

    fn put(&mut self, value: TaskId, content: u64) {
        self.store.insert(value, content);
        self.damaged.remove(&value);
    }

    fn obey(&mut self, order: Order, out: &mut Vec<Deed>) {
        match order {
            Order::Welcome { worker } => self.machine.rename(worker),
            Order::Peers { joined, left } => {
                left.into_iter().for_each(|peer| _ = self.peers.remove(&peer));
                self.peers.extend(joined);
            }
            Order::Run { task, attempt, class, inputs } => {
                let class = if self.shape.shared { SlotClass::Native } else { class };
                let mut sources = Vec::new();
                for &(input, from) in &inputs {
                    sources.push(match from {
                        InputFrom::Here => (input, Source::Here),
                        InputFrom::Peer(peer) => (input, Source::Peer(peer)),
                        InputFrom::Inline(content) => {
                            self.store.entry(input).or_insert(content);
                            (input, Source::Inline)
                        }
                    });
                }
                let inputs = inputs.into_iter().map(|input| input.0).collect();
                self.given.insert(task, Given { attempt, inputs });
                self.step(Event::Run { task, attempt, class, inputs: sources }, None, out);
            }
            Order::Abandon { task, attempt } => {
                self.step(Event::Abandon { task, attempt }, None, out);
                if self.given.get(&task).is_some_and(|given| given.attempt == attempt) {
                    self.given.remove(&task);
                }
            }
            Order::Retract { task, attempt } => self.step(Event::Retract { task, attempt }, None, out),
            Order::Copy { task, from } => self.step(Event::Copy { value: task, peer: from }, None, out),
            Order::Free { task } => self.step(Event::Free { value: task }, None, out),
            // The world ends it.
            Order::Leave => {}
        }
    }

    fn hear(&mut self, executor: ExecutorId, word: FromProcess, out: &mut Vec<Deed>) {
        match word {
            FromProcess::Ready => {
                let threads = self.shape.threads;
                self.step(Event::ExecutorReady { executor, threads }, None, out);
            }
            FromProcess::Finished { task, attempt, size_bytes, duration_us, inline } => {
                if let Some(content) = inline {
                    self.store.entry(task).or_insert(content);
                }
                let event = Event::PythonFinished {
                    executor,
                    task,
                    attempt,
                    size_bytes,
                    duration_us,
                    inline: inline.is_some(),
                };
                self.step(event, Some(Answer::Finished { size_bytes, duration_us, inline }), out);
            }
            FromProcess::Raised { task, attempt } => {
                self.step(Event::PythonFailed { executor, task, attempt }, Some(Answer::Raised), out);
            }
            FromProcess::Unreadable { task, attempt, input } => {
                self.step(Event::PythonUnread { executor, task, attempt, input }, None, out);
            }
            FromProcess::Skipped { task, attempt } => {
                self.step(Event::PythonSkipped { executor, task, attempt }, None, out);
            }
            FromProcess::Begun { task, attempt } => self.step(Event::PythonBegun { task, attempt }, None, out),
            FromProcess::Value { value, content } => {
                self.put(value, content);
                self.step(Event::Exported { executor, value }, None, out);
            }
            FromProcess::ExportFailed { value, gone } => {
                self.unusable = !gone;
                self.step(Event::ExportFailed { executor, value, gone }, None, out);
                self.unusable = false;
            }
            FromProcess::Threads { threads } => {
                self.threads.insert(executor, threads);
                self.step(Event::ExecutorThreads { executor, threads }, None, out);
                self.tell_slots(out);
            }
            FromProcess::Died => {
                let stepped_aside = self.threads.remove(&executor) != Some(self.shape.threads);
                self.step(Event::ExecutorDied { executor, running: None }, None, out);
                self.start_process(out);
                if stepped_aside {
                    self.tell_slots(out);
                }
            }
        }
    }

    fn tell_slots(&mut self, out: &mut Vec<Deed>) {
        self.say(Word::Slots { python: self.threads.values().sum() }, out);
    }

    fn native_ran(&mut self, task: TaskId, attempt: Attempt, outcome: Outcome, out: &mut Vec<Deed>) {
        match outcome {
            Outcome::Value { content, size_bytes, is_small, duration_us } => {
                self.put(task, content);
                let answer = Answer::Finished { size_bytes, duration_us, inline: is_small.then_some(content) };
                self.step(Event::NativeFinished { task, attempt, size_bytes }, Some(answer), out);
            }
            Outcome::Unread(input) => self.step(Event::NativeUnread { task, attempt, input }, None, out),
            Outcome::Raised | Outcome::Died => {
                self.step(Event::NativeFailed { task, attempt }, Some(Answer::Raised), out);
            }
        }
    }

    fn reconnected(&mut self, out: &mut Vec<Deed>) {
        self.peers.clear();
        let values = self.machine.inventory().into_iter();
        let values = values.map(|(value, size_bytes)| {
            let small = self.store.get(&value).copied().filter(|content| crate::plan::is_small(*content));
            (value, size_bytes, small)
        });
        let values = values.collect();
        let inventory = Inventory { before: self.machine.id(), values, running: self.machine.given() };
        let hello =
            Word::Hello { shape: self.shape, traits: self.traits.clone(), inventory: Some(Box::new(inventory)) };
        self.say(hello, out);
        let python: u32 = self.threads.values().sum();
        if python != self.shape.executors * self.shape.threads {
            self.tell_slots(out);
        }
    }

    fn say(&self, word: Word, out: &mut Vec<Deed>) {
        // All of it is in what is told when the scheduler is there again.
        if self.connection.is_some() {
            out.push(Deed::Say(word));
        }
    }

    fn step(&mut self, event: Event, mut answer: Option<Answer>, out: &mut Vec<Deed>) {
        let mut instructions = std::mem::take(&mut self.instructions);
        self.machine.step(event, &mut instructions);
        self.machine.validate();
        for instruction in instructions.drain(..) {
            self.carry_out(instruction, &mut answer, out);
        }
        self.instructions = instructions;
    }

    fn carry_out(&mut self, instruction: Instruction, answer: &mut Option<Answer>, out: &mut Vec<Deed>) {
        match instruction {
            Instruction::RunPython { executor, task, attempt, inputs } => {
                self.run_python(executor, task, attempt, inputs, out);
            }
            Instruction::RunNative { task, attempt } => {
                let given = &self.given[&task];
                assert_eq!(given.attempt, attempt, "{task} is run again, and the shell knows of another run");
                let content = |input: &TaskId| match self.store.get(input) {
                    Some(_) if self.damaged.contains(input) => Err(*input),
                    Some(&content) => Ok(content),
                    None => panic!("{task} is run, and its input {input} is not in the store"),
                };
                let inputs = given.inputs.iter().map(content).collect();
                out.push(Deed::RunNative { task, attempt, inputs });
            }
            Instruction::Report { task, attempt } => {
                self.given.remove(&task);
                match answer.take() {
                    Some(Answer::Finished { size_bytes, duration_us, inline }) => {
                        self.say(Word::Finished { task, attempt, size_bytes, duration_us, inline }, out);
                    }
                    Some(Answer::Raised) => self.say(Word::Failed { task, attempt, died: false }, out),
                    None => panic!("an answer for {task} is reported that did not come"),
                }
            }
            Instruction::ReportUnusable { task, attempt, input } => {
                self.given.remove(&task);
                assert!(self.unusable, "{input} is told to be unusable, and nobody said so");
                self.say(Word::Failed { task, attempt, died: false }, out);
            }
            Instruction::ReportDeath { task, attempt, .. } => {
                self.given.remove(&task);
                self.say(Word::Failed { task, attempt, died: true }, out);
            }
            Instruction::ReportMissing { task, attempt, input, holder } => {
                self.given.remove(&task);
                self.say(Word::Missing { task, attempt, input, holder }, out);
            }
            Instruction::ReportRetracted { task, attempt } => {
                self.given.remove(&task);
                self.say(Word::Retracted { task, attempt }, out);
            }
            Instruction::ReportRetained { task, attempt } => self.say(Word::Retained { task, attempt }, out),
            Instruction::ReportCopied { value } => self.say(Word::Copied { task: value }, out),
            Instruction::ReportNotCopied { value } => self.say(Word::NotCopied { task: value }, out),
            Instruction::ReportDropped { value } => self.say(Word::Dropped { task: value }, out),
            Instruction::Drop { value } => {
                self.store.remove(&value);
                self.damaged.remove(&value);
            }
            Instruction::Fetch { value, peer } => {
                out.push(Deed::Fetch { value, from: self.peers.get(&peer).copied() });
            }
            Instruction::Export { executor, value } => {
                out.push(Deed::Tell { executor, message: ToProcess::Export { value } });
            }
            Instruction::AbandonIn { executor, task, attempt } => {
                out.push(Deed::Tell { executor, message: ToProcess::Abandon { task, attempt } });
            }
            Instruction::FreeIn { executor, value } => {
                out.push(Deed::Tell { executor, message: ToProcess::Free { value } });
            }
            Instruction::Serve { request, value } => self.serve(request, value, out),
            Instruction::Refuse { request, value } => {
                let (asker, _) = self.requests.remove(&request).expect("a request is answered once");
                let reply = if self.unusable { Reply::Unusable } else { Reply::Refused };
                out.push(Deed::Answer { asker, value, reply });
            }
        }
    }

    fn serve(&mut self, request: u64, value: TaskId, out: &mut Vec<Deed>) {
        let (asker, _) = self.requests.remove(&request).expect("a request is answered once");
        let content = *self.store.get(&value).unwrap_or_else(|| panic!("{value} is to be given, and is not here"));
        if self.damaged.contains(&value) {
            out.push(Deed::Answer { asker, value, reply: Reply::Refused });
            // As the thread that reads it finds, and tells.
            let mut instructions = Vec::new();
            self.machine.step(Event::Damaged { value }, &mut instructions);
            instructions.into_iter().for_each(|instruction| self.carry_out(instruction, &mut None, out));
        } else {
            out.push(Deed::Answer { asker, value, reply: Reply::Content(content) });
        }
    }

    fn run_python(
        &mut self,
        executor: ExecutorId,
        task: TaskId,
        attempt: Attempt,
        inputs: Vec<(TaskId, Delivery)>,
        out: &mut Vec<Deed>,
    ) {
        let given = &self.given[&task];
        assert_eq!(given.attempt, attempt, "{task} is run again, and the shell knows of another run");
        let order: Vec<TaskId> = inputs.iter().map(|input| input.0).collect();
        assert_eq!(order, given.inputs, "the inputs of {task}");
        let mut sent = Vec::new();
        for (input, delivery) in inputs {
            let stored = self.store.get(&input).copied();
            let content = match delivery {
                Delivery::Live => None,
                Delivery::Inline | Delivery::Sent if self.damaged.contains(&input) => {
                    out.push(Deed::NotSent { executor, value: input });
                    None
                }
                Delivery::Inline => {
                    assert!(stored.is_some(), "{input} goes along with {task}, and is not in the store");
                    stored
                }
                Delivery::Sent => {
                    let content = stored.unwrap_or_else(|| panic!("{input} is sent for {task}, and is not here"));
                    out.push(Deed::Tell { executor, message: ToProcess::Value { value: input, content } });
                    None
                }
            };
            sent.push((input, content));
        }
        out.push(Deed::Tell { executor, message: ToProcess::Run { task, attempt, inputs: sent } });
    }
}
