//! What holds when nothing happens any more: before the last results are released, and after.

use super::{Happening, Simulation};
use crate::client::Answer;
use rand::RngExt;
use raskal_types::{TaskId, WorkerId};

impl Simulation {
    /// A worker was given only what it may run, and no more than it has of what that takes.
    pub(super) fn check_demands(&self, worker: WorkerId) {
        let Some(node) = self.nodes.get(&worker).filter(|node| !node.traits.anything) else { return };
        let mut taken = 0.0;
        for task in node.given() {
            let asked = self.plans[&task.graph].layers.annotations(task.index);
            let named = asked.workers.iter().any(|name| node.traits.labels.contains(name));
            let free = asked.workers.is_empty() || asked.allow_other_workers;
            assert!(named || free, "worker {worker} was given {task}, which is for {:?}", asked.workers);
            taken += asked.resources.iter().map(|(_, amount)| amount).sum::<f64>();
        }
        let own = node.traits.resources.first().map_or(0.0, |(_, amount)| *amount);
        assert!(taken <= own + 1e-6, "worker {worker} has {own}, and its tasks take {taken}");
    }

    /// Nothing happens any more: all is answered, and everybody's view of who holds what is the same.
    pub(super) fn check_answers(&mut self) {
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
            assert!(node.is_idle(), "worker {id} is not done");
            assert!(node.values.is_empty(), "worker {id} still holds {:?}", node.values.keys());
            assert_eq!(self.scheduler.load(*id), (0, 0, 0), "the load of worker {id}");
        }
        let left: Vec<_> = self.scheduler.graphs().collect();
        assert!(left.is_empty(), "graphs (and clients) that nobody wants anything of: {left:?}");
        assert_eq!(self.report.forgotten, self.plans.len() as u64, "graphs forgotten");
    }
}
