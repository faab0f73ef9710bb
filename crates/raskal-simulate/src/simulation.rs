//! The world: the real scheduler, model workers and clients, and what goes on between them.
//!
//! Start at [`Simulation::run`]; `foresee`, `trouble` and `submit` bring trouble and work, `checks` looks at the end. After every
//! step the scheduler's invariants are looked at; when nothing happens any more, every wanted result has been answered,
//! rightly; when everything was released, nothing is left anywhere.

mod checks;
mod foresee;
mod submit;
mod trouble;

use crate::Report;
use crate::agenda::{Agenda, Links};
use crate::client::{Answer, Client};
use crate::node::{Deed, NOBODY, Node, Order, Outcome};
use crate::plan::{Plan, may_fail, value};
use crate::profile::Profile;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
use raskal_types::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};
use std::collections::BTreeMap;
use trouble::{Rejoining, Trouble};

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
    Join(Slots, Traits),
    Crash,
    Trouble(Trouble),
    /// A worker is back that was there before.
    Rejoined(Box<Rejoining>),
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
    /// Workers that came back under another number.
    renamed: BTreeMap<WorkerId, WorkerId>,
    /// What a journal would hold.
    submissions: BTreeMap<GraphId, Event>,
    /// Whether the scheduler gives nothing out.
    holding: bool,
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
            renamed: BTreeMap::new(),
            submissions: BTreeMap::new(),
            holding: false,
            crashes: 0,
            report: Report::default(),
            rng,
        };
        simulation.foresee();
        simulation.foresee_trouble();
        simulation
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
            // Said on a connection that has broken since.
            Happening::Notice(Event::WorkerJoined { worker, .. }) if self.renamed.contains_key(&worker) => {}
            Happening::Notice(event) => self.step(event),
            Happening::Locate { client, task, missing } => self.locate(client, task, missing),
            Happening::Ordered(worker, Order::Leave) => self.left(worker),
            Happening::Trouble(trouble) => self.trouble(trouble),
            Happening::Rejoined(rejoining) => self.rejoined(*rejoining),
            Happening::Ordered(worker, order) => {
                self.at_node(worker, |node, deeds| node.obey(order, deeds));
                self.check_demands(worker);
            }
            Happening::Answered(client, task, answer) => self.answered(client, task, answer),
            Happening::Fetched { worker, value, holder } => {
                let reached = !self.rng.random_bool(self.profile.unreachable);
                let holder = self.nodes.get(&holder).filter(|_| reached);
                let got = holder.and_then(|holder| holder.values.get(&value)).copied();
                let worker = self.current(worker);
                self.at_node(worker, |node, deeds| node.fetched(value, got, deeds));
            }
            Happening::Ran { worker, task, attempt, outcome } => self.ran(worker, task, attempt, outcome),
            Happening::Collected { client, task, holder } => self.collected(client, task, holder),
            Happening::Join(slots, traits) => {
                let worker = WorkerId(self.workers_seen);
                self.workers_seen += 1;
                self.nodes.insert(worker, Node::new(worker, slots, traits.clone()));
                self.send(Link::FromWorker(worker), Happening::Notice(Event::WorkerJoined { worker, slots, traits }));
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
        match &event {
            Event::Hold { hold } => self.holding = *hold,
            Event::Submit { graph, .. } => _ = self.submissions.insert(*graph, event.clone()),
            _ => {}
        }
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
                Instruction::Retract { worker, task, attempt } => {
                    self.report.retracted += 1;
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Retract { task, attempt }));
                }
                Instruction::Free { worker, task } => {
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Free { task }));
                }
                Instruction::Finished { client, task } => self.tell_where(client, task),
                Instruction::Failed { client, task, cause } => {
                    self.send(Link::ToClient(client), Happening::Answered(client, task, Answer::Failed(cause)));
                }
                Instruction::Copy { worker, task, from } => self.order_copy(worker, task, from),
                Instruction::Retired { worker } => {
                    self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Leave));
                }
                Instruction::Stays { .. } => {}
                Instruction::Forget { .. } => self.report.forgotten += 1,
            }
        }
        self.instructions = instructions;
    }

    pub(crate) fn tell_where(&mut self, client: ClientId, task: TaskId) {
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
        let worker = self.current(worker);
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
        if self.client(client).has_failed(task) {
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
}

fn class_of(plans: &BTreeMap<GraphId, Plan>, task: TaskId) -> SlotClass {
    let layers = &plans[&task.graph].layers;
    layers.layer(layers.locate(task.index).0).class
}
