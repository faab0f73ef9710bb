//! The world: the real scheduler, nodes with the real machine, clients, and what goes on between them.
//!
//! Start at [`Simulation::run`]; `foresee`, `trouble` and `submit` bring trouble and work, `desk` is the scheduler's process,
//! `deeds` carries out what nodes do, `checks` looks at the end. After every step the invariants of whoever stepped are
//! looked at; when nothing happens any more, every wanted result has been answered, rightly; when everything was
//! released, nothing is left anywhere.

mod checks;
mod deeds;
mod desk;
mod foresee;
mod submit;
mod trouble;

use crate::Report;
use crate::agenda::{Agenda, Links};
use crate::client::{Answer, Client};
use crate::message::{Asker, AtNode, NodeId, Reply, Shape, Word};
use crate::node::Node;
use crate::plan::{Plan, may_fail};
use crate::profile::Profile;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use raskal_scheduler::{Event, Instruction, Scheduler, Traits};
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use raskal_worker::ExecutorId;
use std::collections::{BTreeMap, BTreeSet};
use trouble::Trouble;

/// Trouble and submissions take place in this time; afterwards a worker that can run everything joins.
const SPAN_US: u64 = 20_000;
/// No simulation of this size has so many happenings unless it runs in a circle.
const HAPPENINGS_MAX: u64 = 400_000;

/// One direction of a connection, or of a pipe between a node and one of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    FromWorker(WorkerId),
    ToWorker(WorkerId),
    FromClient(ClientId),
    ToClient(ClientId),
    ToProcess(NodeId, ExecutorId),
    FromProcess(NodeId, ExecutorId),
}

#[derive(Debug)]
enum Happening {
    /// A client's message reaches the scheduler.
    Notice(Event),
    /// A client asks again where a result is, having not found it where it was said to be.
    Locate {
        client: ClientId,
        task: TaskId,
    },
    /// A worker's message reaches the scheduler's process.
    Said {
        connection: WorkerId,
        word: Word,
    },
    /// The scheduler's process finds that a connection has ended, or is silent for too long.
    Gone {
        connection: WorkerId,
    },
    /// Something happens at a node.
    Node(NodeId, AtNode),
    /// A message reaches a client.
    Answered(ClientId, TaskId, Answer),
    /// A client gets the answer of a holder.
    Collected {
        client: ClientId,
        task: TaskId,
        holder: WorkerId,
        reply: Reply,
    },
    Join(Shape, Traits),
    Crash,
    Trouble(Trouble),
    Submit(ClientId),
    /// A client wants some results no more.
    Release(ClientId, Vec<TaskId>),
    Cancel(ClientId, GraphId),
    Vanish(ClientId),
}

/// A cluster with its clients.
pub struct Simulation {
    profile: Profile,
    rng: StdRng,
    agenda: Agenda<Happening>,
    links: Links<Link>,
    /// The longest usual time of a message and of a run: some clusters are slow in one, some in the other.
    delay_us_max: u64,
    duration_us_max: u64,
    scheduler: Scheduler,
    instructions: Vec<Instruction>,
    nodes: BTreeMap<NodeId, Node>,
    clients: BTreeMap<ClientId, Client>,
    plans: BTreeMap<GraphId, Plan>,
    /// The connections that the scheduler's process counts as workers.
    present: BTreeMap<WorkerId, NodeId>,
    /// Whose every connection is or was.
    ends: BTreeMap<WorkerId, NodeId>,
    /// Connections that broke so that nothing that was on its way arrives.
    cut: BTreeSet<WorkerId>,
    /// Connections below this number were made with a scheduler that is gone.
    first_connection: u32,
    connections_seen: u32,
    nodes_seen: u32,
    /// The small values that the scheduler's process knows.
    small: BTreeMap<TaskId, u64>,
    /// What a journal would hold.
    submissions: BTreeMap<GraphId, Event>,
    /// Whether a scheduler that was started again waits for the workers of before.
    expecting: bool,
    crashes: u32,
    forgotten: BTreeSet<GraphId>,
    tells: bool,
    report: Report,
}

impl Simulation {
    /// Runs a cluster with the trouble of `profile`, all of it determined by `seed`.
    ///
    /// # Panics
    /// If an invariant of the scheduler or of a worker breaks, a result is wrong, missing or failed without cause, or
    /// anything is left when everything was released.
    pub fn run(profile: &Profile, seed: u64) -> Report {
        Simulation::new(*profile, seed).finish()
    }

    /// The same, and tells all that happens on the standard error.
    ///
    /// # Panics
    /// As [`Simulation::run`].
    pub fn replay(profile: &Profile, seed: u64) -> Report {
        Simulation { tells: true, ..Simulation::new(*profile, seed) }.finish()
    }

    fn finish(self) -> Report {
        let mut simulation = self;
        simulation.play();
        simulation.check_answers();
        simulation.release_the_rest();
        simulation.play();
        simulation.check_nothing_is_left();
        simulation.report
    }

    fn new(profile: Profile, seed: u64) -> Simulation {
        let mut rng = StdRng::seed_from_u64(seed);
        let (delay_us_max, duration_us_max) =
            (*[2, 50, 500].choose(&mut rng).unwrap_or(&1), *[1, 100, 2_000].choose(&mut rng).unwrap_or(&1));
        let clients = (0..rng.random_range(1..=profile.clients_max)).map(|id| (ClientId(id), Client::default()));
        let mut simulation = Simulation {
            profile,
            delay_us_max,
            duration_us_max,
            agenda: Agenda::new(),
            links: Links::new(),
            scheduler: Scheduler::new(),
            instructions: Vec::new(),
            nodes: BTreeMap::new(),
            clients: clients.collect(),
            plans: BTreeMap::new(),
            present: BTreeMap::new(),
            ends: BTreeMap::new(),
            cut: BTreeSet::new(),
            first_connection: 0,
            connections_seen: 0,
            nodes_seen: 0,
            small: BTreeMap::new(),
            submissions: BTreeMap::new(),
            expecting: false,
            crashes: 0,
            forgotten: BTreeSet::new(),
            tells: false,
            report: Report::default(),
            rng,
        };
        simulation.foresee();
        simulation.foresee_trouble();
        simulation
    }

    fn play(&mut self) {
        while let Some((number, happening)) = self.agenda.pop() {
            if let Happening::Node(node, _) = &happening
                && let Some(until_us) = self.nodes.get(node).map(|node| node.hangs_until_us)
                && until_us > self.agenda.now_us()
            {
                self.agenda.put_off(number, until_us, happening);
                continue;
            }
            self.report.happenings += 1;
            if self.tells {
                eprintln!("{} us: {happening:?}", self.agenda.now_us());
            }
            assert!(self.report.happenings < HAPPENINGS_MAX, "it never comes to an end");
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Notice(event) => self.step(event),
            Happening::Locate { client, task } => self.tell_where(client, task),
            Happening::Said { connection, word } => self.said(connection, word),
            Happening::Gone { connection } => self.worker_gone(connection),
            Happening::Node(node, happening) => self.at_node(node, happening),
            Happening::Trouble(trouble) => self.trouble(trouble),
            Happening::Answered(client, task, answer) => self.answered(client, task, answer),
            Happening::Collected { client, task, holder, reply } => self.collected(client, task, holder, reply),
            Happening::Join(shape, traits) => self.join(shape, traits),
            Happening::Crash => {
                let present: Vec<NodeId> = self.nodes.keys().copied().collect();
                if let Some(&node) = present.choose(&mut self.rng) {
                    self.crashes += 1;
                    self.end_node(node);
                }
            }
            Happening::Submit(client) => self.submit(client),
            Happening::Release(client, tasks) => {
                let tasks: Vec<TaskId> = self.client(client).give_up(tasks);
                self.send(Link::FromClient(client), Happening::Notice(Event::Release { tasks }));
            }
            Happening::Cancel(client, graph) => {
                self.client(client).give_up_graph(graph);
                self.send(Link::FromClient(client), Happening::Notice(Event::Cancel { graph }));
            }
            Happening::Vanish(client) => {
                self.client(client).vanish();
                self.send(Link::FromClient(client), Happening::Notice(Event::ClientLost { client }));
            }
        }
    }

    fn client(&mut self, client: ClientId) -> &mut Client {
        self.clients.entry(client).or_default()
    }

    /// The time that a message takes: usually little, now and then much.
    fn delay_us(&mut self) -> u64 {
        let factor = if self.rng.random_bool(0.03) { 20 } else { 1 };
        self.rng.random_range(1..=self.delay_us_max) * factor
    }

    /// Sends a message on a connection or pipe: it arrives behind those that were sent before on the same.
    fn send(&mut self, link: Link, message: Happening) {
        let at_us = self.agenda.now_us() + self.delay_us();
        let at_us = self.links.arrival_us(link, at_us);
        self.agenda.put(at_us, message);
    }

    /// Has something happen after a while, in no order with anything else.
    fn later(&mut self, happening: Happening) {
        let at_us = self.agenda.now_us() + self.delay_us();
        self.agenda.put(at_us, happening);
    }

    fn resolve(&self, task: TaskId) -> TaskId {
        // Imports of a plan are resolved already, so that one look is enough.
        self.plans[&task.graph].imports.get(&task.index).copied().unwrap_or(task)
    }

    fn answered(&mut self, client: ClientId, task: TaskId, answer: Answer) {
        if !self.client(client).wants(task) {
            return;
        }
        if self.report.restarts > 0 && self.client(client).has_failed(task) {
            // A scheduler that was started again tried it once more before it heard that nobody waits.
            return;
        }
        match answer {
            Answer::Held(holder) => {
                let (node, value) = (self.ends[&holder], self.resolve(task));
                self.ask(node, Asker::Client { client, task, holder }, value);
            }
            Answer::Given(content) => self.check_value(client, task, content, answer),
            Answer::Failed(cause) => {
                let allowed = may_fail(&self.plans, self.crashes, task, cause);
                assert!(allowed, "{task} failed by {cause:?}, but nothing of the kind happened");
                self.report.failed += 1;
                self.client(client).learn(task, answer);
            }
            Answer::None | Answer::Unusable => {}
        }
    }

    /// Asks a node for a value.
    fn ask(&mut self, node: NodeId, asker: Asker, value: TaskId) {
        if self.rng.random_bool(self.profile.unreachable) {
            self.reply(asker, value, Reply::Refused);
        } else {
            self.later(Happening::Node(node, AtNode::Asked { asker, value }));
        }
    }

    /// An answer goes to whoever asked.
    fn reply(&mut self, asker: Asker, value: TaskId, reply: Reply) {
        self.later(match asker {
            Asker::Node(node) => Happening::Node(node, AtNode::Fetched { value, reply }),
            Asker::Client { client, task, holder } => Happening::Collected { client, task, holder, reply },
        });
    }

    /// A client has what a holder answered.
    fn collected(&mut self, client: ClientId, task: TaskId, holder: WorkerId, reply: Reply) {
        if !self.client(client).wants(task) || self.client(client).has_failed(task) {
            return;
        }
        match reply {
            Reply::Content(content) => self.check_value(client, task, content, Answer::Held(holder)),
            Reply::Refused => self.send(Link::FromClient(client), Happening::Locate { client, task }),
            Reply::Unusable => {
                let source = self.resolve(task);
                assert!(self.plans[&source.graph].is_unusable(source.index), "{task} could leave its process");
                self.report.failed += 1;
                self.client(client).learn(task, Answer::Unusable);
            }
        }
    }

    fn check_value(&mut self, client: ClientId, task: TaskId, content: u64, answer: Answer) {
        assert_eq!(content, self.plans[&task.graph].expected[task.index as usize], "the value of {task} is wrong");
        self.report.collected += 1;
        self.client(client).learn(task, answer);
    }
}
