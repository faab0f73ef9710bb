//! What nodes do, carried out: messages get their times, runs their ends.

use super::{Happening, Link, Simulation};
use crate::message::{Asker, AtNode, Deed, NodeId, Order, Outcome, Reply, Shape, Word};
use crate::node::Node;
use crate::plan::{is_small, size_bytes, value};
use rand::RngExt;
use raskal_scheduler::Traits;
use raskal_types::{Attempt, TaskId, WorkerId};

impl Simulation {
    pub(super) fn connect(&mut self, node: NodeId) -> WorkerId {
        let connection = WorkerId(self.connections_seen);
        self.connections_seen += 1;
        self.ends.insert(connection, node);
        connection
    }

    pub(super) fn join(&mut self, shape: Shape, traits: Traits) {
        let id = NodeId(self.nodes_seen);
        self.nodes_seen += 1;
        let connection = self.connect(id);
        let slowness = if self.rng.random_bool(self.profile.slow) { 10 } else { 1 };
        let mut deeds = Vec::new();
        self.nodes.insert(id, Node::new(connection, shape, traits, slowness, &mut deeds));
        self.carry_out(id, deeds);
    }

    pub(super) fn at_node(&mut self, id: NodeId, happening: AtNode) {
        let Some(node) = self.nodes.get_mut(&id) else {
            if let AtNode::Asked { asker, value } = happening {
                self.reply(asker, value, Reply::Refused);
            }
            return;
        };
        let mut deeds = Vec::new();
        match &happening {
            AtNode::Told { connection, order: Order::Leave } if node.connection == Some(*connection) => {
                return self.left(id);
            }
            AtNode::Told { connection, .. } if self.cut.contains(connection) => return,
            AtNode::Reconnected => {
                let connection = self.connect(id);
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.connection = Some(connection);
                }
            }
            AtNode::NativeRan { .. } | AtNode::ProcessRan { .. } => self.report.runs += 1,
            _ => {}
        }
        let was_given = matches!(happening, AtNode::Told { order: Order::Run { .. }, .. });
        let plans = &self.plans;
        let is_usable = |task: TaskId| !plans[&task.graph].is_unusable(task.index);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.happen(happening, &is_usable, &mut deeds);
        }
        self.carry_out(id, deeds);
        if was_given {
            self.check_demands(id);
        }
    }

    pub(super) fn carry_out(&mut self, id: NodeId, deeds: Vec<Deed>) {
        for deed in deeds {
            let Some((connection, slowness)) = self.nodes.get(&id).map(|node| (node.connection, node.slowness)) else {
                return;
            };
            match deed {
                Deed::Say(word) => {
                    if let Word::Failed { task, died: true, .. } = word
                        && let Some(plan) = self.plans.get_mut(&task.graph)
                    {
                        plan.deaths[task.index as usize] += 1;
                    }
                    if let Some(connection) = connection {
                        self.send(Link::FromWorker(connection), Happening::Said { connection, word });
                    }
                }
                Deed::Fetch { value, from } => match from {
                    Some(from) => self.ask(from, Asker::Node(id), value),
                    None => self.reply(Asker::Node(id), value, Reply::Refused),
                },
                Deed::Answer { asker, value, reply } => self.reply(asker, value, reply),
                Deed::Tell { executor, message } => {
                    let message = Happening::Node(id, AtNode::InProcess { executor, message });
                    self.send(Link::ToProcess(id, executor), message);
                }
                Deed::Hear { executor, word } => {
                    let word = Happening::Node(id, AtNode::Process { executor, word });
                    self.send(Link::FromProcess(id, executor), word);
                }
                Deed::RunNative { task, attempt, inputs } => {
                    let (outcome, duration_us) = match inputs {
                        Ok(inputs) => self.outcome(task, attempt, &inputs, false),
                        Err(input) => (Outcome::Unread(input), 1),
                    };
                    let ran = Happening::Node(id, AtNode::NativeRan { task, attempt, outcome });
                    self.agenda.put(self.agenda.now_us() + duration_us * slowness, ran);
                }
                Deed::RunPython { executor, task, attempt, inputs } => {
                    let (outcome, duration_us) = self.outcome(task, attempt, &inputs, true);
                    let ran = Happening::Node(id, AtNode::ProcessRan { executor, task, attempt, outcome });
                    self.agenda.put(self.agenda.now_us() + duration_us * slowness, ran);
                }
                Deed::Export { executor, value } => {
                    self.later(Happening::Node(id, AtNode::Exporting { executor, value }));
                }
                Deed::NotSent { executor, value } => {
                    self.agenda.put(self.agenda.now_us(), Happening::Node(id, AtNode::NotSent { executor, value }));
                }
                Deed::StartProcess { executor } => {
                    let word = crate::message::FromProcess::Ready;
                    let ready = Happening::Node(id, AtNode::Process { executor, word });
                    self.send(Link::FromProcess(id, executor), ready);
                }
                Deed::Reconnect => {
                    let after_us = self.rng.random_range(1..1_000);
                    let found = Happening::Node(id, AtNode::Reconnected);
                    self.agenda.put(self.agenda.now_us() + after_us, found);
                }
            }
        }
    }

    /// How a run will end, and after how long.
    fn outcome(&mut self, task: TaskId, attempt: Attempt, inputs: &[u64], in_process: bool) -> (Outcome, u64) {
        let duration_us = self.rng.random_range(0..=self.duration_us_max);
        let dies = in_process && self.rng.random_bool(self.profile.deaths);
        let plan = self.plans.get_mut(&task.graph);
        let (raises, usable) =
            plan.map_or((false, true), |plan| (plan.raise(task.index), !plan.is_unusable(task.index)));
        let outcome = if dies {
            Outcome::Died
        } else if raises {
            Outcome::Raised
        } else {
            let content = value(task, inputs);
            Outcome::Value {
                content,
                size_bytes: size_bytes(content, attempt),
                is_small: is_small(content) && usable,
                duration_us: duration_us as u32,
            }
        };
        (outcome, duration_us)
    }

    /// A node ends, in whatever way: who waits for its answers waits in vain, and its connection ends.
    pub(super) fn end_node(&mut self, id: NodeId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        let open: Vec<_> = node.open_requests().collect();
        for (asker, value) in open {
            self.reply(asker, value, Reply::Refused);
        }
        if let Some(connection) = node.connection {
            self.break_connection(connection);
        }
    }

    /// A connection ends: the scheduler's process finds out, after all that was said on it or without the last of that.
    pub(super) fn break_connection(&mut self, connection: WorkerId) {
        if self.rng.random_bool(0.5) {
            self.cut.insert(connection);
        }
        self.send(Link::FromWorker(connection), Happening::Gone { connection });
    }
}
