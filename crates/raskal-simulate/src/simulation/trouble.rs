//! Connections that break, nodes that hang, schedulers that are started again, memory that is short, and orders about where
//! values are kept.

use super::{Happening, Link, SPAN_US, Simulation};
use crate::client::Answer;
use crate::message::{AtNode, NodeId, Word};
use rand::RngExt;
use rand::seq::IndexedRandom;
use raskal_scheduler::{Event, Scheduler};
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use raskal_worker::ExecutorId;
use std::collections::BTreeSet;

/// The scheduler counts a worker as lost that was silent for so long.
const TIMEOUT_US: u64 = 2_000;

/// Trouble of these kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The connection of some worker breaks.
    Break,
    /// A node stops for a while, or the network between it and the scheduler does.
    Hang,
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
    /// Memory is short at some node: a value leaves the executors.
    Evict,
    /// A value in some node's store can't be read.
    Damage,
    /// An executor process is killed.
    Kill,
    /// A task steps aside, or is back.
    Aside,
    /// A worker that hangs counts as lost.
    Silent(WorkerId),
}

impl Simulation {
    /// Puts down when connections break and orders come.
    pub(super) fn foresee_trouble(&mut self) {
        for (count, trouble) in [
            (self.profile.breaks_max, Trouble::Break),
            (self.profile.hangs_max, Trouble::Hang),
            (self.profile.damages_max, Trouble::Damage),
            (self.profile.damages_max, Trouble::Evict),
            (self.profile.crashes_max.min(3), Trouble::Kill),
            (self.profile.crashes_max.min(2), Trouble::Aside),
            (self.profile.restarts_max, Trouble::Restart),
        ] {
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
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        let someone = nodes.choose(&mut self.rng).copied();
        let present: Vec<WorkerId> = self.present.keys().copied().collect();
        match (trouble, someone) {
            (Trouble::Break, Some(node)) => self.cut_off(node),
            (Trouble::Hang, Some(node)) => self.hang(node),
            (Trouble::Restart, _) => self.restart(),
            (Trouble::Resume, _) => {
                self.expecting = false;
                self.step(Event::Hold { hold: false });
            }
            (Trouble::Silent(connection), _) => self.silent(connection),
            (Trouble::Recall(client), _) => self.recall(client),
            (Trouble::Retire, _) => {
                let count = self.rng.random_range(1..=2);
                let workers = present.sample(&mut self.rng, count).copied().collect();
                self.step(Event::Retire { workers });
            }
            (Trouble::Replicate, _) => {
                let known: Vec<GraphId> = self.scheduler.graphs().map(|(graph, _)| graph).collect();
                let tasks = known.choose(&mut self.rng).map(|&graph| self.scheduler.wanted(graph)).unwrap_or_default();
                let copies = self.rng.random_range(1..=3);
                self.step(Event::Replicate { tasks, copies, among: vec![] });
            }
            (Trouble::Rebalance, _) => self.step(Event::Rebalance { tasks: vec![], among: vec![] }),
            (Trouble::Tidy, _) => self.step(Event::Tidy),
            (Trouble::Strain, Some(node)) => {
                let strained = self.rng.random_bool(0.6);
                if let Some(connection) = self.nodes.get(&node).and_then(|node| node.connection) {
                    let word = Word::Strained { strained };
                    self.send(Link::FromWorker(connection), Happening::Said { connection, word });
                }
            }
            (Trouble::Evict, Some(id)) => {
                let mut deeds = Vec::new();
                self.nodes.entry(id).and_modify(|node| node.evict(&mut deeds));
                self.carry_out(id, deeds);
            }
            (Trouble::Damage, Some(node)) => {
                let nth = self.rng.random_range(0..100);
                self.nodes.entry(node).and_modify(|node| node.damage(nth));
            }
            (Trouble::Kill, Some(id)) => {
                if let Some(executor) = self.some_process(id) {
                    let mut deeds = Vec::new();
                    self.nodes.entry(id).and_modify(|node| node.kill(executor, &mut deeds));
                    self.carry_out(id, deeds);
                }
            }
            (Trouble::Aside, Some(id)) => {
                if let Some(executor) = self.some_process(id) {
                    let now_us = self.agenda.now_us();
                    let back_us = now_us + self.rng.random_range(1..2_000);
                    for (at_us, change) in [(now_us, 1), (back_us, -1)] {
                        self.agenda.put(at_us, Happening::Node(id, AtNode::Aside { executor, change }));
                    }
                }
            }
            _ => {}
        }
    }

    fn some_process(&mut self, id: NodeId) -> Option<ExecutorId> {
        let processes: Vec<ExecutorId> = self.nodes.get(&id)?.processes.keys().copied().collect();
        processes.choose(&mut self.rng).copied()
    }

    /// The connection of a node breaks, and both sides find out in their time.
    fn cut_off(&mut self, node: NodeId) {
        if let Some(connection) = self.nodes.get(&node).and_then(|node| node.connection) {
            self.crashes += 1;
            self.break_connection(connection);
            self.disconnect(node, connection);
        }
    }

    fn disconnect(&mut self, node: NodeId, connection: WorkerId) {
        self.send(Link::ToWorker(connection), Happening::Node(node, AtNode::Disconnected { connection }));
    }

    /// A node stops, with all its processes; or only the network to the scheduler does. If that takes long, the scheduler
    /// counts the worker as lost, and the node finds its connection closed when it goes on.
    fn hang(&mut self, id: NodeId) {
        let Some(connection) = self.nodes.get(&id).and_then(|node| node.connection) else { return };
        let lasts_us = self.rng.random_range(1..3 * TIMEOUT_US);
        let until_us = self.agenda.now_us() + lasts_us;
        if self.rng.random_bool(0.5) {
            self.nodes.entry(id).and_modify(|node| node.hangs_until_us = until_us);
        } else {
            self.links.hold(Link::ToWorker(connection), until_us);
        }
        self.links.hold(Link::FromWorker(connection), until_us);
        if lasts_us > TIMEOUT_US {
            let late_us = self.agenda.now_us() + TIMEOUT_US;
            self.agenda.put(late_us, Happening::Trouble(Trouble::Silent(connection)));
        }
    }

    /// A worker was silent for too long: if it lives, it finds its connection closed, and comes back with what it has.
    fn silent(&mut self, connection: WorkerId) {
        if let Some(&node) = self.present.get(&connection) {
            self.crashes += 1;
            self.worker_gone(connection);
            self.disconnect(node, connection);
        }
    }

    /// The scheduler is killed; the next one knows what a journal would tell it.
    fn restart(&mut self) {
        self.report.restarts += 1;
        let live: Vec<GraphId> = self.scheduler.graphs().map(|(graph, _)| graph).collect();
        let wanted: BTreeSet<TaskId> = live.iter().flat_map(|&graph| self.scheduler.wanted(graph)).collect();
        // And those that they import from, since what a stand-in stands for is told by its own graph.
        let mut needed: BTreeSet<GraphId> = live.into_iter().collect();
        for (&graph, submitted) in self.submissions.iter().rev() {
            if let (true, Event::Submit { imports, .. }) = (needed.contains(&graph), submitted) {
                needed.extend(imports.iter().map(|(_, source)| source.graph));
            }
        }
        self.scheduler = Scheduler::new();
        self.present.clear();
        self.small.clear();
        self.first_connection = self.connections_seen;
        self.expecting = true;
        self.step(Event::Hold { hold: true });
        // All before any is released: what others import is kept for them.
        let mut released = Vec::new();
        for graph in needed {
            let Some(submitted) = self.submissions.get(&graph).cloned() else { continue };
            let Event::Submit { wanted: ref first, .. } = submitted else { continue };
            let unwanted: BTreeSet<TaskId> = first.iter().map(|&index| TaskId { graph, index }).collect();
            self.step(submitted);
            released.extend(unwanted.difference(&wanted).copied());
        }
        self.step(Event::Release { tasks: released });
        for (id, connection) in self.nodes.iter().map(|(&id, node)| (id, node.connection)).collect::<Vec<_>>() {
            if let Some(connection) = connection {
                self.disconnect(id, connection);
            }
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

    /// A worker was let go: it ends.
    pub(super) fn left(&mut self, id: NodeId) {
        let given = self.nodes.get(&id).map(|node| node.given()).unwrap_or_default();
        assert!(given.is_empty(), "node {id:?} was sent away with {given:?}");
        self.report.retired += 1;
        self.end_node(id);
    }
}
