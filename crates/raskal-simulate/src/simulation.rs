//! The world: the real scheduler, model workers and clients, and what goes on between them.
//!
//! Start at [`Simulation::run`]. After every step the scheduler's invariants are looked at; when nothing happens any
//! more, every wanted result has been answered, rightly; when everything was released, nothing is left anywhere.

use crate::agenda::{Agenda, Links};
use crate::client::{Answer, Client};
use crate::node::{Deed, NOBODY, Node, Order, Outcome};
use crate::plan::{Plan, may_fail, value};
use crate::profile::Profile;
use crate::{Report, graphs};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots};
use raskal_types::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Trouble and submissions take place in this time; afterwards a worker that can run everything joins.
const SPAN_US: u64 = 20_000;
/// No simulation of this size has so many happenings unless it runs in a circle.
const HAPPENINGS_MAX: u64 = 200_000;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    FromWorker(WorkerId),
    ToWorker(WorkerId),
    FromClient(ClientId),
    ToClient(ClientId),
}

#[derive(Debug)]
enum Happening {
    /// A message reaches the scheduler.
    Notice(Event),
    /// A client asks again where a result is, having found that `missing` does not have it.
    Locate {
        client: ClientId,
        task: TaskId,
        missing: WorkerId,
    },
    /// A message reaches a worker.
    Ordered(WorkerId, Order),
    /// A message reaches a client.
    Answered(ClientId, TaskId, Answer),
    /// A worker's request for a value reaches the holder.
    Fetched {
        worker: WorkerId,
        value: TaskId,
        holder: WorkerId,
    },
    /// A run ends.
    Ran {
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
        outcome: Outcome,
    },
    /// A client's request for a result reaches the holder.
    Collected {
        client: ClientId,
        task: TaskId,
        holder: WorkerId,
    },
    Join(Slots),
    Crash,
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
    nodes: BTreeMap<WorkerId, Node>,
    clients: BTreeMap<ClientId, Client>,
    plans: BTreeMap<GraphId, Plan>,
    workers_seen: u32,
    crashes: u32,
    report: Report,
}

impl Simulation {
    /// Runs a cluster with the trouble of `profile`, all of it determined by `seed`.
    ///
    /// # Panics
    /// If an invariant of the scheduler breaks, a result is wrong, missing or failed without cause, or anything is left
    /// when everything was released.
    pub fn run(profile: &Profile, seed: u64) -> Report {
        let mut simulation = Simulation::new(*profile, seed);
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
            workers_seen: 0,
            crashes: 0,
            report: Report::default(),
            rng,
        };
        simulation.foresee();
        simulation
    }

    /// Puts down when workers come and go and when clients act.
    fn foresee(&mut self) {
        for _ in 0..self.rng.random_range(0..=4) {
            let at_us = if self.rng.random_bool(0.7) { 0 } else { self.sometime() };
            let slots = self.slots();
            self.agenda.put(at_us, Happening::Join(slots));
        }
        for _ in 0..self.rng.random_range(0..=self.profile.crashes_max) {
            let at_us = self.sometime();
            self.agenda.put(at_us, Happening::Crash);
            if self.rng.random_bool(0.6) {
                let slots = self.slots();
                let after_us = self.rng.random_range(0..2_000);
                self.agenda.put(at_us + after_us, Happening::Join(slots));
            }
        }
        let everything =
            if self.rng.random_bool(0.5) { Slots::Shared(1) } else { Slots::Separate { python: 1, native: 1 } };
        self.agenda.put(SPAN_US, Happening::Join(everything));
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            for _ in 0..self.rng.random_range(1..=self.profile.graphs_max) {
                let at_us = self.sometime();
                self.agenda.put(at_us, Happening::Submit(client));
            }
            if self.rng.random_bool(self.profile.vanishes) {
                let at_us = self.sometime();
                self.agenda.put(at_us, Happening::Vanish(client));
            }
        }
    }

    /// A time in which there may be trouble; more often early, when there is more to disturb.
    fn sometime(&mut self) -> u64 {
        let until_us = if self.rng.random_bool(0.5) { SPAN_US } else { SPAN_US / 10 };
        self.rng.random_range(0..until_us)
    }

    fn slots(&mut self) -> Slots {
        match self.rng.random_range(0..3) {
            0 => Slots::Shared(self.rng.random_range(1..=3)),
            _ => Slots::Separate { python: self.rng.random_range(0..=2), native: self.rng.random_range(0..=2) },
        }
    }

    fn play(&mut self) {
        while let Some(happening) = self.agenda.pop() {
            self.report.happenings += 1;
            assert!(self.report.happenings < HAPPENINGS_MAX, "it never comes to an end");
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Notice(event) => self.step(event),
            Happening::Locate { client, task, missing } => self.locate(client, task, missing),
            Happening::Ordered(worker, order) => self.at_node(worker, |node, deeds| node.obey(order, deeds)),
            Happening::Answered(client, task, answer) => self.answered(client, task, answer),
            Happening::Fetched { worker, value, holder } => {
                let reached = !self.rng.random_bool(self.profile.unreachable);
                let holder = self.nodes.get(&holder).filter(|_| reached);
                let got = holder.and_then(|holder| holder.values.get(&value)).copied();
                self.at_node(worker, |node, deeds| node.fetched(value, got, deeds));
            }
            Happening::Ran { worker, task, attempt, outcome } => self.ran(worker, task, attempt, outcome),
            Happening::Collected { client, task, holder } => self.collected(client, task, holder),
            Happening::Join(slots) => {
                let worker = WorkerId(self.workers_seen);
                self.workers_seen += 1;
                self.nodes.insert(worker, Node::new(worker, slots));
                self.send(Link::FromWorker(worker), Happening::Notice(Event::WorkerJoined { worker, slots }));
            }
            Happening::Crash => {
                let present: Vec<WorkerId> = self.nodes.keys().copied().collect();
                if let Some(&worker) = present.choose(&mut self.rng) {
                    self.crashes += 1;
                    self.nodes.remove(&worker);
                    self.send(Link::FromWorker(worker), Happening::Notice(Event::WorkerLost { worker }));
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

    fn send(&mut self, link: Link, message: Happening) {
        let at_us = self.agenda.now_us() + self.delay_us();
        let at_us = self.links.arrival_us(link, at_us);
        self.agenda.put(at_us, message);
    }

    /// The scheduler takes in an event; what it says is sent off.
    fn step(&mut self, event: Event) {
        self.report.steps += 1;
        let mut instructions = std::mem::take(&mut self.instructions);
        self.scheduler.step(event, &mut instructions);
        self.scheduler.validate();
        for instruction in instructions.drain(..) {
            match instruction {
                Instruction::Run { worker, task, attempt } => {
                    let inputs = self.scheduler.inputs(task);
                    let inputs = inputs.into_iter().map(|input| {
                        let here = input.holders.contains(&worker).then_some(worker);
                        (input.task, here.or(input.holders.choose(&mut self.rng).copied()).unwrap_or(NOBODY))
                    });
                    let order =
                        Order::Run { task, attempt, class: class_of(&self.plans, task), inputs: inputs.collect() };
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, order));
                }
                Instruction::Abandon { worker, task, attempt } => {
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Abandon { task, attempt }));
                }
                Instruction::Free { worker, task } => {
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Free { task }));
                }
                Instruction::Finished { client, task } => self.tell_where(client, task),
                Instruction::Failed { client, task, cause } => {
                    self.send(Link::ToClient(client), Happening::Answered(client, task, Answer::Failed(cause)));
                }
                Instruction::Forget { .. } => self.report.forgotten += 1,
            }
        }
        self.instructions = instructions;
    }

    fn tell_where(&mut self, client: ClientId, task: TaskId) {
        if let Some(&holder) = self.scheduler.holders(task).choose(&mut self.rng) {
            self.send(Link::ToClient(client), Happening::Answered(client, task, Answer::Held(holder)));
        }
    }

    /// A client did not find a result where it was said to be.
    fn locate(&mut self, client: ClientId, task: TaskId, missing: WorkerId) {
        let value = self.scheduler.resolve(task);
        // As for a real holder that is asked: one that answers that it has nothing is taken at its word.
        if self.nodes.get(&missing).is_some_and(|node| !node.values.contains_key(&value)) {
            self.report.phantoms += 1;
            self.step(Event::Dropped { worker: missing, task: value });
        }
        self.tell_where(client, task);
    }

    fn at_node(&mut self, worker: WorkerId, act: impl FnOnce(&mut Node, &mut Vec<Deed>)) {
        let mut deeds = Vec::new();
        if let Some(node) = self.nodes.get_mut(&worker) {
            act(node, &mut deeds);
        }
        for deed in deeds {
            match deed {
                Deed::Report(event) => self.send(Link::FromWorker(worker), Happening::Notice(event)),
                Deed::Fetch { value, holder } => {
                    let at_us = self.agenda.now_us() + self.delay_us();
                    self.agenda.put(at_us, Happening::Fetched { worker, value, holder });
                }
                Deed::Start { task, attempt, inputs } => {
                    let duration_us = self.rng.random_range(0..=self.duration_us_max);
                    let plan = self.plans.get_mut(&task.graph);
                    let raises = plan.is_some_and(|plan| plan.raise(task.index));
                    let outcome = if self.rng.random_bool(self.profile.deaths) {
                        Outcome::Died
                    } else if raises {
                        Outcome::Raised
                    } else {
                        Outcome::Value { value: value(task, &inputs), duration_us: duration_us as u32 }
                    };
                    self.agenda
                        .put(self.agenda.now_us() + duration_us, Happening::Ran { worker, task, attempt, outcome });
                }
            }
        }
    }

    fn ran(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt, outcome: Outcome) {
        let Some(node) = self.nodes.get(&worker) else { return };
        self.report.runs += 1;
        let mut dropped = Vec::new();
        if let Outcome::Died = outcome {
            dropped.extend(node.values.keys().copied().filter(|_| self.rng.random_bool(0.5)));
            if let Some(plan) = self.plans.get_mut(&task.graph) {
                plan.deaths[task.index as usize] += 1;
            }
        }
        let class = class_of(&self.plans, task);
        let stubborn = self.rng.random_bool(0.2);
        self.at_node(worker, |node, deeds| {
            node.lose(&dropped, deeds);
            node.ended(task, attempt, class, outcome, stubborn, deeds);
        });
    }

    fn submit(&mut self, client: ClientId) {
        if self.client(client).vanished {
            return;
        }
        let id = GraphId(self.plans.len() as u32);
        let sources = self.sources(client);
        let Ok((layers, wanted)) = graphs::random(&mut self.rng, sources.len() as u32) else {
            panic!("the simulator drew a graph that is none")
        };
        let imports: Vec<(u32, TaskId)> = (0..).zip(sources).collect();
        let resolved = imports.iter().map(|&(own, source)| (own, self.resolve(source))).collect();
        let layers = Arc::new(layers);
        let mut plan = Plan::new(&mut self.rng, self.profile.raises, id, layers.clone(), resolved, &self.plans);
        let own = &self.clients[&client];
        for &(import, source) in &imports {
            // A stand-in of a graph that was forgotten is missed under its own name.
            let inherited = self.plans[&source.graph].doubtful.get(&source.index).into_iter().flatten().copied();
            let names =
                inherited.chain((!own.wants(source)).then(|| [source, self.resolve(source)]).into_iter().flatten());
            plan.doubtful.insert(import, names.collect());
        }
        self.plans.insert(id, plan);
        let results: BTreeSet<TaskId> = wanted.iter().map(|&index| TaskId { graph: id, index }).collect();
        self.client(client).want(&results);
        self.report.wanted += results.len() as u64;
        self.send(
            Link::FromClient(client),
            Happening::Notice(Event::Submit { graph: id, client, layers, imports, wanted }),
        );
        if self.rng.random_bool(self.profile.impatience) {
            let at_us = self.agenda.now_us() + self.rng.random_range(0..SPAN_US / 4);
            let some = results.into_iter().filter(|_| self.rng.random_bool(0.5)).collect();
            let cancel = self.rng.random_bool(0.3);
            self.agenda
                .put(at_us, if cancel { Happening::Cancel(client, id) } else { Happening::Release(client, some) });
        }
    }

    /// What a new graph imports: results that its client wants, now and then anybody's, or something long released.
    fn sources(&mut self, client: ClientId) -> Vec<TaskId> {
        if !self.rng.random_bool(self.profile.imports) {
            return Vec::new();
        }
        let mut sources: Vec<TaskId> = Vec::new();
        for _ in 0..self.rng.random_range(1..=3) {
            let own: Vec<TaskId> = self.clients[&client].wanted().collect();
            sources.extend(own.choose(&mut self.rng));
            if self.rng.random_bool(0.15)
                && let Some((&graph, plan)) = self.plans.iter().nth(self.rng.random_range(0..=self.plans.len()))
            {
                sources.push(TaskId { graph, index: self.rng.random_range(0..plan.layers.task_count()) });
            }
        }
        sources
    }

    fn resolve(&self, task: TaskId) -> TaskId {
        // Imports of a plan are resolved already, so that one look is enough.
        self.plans[&task.graph].imports.get(&task.index).copied().unwrap_or(task)
    }

    fn answered(&mut self, client: ClientId, task: TaskId, answer: Answer) {
        if !self.client(client).wants(task) {
            return;
        }
        match answer {
            Answer::Held(holder) => {
                let at_us = self.agenda.now_us() + self.delay_us();
                self.agenda.put(at_us, Happening::Collected { client, task, holder });
            }
            Answer::Failed(cause) => {
                let allowed = may_fail(&self.plans, self.crashes, task, cause);
                assert!(allowed, "{task} failed by {cause:?}, but nothing of the kind happened");
                self.report.failed += 1;
                self.client(client).learn(task, answer);
            }
            Answer::None => {}
        }
    }

    /// A client asks a holder for a result.
    fn collected(&mut self, client: ClientId, task: TaskId, holder: WorkerId) {
        if !self.client(client).wants(task) {
            return;
        }
        let source = self.resolve(task);
        match self.nodes.get(&holder).and_then(|node| node.values.get(&source)) {
            Some(&got) => {
                assert_eq!(got, self.plans[&task.graph].expected[task.index as usize], "the value of {task} is wrong");
                self.report.collected += 1;
                self.client(client).learn(task, Answer::Held(holder));
            }
            None => self.send(Link::FromClient(client), Happening::Locate { client, task, missing: holder }),
        }
    }

    /// Nothing happens any more: all is answered, and everybody's view of who holds what is the same.
    fn check_answers(&mut self) {
        for (id, client) in &self.clients {
            for (task, answer) in client.answers() {
                assert!(answer != Answer::None, "client {id} never hears of {task}");
                if let Answer::Held(_) = answer {
                    let holders = self.scheduler.holders(task);
                    assert!(!holders.is_empty(), "{task} was there, and nobody holds it now");
                }
            }
        }
        for (&id, node) in &self.nodes {
            assert!(node.is_idle(), "worker {id} is not done");
            assert_eq!(self.scheduler.load(id).0, 0, "worker {id} is thought to have tasks");
            for &task in node.values.keys() {
                assert!(self.scheduler.holders(task).contains(&id), "worker {id} holds {task}, and nobody knows");
            }
            self.report.phantoms += (self.scheduler.load(id).1 - node.values.len()) as u64;
        }
    }

    fn release_the_rest(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            let wanted: Vec<TaskId> = self.clients[&client].wanted().collect();
            for task in wanted {
                let at_us = self.agenda.now_us() + self.rng.random_range(0..1_000);
                self.agenda.put(at_us, Happening::Release(client, vec![task]));
            }
        }
    }

    fn check_nothing_is_left(&self) {
        for (id, node) in &self.nodes {
            assert!(node.is_idle(), "worker {id} is not done");
            assert!(node.values.is_empty(), "worker {id} still holds {:?}", node.values.keys());
            assert_eq!(self.scheduler.load(*id), (0, 0, 0), "the load of worker {id}");
        }
        let left: Vec<_> = self.scheduler.graphs().collect();
        assert!(left.is_empty(), "graphs (and clients) that nobody wants anything of: {left:?}");
        assert_eq!(self.report.forgotten, self.plans.len() as u64, "graphs forgotten");
    }
}

fn class_of(plans: &BTreeMap<GraphId, Plan>, task: TaskId) -> SlotClass {
    let layers = &plans[&task.graph].layers;
    layers.layer(layers.locate(task.index).0).class
}
