//! The scheduler's process: what workers say becomes events, instructions become what is said to workers and clients.
//!
//! Start at [`Simulation::said`]. A model of `raskal-server`, which has sockets and clocks, of what matters to the machines.

use super::{Happening, Link, Simulation};
use crate::client::Answer;
use crate::message::{AtNode, InputFrom, Inventory, Order, Shape, Word};
use rand::seq::IndexedRandom;
use raskal_scheduler::{Event, Instruction, Traits};
use raskal_types::{Attempt, ClientId, TaskId, WorkerId};

/// The worker that is nowhere: who is named for an input that had no holder.
const NOBODY: WorkerId = WorkerId(u32::MAX);

impl Simulation {
    pub(super) fn said(&mut self, worker: WorkerId, word: Word) {
        if worker.0 < self.first_connection {
            return;
        }
        if let Word::Hello { shape, traits, inventory } = word {
            return self.greet(worker, shape, traits, inventory);
        }
        if !self.present.contains_key(&worker) || self.cut.contains(&worker) {
            return;
        }
        match word {
            Word::Hello { .. } => {}
            Word::Finished { task, attempt, size_bytes, duration_us, inline } => {
                if self.scheduler.graph(task.graph).is_none() {
                    self.tell(worker, Order::Free { task });
                    return;
                }
                self.hold(task, inline);
                self.step(Event::Finished { worker, task, attempt, size_bytes, duration_us });
                if self.scheduler.holders(task).is_empty() {
                    self.small.remove(&task);
                }
            }
            Word::Failed { task, attempt, died } => self.step(Event::Failed { worker, task, attempt, died }),
            Word::Retracted { task, attempt } => self.step(Event::Retracted { worker, task, attempt }),
            Word::Retained { task, attempt } => self.step(Event::Retained { worker, task, attempt }),
            Word::Missing { task, attempt, input, holder } => {
                self.step(Event::InputMissing { worker, task, attempt, input, holder });
            }
            Word::Copied { task } => self.step(Event::Copied { worker, task }),
            Word::NotCopied { task } => self.step(Event::CopyFailed { worker, task }),
            Word::Dropped { task } => self.step(Event::Dropped { worker, task }),
            Word::Strained { strained } => self.step(Event::Strained { worker, strained }),
            Word::Slots { python } => self.step(Event::WorkerSlots { worker, python }),
        }
    }

    fn hold(&mut self, task: TaskId, inline: Option<u64>) {
        match inline {
            Some(content) => _ = self.small.insert(task, content),
            None => _ = self.small.remove(&task),
        }
    }

    fn greet(&mut self, worker: WorkerId, shape: Shape, traits: Traits, inventory: Option<Box<Inventory>>) {
        if let Some(inventory) = &inventory {
            self.step(Event::Hold { hold: true });
            self.worker_gone(inventory.before);
        }
        self.tell(worker, Order::Welcome { worker });
        let joined = self.present.iter().map(|(&peer, &node)| (peer, node)).collect();
        self.tell(worker, Order::Peers { joined, left: vec![] });
        for other in self.present.keys().copied().collect::<Vec<_>>() {
            self.tell(other, Order::Peers { joined: vec![(worker, self.ends[&worker])], left: vec![] });
        }
        self.present.insert(worker, self.ends[&worker]);
        self.step(Event::WorkerJoined { worker, slots: shape.slots(), traits });
        let Some(inventory) = inventory else { return };
        self.report.rejoined += 1;
        for (task, size_bytes, inline) in inventory.values {
            self.step(Event::Adopted { worker, task, size_bytes });
            if self.scheduler.holders(task).contains(&worker) {
                self.hold(task, inline);
                if let Some(client) = self.scheduler.wants(task) {
                    self.tell_where(client, task);
                }
            }
        }
        for (task, attempt) in inventory.running {
            self.step(Event::AdoptedRun { worker, task, attempt });
        }
        if !self.expecting {
            self.step(Event::Hold { hold: false });
        }
    }

    pub(super) fn worker_gone(&mut self, worker: WorkerId) {
        if self.present.remove(&worker).is_none() {
            return;
        }
        for other in self.present.keys().copied().collect::<Vec<_>>() {
            self.tell(other, Order::Peers { joined: vec![], left: vec![worker] });
        }
        self.step(Event::WorkerLost { worker });
    }

    pub(super) fn tell(&mut self, worker: WorkerId, order: Order) {
        let node = self.ends[&worker];
        self.send(Link::ToWorker(worker), Happening::Node(node, AtNode::Told { connection: worker, order }));
    }

    /// The scheduler takes in an event; what it says is sent off.
    pub(super) fn step(&mut self, event: Event) {
        self.report.steps += 1;
        if let Event::Submit { graph, .. } = &event {
            self.submissions.insert(*graph, event.clone());
        }
        let mut instructions = std::mem::take(&mut self.instructions);
        self.scheduler.step(event, &mut instructions);
        self.scheduler.validate();
        for instruction in instructions.drain(..) {
            match instruction {
                Instruction::Run { worker, task, attempt } => self.order_run(worker, task, attempt),
                Instruction::Abandon { worker, task, attempt } => self.tell(worker, Order::Abandon { task, attempt }),
                Instruction::Retract { worker, task, attempt } => {
                    self.report.retracted += 1;
                    self.tell(worker, Order::Retract { task, attempt });
                }
                Instruction::Free { worker, task } => {
                    self.tell(worker, Order::Free { task });
                    if self.scheduler.holders(task).is_empty() {
                        self.small.remove(&task);
                    }
                }
                Instruction::Finished { client, task } => self.tell_where(client, task),
                Instruction::Failed { client, task, cause } => {
                    self.send(Link::ToClient(client), Happening::Answered(client, task, Answer::Failed(cause)));
                }
                Instruction::Copy { worker, task, from } => self.tell(worker, Order::Copy { task, from }),
                Instruction::Retired { worker } => self.tell(worker, Order::Leave),
                Instruction::Stays { .. } => {}
                Instruction::Forget { graph } => {
                    self.report.forgotten += 1;
                    self.forgotten.insert(graph);
                    self.small.retain(|task, _| task.graph != graph);
                }
            }
        }
        self.instructions = instructions;
    }

    fn order_run(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) {
        let mut inputs = Vec::new();
        for input in self.scheduler.inputs(task) {
            let from = if input.holders.contains(&worker) {
                InputFrom::Here
            } else if let Some(&content) = self.small.get(&input.task) {
                InputFrom::Inline(content)
            } else {
                InputFrom::Peer(input.holders.choose(&mut self.rng).copied().unwrap_or(NOBODY))
            };
            inputs.push((input.task, from));
        }
        let layers = &self.plans[&task.graph].layers;
        let class = layers.layer(layers.locate(task.index).0).class;
        self.tell(worker, Order::Run { task, attempt, class, inputs });
    }

    pub(super) fn tell_where(&mut self, client: ClientId, task: TaskId) {
        let holders = self.scheduler.holders(task);
        let Some(&holder) = holders.choose(&mut self.rng) else { return };
        let answer = match self.small.get(&self.scheduler.resolve(task)) {
            Some(&content) => Answer::Given(content),
            None => Answer::Held(holder),
        };
        self.send(Link::ToClient(client), Happening::Answered(client, task, answer));
    }
}
