//! What a client knows: results, workers, and questions under way.

use crate::client::board;
use crate::{Failure, Function};
use parking_lot::{Condvar, Mutex};
use raskal_graph::Graph;
use raskal_proto::client::{Answer, WorkerInfo};
use raskal_proto::{BoardAnswer, FailureMessage, ToClient};
use raskal_types::{ErrorKind, GraphId, TaskId, WorkerId};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// How a wanted result stands.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Pending,
    Finished { source: TaskId, holder: WorkerId, size_bytes: u64, inline: Option<bytes::Bytes> },
    Failed(Arc<FailureMessage>),
    Cancelled,
}

/// A graph whose results are wanted.
pub(crate) struct Known {
    pub(crate) graph: Arc<Graph>,
    /// The functions that know keys and lines of their tasks.
    pub(crate) functions: Vec<Option<Arc<dyn Function>>>,
    /// How many of its results have handles.
    pub(crate) handles: u32,
    /// The wanted tasks, by number.
    indices: Vec<u32>,
    /// How each of them stands; none once its handle is gone.
    outcomes: Vec<Option<Outcome>>,
}

impl Known {
    /// A graph of which these tasks are wanted, each once and by number.
    pub(crate) fn new(graph: Arc<Graph>, functions: Vec<Option<Arc<dyn Function>>>, indices: Vec<u32>) -> Known {
        let outcomes = vec![Some(Outcome::Pending); indices.len()];
        Known { graph, functions, handles: indices.len() as u32, indices, outcomes }
    }

    /// Where a task's outcome is. Mostly all tasks of a range are wanted, and it is found at once.
    fn position(&self, index: u32) -> Option<usize> {
        let guess = index.checked_sub(*self.indices.first()?)? as usize;
        match self.indices.get(guess) {
            Some(&there) if there == index => Some(guess),
            _ => self.indices.binary_search(&index).ok(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) graphs: Map<GraphId, Known>,
    pub(crate) workers: BTreeMap<WorkerId, WorkerInfo>,
    pub(crate) free_graphs: VecDeque<u32>,
    pub(crate) asked_for_graphs: bool,
    pub(crate) answers: HashMap<u32, Option<Answer>>,
    pub(crate) next_request: u32,
    pub(crate) dashboard: Option<String>,
    pub(crate) welcome: bool,
    /// Whether a scheduler that is started again in the place of this one goes on with its work.
    pub(crate) lasting: bool,
    /// Whether the scheduler said that it ends, or does not know this client.
    over: bool,
    /// Why the connection ended, if it did.
    pub(crate) ended: Option<String>,
    /// Grows with each change that somebody may wait for.
    pub(crate) changes: u64,
    /// The tasks that were settled, for those who watch them; kept only while somebody does.
    pub(crate) watchers: Vec<std::sync::mpsc::Sender<TaskId>>,
    /// Where answers of the board and of executors go, once somebody asks for them.
    pub(crate) mail: Option<std::sync::mpsc::Sender<ToClient>>,
}

/// The table, and the way to wait for it.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) table: Mutex<Table>,
    pub(crate) changed: Condvar,
    /// Grows when something is heard, for those who look without sleeping.
    pub(crate) heard: AtomicU64,
    /// How many looks in a row heard nothing.
    pub(crate) fruitless: AtomicU32,
}

impl Shared {
    pub(crate) fn take_in(&self, messages: Vec<ToClient>) {
        let mut table = self.table.lock();
        for message in messages {
            table.take_in(message);
        }
        table.changes += 1;
        drop(table);
        self.heard.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    pub(crate) fn end(&self, reason: String) {
        let mut table = self.table.lock();
        table.ended.get_or_insert(reason);
        table.changes += 1;
        // Nobody waits for what will not come.
        table.watchers.clear();
        table.mail = None;
        drop(table);
        self.changed.notify_all();
    }
}

impl Table {
    fn take_in(&mut self, message: ToClient) {
        match message {
            ToClient::Finished { task, source, holder, size_bytes, inline } => {
                self.settle(task, Outcome::Finished { source, holder, size_bytes, inline: inline.map(Into::into) });
            }
            ToClient::Failed { tasks, failure } => {
                let failure = Arc::new(failure);
                for task in tasks {
                    self.settle(task, Outcome::Failed(failure.clone()));
                }
            }
            ToClient::Workers { joined, left } => {
                left.iter().for_each(|worker| drop(self.workers.remove(worker)));
                self.workers.extend(joined.into_iter().map(|info| (info.worker, info)));
            }
            ToClient::Graphs { first, count } => {
                self.free_graphs.extend(first..first.saturating_add(count));
                self.asked_for_graphs = false;
            }
            ToClient::Cancelled { tasks } => {
                tasks.into_iter().for_each(|task| self.settle(task, Outcome::Cancelled));
            }
            ToClient::Restarted => self.cancel_all(),
            ToClient::Answer { request, answer } => {
                if let Some(slot) = self.answers.get_mut(&request) {
                    *slot = Some(answer);
                }
            }
            ToClient::Board { .. } | ToClient::Topic { .. } | ToClient::Called { .. } => self.post(message),
            ToClient::Accepted { .. } => {}
            ToClient::Ended | ToClient::Forgotten => self.over = true,
            ToClient::Welcome { dashboard, lasting, .. } => {
                self.lasting = lasting;
                self.dashboard = dashboard;
                self.welcome = true;
            }
        }
    }

    /// Hands on what comes beside results.
    fn post(&mut self, letter: ToClient) {
        if let ToClient::Board { answer: BoardAnswer::Notes(notes), .. } = &letter {
            // Known before it is told how they stand.
            self.graphs.extend(notes.iter().filter_map(|named| board::known(&named.note.references)));
        }
        if let Some(mail) = &self.mail {
            // Whoever opened the mailbox may be gone.
            let _ = mail.send(letter);
        }
    }

    /// Whether the connection, once broken, is not to be made again.
    pub(crate) fn is_over(&self) -> bool {
        self.over || self.ended.is_some()
    }

    /// All results that handles live of.
    pub(crate) fn wanted(&self) -> Vec<TaskId> {
        let mut wanted = Vec::new();
        for (&graph, known) in &self.graphs {
            let alive = known.indices.iter().zip(&known.outcomes);
            let alive = alive.filter(|(_, outcome)| !matches!(outcome, None | Some(Outcome::Cancelled)));
            wanted.extend(alive.map(|(&index, _)| TaskId { graph, index }));
        }
        wanted.sort_unstable();
        wanted
    }

    /// Nobody will answer what was asked on a connection that broke.
    pub(crate) fn give_up_questions(&mut self) {
        self.asked_for_graphs = false;
        for answer in self.answers.values_mut().filter(|answer| answer.is_none()) {
            *answer = Some(Answer::Refused("the connection to the scheduler broke meanwhile\nhint: ask again".into()));
        }
    }

    /// The cluster gave everything up.
    fn cancel_all(&mut self) {
        let mut given_up = Vec::new();
        for (&graph, known) in &mut self.graphs {
            for (&index, outcome) in known.indices.iter().zip(&mut known.outcomes) {
                if let Some(outcome) = outcome {
                    *outcome = Outcome::Cancelled;
                    given_up.push(TaskId { graph, index });
                }
            }
        }
        for task in given_up {
            self.watchers.retain(|watcher| watcher.send(task).is_ok());
        }
    }

    /// How a result stands, while it has a handle.
    pub(crate) fn outcome(&self, task: TaskId) -> Option<&Outcome> {
        let known = self.graphs.get(&task.graph)?;
        known.outcomes[known.position(task.index)?].as_ref()
    }

    pub(crate) fn outcome_mut(&mut self, task: TaskId) -> Option<&mut Outcome> {
        let known = self.graphs.get_mut(&task.graph)?;
        let position = known.position(task.index)?;
        known.outcomes[position].as_mut()
    }

    /// A handle is gone: how its result stood, and the graph if that was its last one.
    pub(crate) fn forget(&mut self, task: TaskId) -> (Option<Outcome>, Option<Known>) {
        let Some(known) = self.graphs.get_mut(&task.graph) else { return (None, None) };
        let outcome = known.position(task.index).and_then(|position| known.outcomes[position].take());
        known.handles = known.handles.saturating_sub(1);
        let last = known.handles == 0;
        (outcome, if last { self.graphs.remove(&task.graph) } else { None })
    }

    /// Records how a result stands, if anybody still wants it.
    pub(crate) fn settle(&mut self, task: TaskId, outcome: Outcome) {
        if let Some(slot) = self.outcome_mut(task) {
            // A scheduler that was started again tries once more what failed; that it failed was told already.
            if matches!(slot, Outcome::Failed(_) | Outcome::Cancelled) && !matches!(outcome, Outcome::Cancelled) {
                return;
            }
            *slot = outcome;
            self.watchers.retain(|watcher| watcher.send(task).is_ok());
        }
    }

    /// What tells a task's key and line. Call it only when the table is not locked: it may call the host language, whose
    /// lock another thread may hold that waits for the table.
    pub(crate) fn naming(&self, task: TaskId) -> Naming {
        let known = self.graphs.get(&task.graph).filter(|known| task.index < known.graph.task_count());
        let Some(known) = known else { return Naming { task, function: None, graph: None } };
        let layer = known.graph.locate(task.index).0.0 as usize;
        Naming { task, function: known.functions[layer].clone(), graph: Some(known.graph.clone()) }
    }

    pub(crate) fn check_open(&self) -> Result<(), Failure> {
        match &self.ended {
            None => Ok(()),
            Some(reason) => {
                Err(Failure::new(ErrorKind::Io, format!("the connection to the scheduler has ended: {reason}")))
            }
        }
    }
}

/// Tells a task's key and line.
pub(crate) struct Naming {
    task: TaskId,
    function: Option<Arc<dyn Function>>,
    graph: Option<Arc<Graph>>,
}

impl Naming {
    fn index(&self) -> u32 {
        self.graph.as_ref().map_or(0, |graph| graph.locate(self.task.index).1)
    }

    /// The task's key: its user's, or the one made from its layer.
    pub(crate) fn key(&self) -> String {
        let made = || self.graph.as_ref().map_or_else(|| self.task.to_string(), |graph| graph.key(self.task.index));
        self.own_key().unwrap_or_else(made)
    }

    /// The key that its user knows it by, if it has one of its own.
    pub(crate) fn own_key(&self) -> Option<String> {
        self.function.as_ref().and_then(|function| function.key(self.index()))
    }

    /// The user's line that made the task.
    pub(crate) fn origin(&self) -> Option<String> {
        self.function.as_ref().and_then(|function| function.origin(self.index()))
    }
}
