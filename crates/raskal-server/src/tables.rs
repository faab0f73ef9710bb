//! What the scheduler process knows beside the scheduler: peers, functions, small values and failures.

use crate::outbox::Outbox;
use raskal_graph::Graph;
use raskal_net::Sender;
use raskal_proto::client::WorkerInfo;
use raskal_proto::observe::Vitals;
use raskal_proto::{FailureMessage, FunctionMessage, TaskNames, ToClient, ToWorker};
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// A task's key: its user's, or the one made from its layer.
pub(crate) fn key_of(graph: &Graph, names: &[TaskNames], index: u32) -> String {
    let (layer, own) = graph.locate(index);
    match names.get(layer.0 as usize).and_then(|names| names.key(own)) {
        Some(key) => key.to_owned(),
        None => graph.key(index),
    }
}

/// A map by a task's index, hashed by a fixed function: the scheduler's own numbers need no defence.
pub(crate) type IndexMap<V> = HashMap<u32, V, foldhash::fast::FixedState>;

/// A connected worker.
pub(crate) struct Worker {
    pub(crate) sender: Sender<ToWorker>,
    pub(crate) outbox: Outbox<ToWorker>,
    pub(crate) info: WorkerInfo,
    pub(crate) last_seen: Instant,
    pub(crate) memory_managed_bytes: u64,
    pub(crate) cpu_percent: f32,
    pub(crate) executing: u32,
    pub(crate) vitals: Vitals,
    pub(crate) joined_us: u64,
}

/// A connected client.
pub(crate) struct Client {
    pub(crate) sender: Sender<ToClient>,
    pub(crate) outbox: Outbox<ToClient>,
    pub(crate) name: String,
    /// The random number by which it is known again, and the number of its connection.
    pub(crate) session: u128,
    pub(crate) connection: ClientId,
    /// The graph numbers that it may use: first, and one behind the last.
    pub(crate) graphs: Vec<(u32, u32)>,
}

/// A result that is held somewhere.
pub(crate) struct Held {
    pub(crate) size_bytes: u64,
    /// The value itself, if it is small.
    pub(crate) inline: Option<Vec<u8>>,
}

/// A submitted graph.
pub(crate) struct Submitted {
    pub(crate) client: ClientId,
    pub(crate) graph: Arc<Graph>,
    pub(crate) functions: Vec<FunctionMessage>,
    /// What people call the tasks, for each layer.
    pub(crate) names: Arc<Vec<TaskNames>>,
    /// Who was sent the function of which layer.
    pub(crate) informed: HashSet<(u32, WorkerId), foldhash::fast::FixedState>,
    pub(crate) held: IndexMap<Held>,
    /// How many results of each layer are held.
    pub(crate) held_by_layer: Vec<u64>,
    pub(crate) failures: IndexMap<FailureMessage>,
    /// How the processes that ran a task died.
    pub(crate) deaths: IndexMap<Vec<String>>,
    pub(crate) submitted_us: u64,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) graphs: HashMap<GraphId, Submitted, foldhash::fast::FixedState>,
    /// The first graph number that no client was given.
    pub(crate) next_graph: u32,
}

impl Tables {
    pub(crate) fn tell_worker(&mut self, worker: WorkerId, message: ToWorker) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.outbox.say(message);
        }
    }

    pub(crate) fn tell_client(&mut self, client: ClientId, message: ToClient) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.outbox.say(message);
        }
    }

    /// Tells a worker what can wait.
    pub(crate) fn mention_to_worker(&mut self, worker: WorkerId, message: ToWorker) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.outbox.mention(message);
        }
    }

    /// Hands what is to be said to the connections.
    pub(crate) fn flush(&mut self) {
        self.workers.values_mut().for_each(|worker| worker.outbox.flush(&worker.sender));
        self.clients.values_mut().for_each(|client| client.outbox.flush(&client.sender));
    }

    /// A submission arrived.
    pub(crate) fn accepted(&mut self, client: ClientId, graph: GraphId) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.outbox.mention(ToClient::Accepted { graph });
        }
    }

    /// Says what was only mentioned.
    pub(crate) fn remind(&mut self) {
        self.workers.values_mut().for_each(|worker| worker.outbox.remind());
        self.clients.values_mut().for_each(|client| client.outbox.remind());
    }

    pub(crate) fn hold(&mut self, task: TaskId, held: Held) {
        if let Some(submitted) = self.graphs.get_mut(&task.graph) {
            let layer = submitted.graph.locate(task.index).0;
            if submitted.held.insert(task.index, held).is_none() {
                submitted.held_by_layer[layer.0 as usize] += 1;
            }
        }
    }

    pub(crate) fn let_go(&mut self, task: TaskId) {
        if let Some(submitted) = self.graphs.get_mut(&task.graph)
            && submitted.held.remove(&task.index).is_some()
        {
            let layer = submitted.graph.locate(task.index).0;
            submitted.held_by_layer[layer.0 as usize] -= 1;
        }
    }

    /// Whether a result is so small that it travels inside messages.
    pub(crate) fn is_small(&self, task: TaskId) -> bool {
        let submitted = self.graphs.get(&task.graph);
        submitted.and_then(|submitted| submitted.held.get(&task.index)).is_some_and(|held| held.inline.is_some())
    }

    pub(crate) fn key(&self, task: TaskId) -> String {
        match self.graphs.get(&task.graph) {
            Some(submitted) if task.index < submitted.graph.task_count() => {
                key_of(&submitted.graph, &submitted.names, task.index)
            }
            _ => task.to_string(),
        }
    }

    pub(crate) fn has(&self, task: TaskId) -> bool {
        self.graphs.get(&task.graph).is_some_and(|submitted| task.index < submitted.graph.task_count())
    }
}
