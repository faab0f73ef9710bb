//! What holds when nothing happens any more: before the last results are released, and after.

use super::{Happening, Simulation};
use crate::client::Answer;
use crate::message::NodeId;
use rand::RngExt;
use raskal_types::TaskId;
use std::collections::BTreeMap;

impl Simulation {
    /// A worker was given only what it may run, and no more than it has of what that takes.
    pub(super) fn check_demands(&self, id: NodeId) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.traits.anything) else { return };
        let mut taken = 0.0;
        for task in node.given() {
            let asked = self.plans[&task.graph].layers.annotations(task.index);
            let named = asked.workers.iter().any(|name| node.traits.labels.contains(name));
            let free = asked.workers.is_empty() || asked.allow_other_workers;
            assert!(named || free, "node {id:?} was given {task}, which is for {:?}", asked.workers);
            taken += asked.resources.iter().map(|(_, amount)| amount).sum::<f64>();
        }
        let own = node.traits.resources.first().map_or(0.0, |(_, amount)| *amount);
        let given = node.given();
        assert!(taken <= own + 1e-6, "node {id:?} has {own}, and its tasks take {taken}: {given:?}");
    }

    /// Nothing happens any more: all is answered, and everybody's view of who holds what is the same.
    pub(super) fn check_answers(&mut self) {
        for (id, client) in &self.clients {
            for (task, answer) in client.answers() {
                assert!(answer != Answer::None, "client {id} never hears of {task}");
                if let Answer::Held(_) | Answer::Given(_) = answer {
                    let holders = self.scheduler.holders(task);
                    assert!(!holders.is_empty(), "{task} was there, and nobody holds it now");
                }
            }
        }
        let connected = self.nodes.iter().filter_map(|(&id, node)| Some((node.connection?, id)));
        assert_eq!(self.present, connected.collect::<BTreeMap<_, _>>(), "who is there");
        for (id, node) in &self.nodes {
            assert!(node.is_idle(), "node {id:?} is not done");
            node.check_places();
            let worker = node.connection.unwrap_or_default();
            assert_eq!(self.scheduler.load(worker).0, 0, "worker {worker} is thought to have tasks");
            let held = node.held();
            for &task in &held {
                assert!(self.scheduler.holders(task).contains(&worker), "{worker} holds {task}, and nobody knows");
            }
            assert_eq!(self.scheduler.load(worker).1, held.len(), "values thought to be at worker {worker}: {held:?}");
        }
    }

    pub(super) fn release_the_rest(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            let wanted: Vec<TaskId> = self.clients[&client].wanted().collect();
            for task in wanted {
                let at_us = self.agenda.now_us() + self.rng.random_range(0..1_000);
                self.agenda.put(at_us, Happening::Release(client, vec![task]));
            }
        }
    }

    pub(super) fn check_nothing_is_left(&self) {
        for (id, node) in &self.nodes {
            assert!(node.is_idle(), "node {id:?} is not done");
            node.check_places();
            assert!(node.held().is_empty(), "node {id:?} still holds {:?}", node.held());
            let worker = node.connection.unwrap_or_default();
            assert_eq!(self.scheduler.load(worker), (0, 0, 0), "the load of worker {worker}");
        }
        let left: Vec<_> = self.scheduler.graphs().collect();
        assert!(left.is_empty(), "graphs (and clients) that nobody wants anything of: {left:?}");
        assert!(self.small.is_empty(), "small values of graphs that are gone: {:?}", self.small);
        assert!(
            self.plans.keys().all(|graph| self.forgotten.contains(graph)),
            "graphs forgotten: {:?}",
            self.forgotten
        );
    }
}
