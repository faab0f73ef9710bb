//! Connections that break, schedulers that are started again, and orders about where values are kept.

use super::{Happening, Link, SPAN_US, Simulation};
use crate::client::Answer;
use crate::node::Order;
use rand::RngExt;
use rand::seq::IndexedRandom;
use raskal_scheduler::{Event, Scheduler, Slots, Traits};
use raskal_types::{Attempt, ClientId, GraphId, TaskId, WorkerId};
use std::collections::BTreeSet;

/// What a worker tells that was there before.
#[derive(Debug)]
pub(super) struct Rejoining {
    pub(super) before: WorkerId,
    pub(super) worker: WorkerId,
    slots: Slots,
    traits: Traits,
    values: Vec<TaskId>,
    running: Vec<(TaskId, Attempt)>,
}

/// Trouble of these kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The connection of some worker breaks.
    Break,
    /// The scheduler is killed and started again.
    Restart,
    /// Work is given out again after a restart.
    Resume,
    /// A client hears again how its results stand.
    Recall(ClientId),
    Retire,
    Replicate,
    Rebalance,
    Tidy,
    /// The memory of some worker is short, or no longer.
    Strain,
}

impl Simulation {
    /// Puts down when connections break and orders come.
    pub(super) fn foresee_trouble(&mut self) {
        for (count, trouble) in
            [(self.profile.breaks_max, Trouble::Break), (self.profile.restarts_max, Trouble::Restart)]
        {
            for _ in 0..self.rng.random_range(0..=count) {
                let at_us = self.rng.random_range(0..SPAN_US);
                self.agenda.put(at_us, Happening::Trouble(trouble));
            }
        }
        for trouble in [Trouble::Retire, Trouble::Replicate, Trouble::Rebalance, Trouble::Tidy, Trouble::Strain] {
            while self.rng.random_bool(self.profile.custody) {
                let at_us = self.rng.random_range(0..SPAN_US);
                self.agenda.put(at_us, Happening::Trouble(trouble));
            }
        }
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let present: Vec<WorkerId> = self.nodes.keys().copied().collect();
        let someone = present.choose(&mut self.rng).copied();
        match trouble {
            Trouble::Break => {
                if let Some(worker) = someone {
                    self.crashes += 1;
                    self.come_back(worker);
                    let lost = Happening::Notice(Event::WorkerLost { worker });
                    // In order with what it said before, or with the last of that lost.
                    match self.rng.random_bool(0.5) {
                        true => self.send(Link::FromWorker(worker), lost),
                        false => self.agenda.put(self.agenda.now_us() + 1, lost),
                    }
                }
            }
            Trouble::Restart => self.restart(),
            Trouble::Resume => self.step(Event::Hold { hold: false }),
            Trouble::Recall(client) => self.recall(client),
            Trouble::Retire => {
                let count = self.rng.random_range(1..=2);
                let workers = present.sample(&mut self.rng, count).copied().collect();
                self.step(Event::Retire { workers });
            }
            Trouble::Replicate => {
                let known: Vec<GraphId> = self.scheduler.graphs().map(|(graph, _)| graph).collect();
                let tasks = known.choose(&mut self.rng).map(|&graph| self.scheduler.wanted(graph)).unwrap_or_default();
                let copies = self.rng.random_range(1..=3);
                self.step(Event::Replicate { tasks, copies, among: vec![] });
            }
            Trouble::Rebalance => self.step(Event::Rebalance { tasks: vec![], among: vec![] }),
            Trouble::Tidy => self.step(Event::Tidy),
            Trouble::Strain => {
                if let Some(worker) = someone {
                    let strained = self.rng.random_bool(0.6);
                    self.send(Link::FromWorker(worker), Happening::Notice(Event::Strained { worker, strained }));
                }
            }
        }
    }

    /// A worker gets another number, and tells what it has.
    fn come_back(&mut self, before: WorkerId) {
        let Some(mut node) = self.nodes.remove(&before) else { return };
        let worker = WorkerId(self.workers_seen);
        self.workers_seen += 1;
        node.rename(worker);
        self.renamed.insert(before, worker);
        let rejoining = Rejoining {
            before,
            worker,
            slots: node.slots,
            traits: node.traits.clone(),
            values: node.values.keys().copied().collect(),
            running: node.given_runs(),
        };
        self.nodes.insert(worker, node);
        self.send(Link::FromWorker(worker), Happening::Rejoined(Box::new(rejoining)));
    }

    pub(super) fn rejoined(&mut self, rejoining: Rejoining) {
        let Rejoining { before, worker, slots, traits, values, running } = rejoining;
        if self.renamed.contains_key(&worker) {
            // Said on a connection that has broken since.
            return;
        }
        let held = self.holding;
        self.step(Event::Hold { hold: true });
        self.step(Event::WorkerLost { worker: before });
        self.step(Event::WorkerJoined { worker, slots, traits });
        self.report.rejoined += 1;
        for task in values {
            self.step(Event::Adopted { worker, task, size_bytes: 1_000 });
        }
        for (task, attempt) in running {
            self.step(Event::AdoptedRun { worker, task, attempt });
        }
        if !held {
            self.step(Event::Hold { hold: false });
        }
    }

    /// The scheduler is killed; the next one knows what a journal would tell it.
    fn restart(&mut self) {
        self.report.restarts += 1;
        let live: Vec<GraphId> = self.scheduler.graphs().map(|(graph, _)| graph).collect();
        let wanted: BTreeSet<TaskId> = live.iter().flat_map(|&graph| self.scheduler.wanted(graph)).collect();
        self.scheduler = Scheduler::new();
        self.step(Event::Hold { hold: true });
        // All before any is released: what others import is kept for them.
        let mut released = Vec::new();
        for graph in live {
            let Some(submitted) = self.submissions.get(&graph).cloned() else { continue };
            let Event::Submit { wanted: ref first, .. } = submitted else { continue };
            let unwanted: BTreeSet<TaskId> = first.iter().map(|&index| TaskId { graph, index }).collect();
            self.step(submitted);
            released.extend(unwanted.difference(&wanted).copied());
        }
        self.step(Event::Release { tasks: released });
        for worker in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.come_back(worker);
        }
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.send(Link::FromClient(client), Happening::Trouble(Trouble::Recall(client)));
        }
        let after_us = self.rng.random_range(0..3_000);
        self.agenda.put(self.agenda.now_us() + after_us, Happening::Trouble(Trouble::Resume));
    }

    /// A client names what it wants, and hears how that stands. What failed is tried again; those who build on it hear of
    /// that, the client itself does not.
    fn recall(&mut self, client: ClientId) {
        let open: Vec<TaskId> = self.client(client).wanted().collect();
        for task in open {
            match self.scheduler.cause(task) {
                Some(cause) => {
                    self.send(Link::ToClient(client), Happening::Answered(client, task, Answer::Failed(cause)));
                }
                None => self.tell_where(client, task),
            }
        }
    }

    /// A worker was let go: it ends, unless it died meanwhile.
    pub(super) fn left(&mut self, worker: WorkerId) {
        if let Some(node) = self.nodes.remove(&worker) {
            assert_eq!(node.given().count(), 0, "worker {worker} was sent away with tasks");
            self.report.retired += 1;
            self.send(Link::FromWorker(worker), Happening::Notice(Event::WorkerLost { worker }));
        }
    }

    /// Sends a worker what the scheduler says of values.
    pub(super) fn order_copy(&mut self, worker: WorkerId, task: TaskId, from: WorkerId) {
        self.send(Link::ToWorker(worker), Happening::Ordered(worker, Order::Copy { task, from }));
    }

    /// The number that a worker has now.
    pub(super) fn current(&self, mut worker: WorkerId) -> WorkerId {
        while let Some(&next) = self.renamed.get(&worker) {
            worker = next;
        }
        worker
    }
}
