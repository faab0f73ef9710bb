//! Orders of clients that take a while: copies, moves, workers that leave, restarts.
//!
//! Start at [`Core::order`]. An order is answered when all that it waits for has happened, or can't any more.

use crate::core::Core;
use raskal_proto::client::{Answer, Question, WorkerInfo};
use raskal_proto::{ToClient, ToWorker};
use raskal_scheduler::{Event, Instruction};
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use std::collections::BTreeSet;

/// An order that was not answered yet.
pub(crate) struct Pending {
    client: ClientId,
    request: u32,
    copies: BTreeSet<(TaskId, WorkerId)>,
    leaving: BTreeSet<WorkerId>,
    left: Vec<WorkerInfo>,
    restarting: BTreeSet<WorkerId>,
    retires: bool,
}

impl Pending {
    fn new(client: ClientId, request: u32) -> Pending {
        let (copies, leaving, restarting) = Default::default();
        Pending { client, request, copies, leaving, left: Vec::new(), restarting, retires: false }
    }

    fn is_done(&self) -> bool {
        self.copies.is_empty() && self.leaving.is_empty() && self.restarting.is_empty()
    }
}

impl Core {
    /// Carries out an order; gives a question back that is none.
    pub(crate) fn order(&mut self, client: ClientId, request: u32, question: Question) -> Option<Question> {
        let mut pending = Pending::new(client, request);
        let event = match question {
            Question::Replicate { tasks, copies, workers } => {
                let among = match self.find_workers(&workers) {
                    Ok(among) => among,
                    Err(refused) => return self.refuse(client, request, refused),
                };
                let copies = if copies == 0 { usize::MAX } else { copies as usize };
                Event::Replicate { tasks, copies, among }
            }
            Question::Rebalance { tasks, workers } => match self.find_workers(&workers) {
                Ok(among) => Event::Rebalance { tasks, among },
                Err(refused) => return self.refuse(client, request, refused),
            },
            Question::Retire { workers, close } => match self.find_workers(&workers) {
                Ok(workers) => {
                    pending.retires = true;
                    pending.leaving = workers.iter().copied().collect();
                    self.staying.retain(|worker| !workers.contains(worker));
                    if !close {
                        self.staying.extend(workers.iter().copied());
                    }
                    Event::Retire { workers }
                }
                Err(refused) => return self.refuse(client, request, refused),
            },
            Question::Restart => {
                pending.restarting = self.tables.workers.keys().copied().collect();
                self.restart();
                self.pending.push(pending);
                self.settle_orders();
                return None;
            }
            other => return Some(other),
        };
        let mut out = Vec::new();
        self.scheduler.step(event, &mut out);
        for instruction in &out {
            match *instruction {
                Instruction::Copy { worker, task, .. } => _ = pending.copies.insert((task, worker)),
                Instruction::Stays { worker } => _ = pending.leaving.remove(&worker),
                _ => {}
            }
        }
        if pending.retires {
            // Copies are the scheduler's own affair here: it may choose others.
            pending.copies.clear();
        }
        self.pending.push(pending);
        self.deliver(&mut out);
        self.settle_orders();
        None
    }

    fn refuse(&mut self, client: ClientId, request: u32, why: String) -> Option<Question> {
        self.tables.tell_client(client, ToClient::Answer { request, answer: Answer::Refused(why) });
        None
    }

    /// The workers of these names or addresses.
    fn find_workers(&self, names: &[String]) -> Result<Vec<WorkerId>, String> {
        let mut found = Vec::new();
        for name in names {
            let before = found.len();
            let called = |info: &WorkerInfo| crate::core::labels(info).contains(name);
            found.extend(
                self.tables.workers.values().filter(|worker| called(&worker.info)).map(|worker| worker.info.worker),
            );
            if found.len() == before {
                let there: Vec<&str> = self.tables.workers.values().map(|worker| worker.info.name.as_str()).collect();
                return Err(format!(
                    "no worker is called '{name}'\nhint: there are {}; addresses will do as well",
                    there.join(", ")
                ));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn restart(&mut self) {
        let graphs: Vec<GraphId> = self.scheduler.graphs().map(|(graph, _)| graph).collect();
        for graph in graphs {
            self.step(Event::Cancel { graph });
        }
        for client in self.tables.clients.values_mut() {
            client.outbox.say(ToClient::Restarted);
        }
        for worker in self.tables.workers.values_mut() {
            worker.outbox.say(ToWorker::Restart);
        }
    }

    /// A copy that may have been ordered was made, or can't be.
    pub(crate) fn copy_settled(&mut self, worker: WorkerId, task: TaskId) {
        if self.pending.is_empty() {
            return;
        }
        for pending in &mut self.pending {
            pending.copies.remove(&(task, worker));
        }
        self.settle_orders();
    }

    /// A worker is about to leave, is gone, or can't leave.
    pub(crate) fn worker_settled(&mut self, worker: WorkerId, left: bool) {
        let info = self.tables.workers.get(&worker).map(|worker| worker.info.clone());
        for pending in &mut self.pending {
            if pending.leaving.remove(&worker) && left {
                pending.left.extend(info.clone());
            }
            pending.restarting.remove(&worker);
            pending.copies.retain(|&(_, holder)| holder != worker);
        }
        self.settle_orders();
    }

    /// A worker that is to leave holds nothing any more.
    pub(crate) fn retired(&mut self, worker: WorkerId) {
        let reason = "it was asked to leave, and all that it held is elsewhere".to_owned();
        if self.staying.remove(&worker) {
            self.worker_settled(worker, true);
            return;
        }
        self.tables.tell_worker(worker, ToWorker::Leave { reason });
        self.worker_settled(worker, true);
    }

    fn settle_orders(&mut self) {
        for at in (0..self.pending.len()).rev() {
            if self.pending[at].is_done() {
                let Pending { client, request, left, retires, .. } = self.pending.swap_remove(at);
                let answer = if retires { Answer::Retired(left) } else { Answer::Done };
                self.tables.tell_client(client, ToClient::Answer { request, answer });
            }
        }
    }
}
