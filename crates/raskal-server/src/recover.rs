//! Peers that come back: after their connection broke, or after this scheduler was started again.
//!
//! Start at [`Core::begin_anew`] (a start with a journal), [`Core::resume`] (clients) and [`Core::take_over`] (workers).
//! While workers are expected, nothing is given out: what they hold and run need not be made again.

use crate::connection::Inventoried;
use crate::core::Core;
use crate::journal::{Journal, Known, Past, Record};
use crate::share::BOARD;
use crate::tables::Held;
use raskal_net::Sender;
use raskal_proto::{FailureMessage, FromClient, ToClient};
use raskal_scheduler::Event;
use raskal_types::{ClientId, ErrorKind, TaskId, WorkerId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the workers of before are waited for.
const WORKERS_TIME: Duration = Duration::from_secs(10);
/// How long what a client wants is kept after its connection broke.
const CLIENT_TIME: Duration = Duration::from_secs(30);

/// A client whose connection broke.
pub(crate) struct Away {
    pub(crate) session: u128,
    pub(crate) name: String,
    pub(crate) graphs: Vec<(u32, u32)>,
    since: Instant,
}

impl Away {
    pub(crate) fn new(session: u128, name: String, graphs: Vec<(u32, u32)>) -> Away {
        Away { session, name, graphs, since: Instant::now() }
    }
}

/// What is waited for after a start with a journal.
pub(crate) struct Expected {
    until: Instant,
    workers: Vec<String>,
}

impl Core {
    /// Goes on with what was before.
    pub(crate) fn begin_anew(&mut self, journal: Journal, past: Past) {
        self.tables.next_graph = past.next_graph;
        for (client, Known { session, name, graphs }) in &past.clients {
            self.away.insert(*client, Away::new(*session, name.clone(), graphs.clone()));
        }
        if !past.graphs.is_empty() {
            tracing::info!(graphs = past.graphs.len(), workers = past.workers.len(), "goes on with what was before");
            self.step(Event::Hold { hold: true });
            let workers = past.workers.values().cloned().collect();
            self.expected = Some(Expected { until: Instant::now() + WORKERS_TIME, workers });
        }
        // All before any is released: what others import is kept for them.
        let mut released = Vec::new();
        let spoken_of = past.board.references();
        for wanted in past.graphs.values() {
            let Some((submit, unwanted)) = wanted.submission() else { continue };
            let graph = submit.graph;
            if wanted.client == BOARD {
                // Of notes that waited to be left: they are left anew.
                let tasks = submit.wanted.iter().map(|&index| TaskId { graph, index });
                released.extend(tasks.filter(|task| !spoken_of.contains(task)));
            }
            if let Err(problem) = self.accept(wanted.client, submit) {
                tracing::error!(%graph, problem, "a graph of before can't be taken up again");
                continue;
            }
            released.extend(unwanted);
        }
        self.step(Event::Release { tasks: released });
        self.board = past.board;
        self.board.tell_changes();
        past.setups.into_iter().for_each(|setup| self.hear_setup(setup));
        // From here on: what was taken up again is in it already.
        self.journal = Some(journal);
        self.stop_expecting(None);
    }

    /// Who is there, for a journal that is written anew.
    pub(crate) fn present(&self) -> Past {
        let mut past = Past { next_graph: self.tables.next_graph, ..Past::default() };
        let mut know = |id: &ClientId, session: u128, name: &str, graphs: &[(u32, u32)]| {
            let known = Known { session, name: name.to_owned(), graphs: graphs.to_vec() };
            past.clients.insert(*id, known);
        };
        self.tables.clients.iter().for_each(|(id, known)| know(id, known.session, &known.name, &known.graphs));
        self.away.iter().for_each(|(id, away)| know(id, away.session, &away.name, &away.graphs));
        self.board.state().into_iter().for_each(|change| past.board.apply(change));
        past.setups = self.past_setups();
        past.workers = self.tables.workers.iter().map(|(&id, worker)| (id, worker.info.name.clone())).collect();
        past
    }

    /// A worker came; when all that were there before have, or the time is over, work is given out again.
    pub(crate) fn stop_expecting(&mut self, came: Option<&str>) {
        let Some(expected) = &mut self.expected else { return };
        if let Some(place) = expected.workers.iter().position(|name| Some(name.as_str()) == came) {
            expected.workers.swap_remove(place);
        }
        if expected.workers.is_empty() || Instant::now() >= expected.until {
            if !expected.workers.is_empty() {
                tracing::warn!(workers = ?expected.workers, "workers of before did not come back: what they held is made again");
            }
            self.expected = None;
            self.step(Event::Hold { hold: false });
        }
    }

    /// What a worker that was there before holds and runs goes on.
    pub(crate) fn take_over(&mut self, worker: WorkerId, inventory: Inventoried) {
        tracing::info!(
            %worker, values = inventory.values.len(), running = inventory.running.len(), "a worker is back"
        );
        for (task, size_bytes, inline) in inventory.values {
            self.step(Event::Adopted { worker, task, size_bytes });
            let holders = self.scheduler.holders(task);
            if holders.contains(&worker) {
                self.tables.hold(task, Held { size_bytes, inline });
                // Those who wait were told before the value was known here.
                if let Some(client) = self.scheduler.wants(task) {
                    self.deliver_finished(client, task);
                }
            }
        }
        for (task, attempt) in inventory.running {
            self.step(Event::AdoptedRun { worker, task, attempt });
        }
    }

    /// A client is back on a new connection.
    pub(crate) fn resume(&mut self, connection: ClientId, session: u128, sender: Sender<ToClient>) {
        let gone = self.tables.clients.iter().find(|(_, client)| client.session == session).map(|(&id, _)| id);
        if let Some(client) = gone {
            // Its old connection is broken, and nobody noticed yet.
            self.client_away(client);
        }
        let known = self.away.iter().find(|(_, away)| away.session == session).map(|(&id, _)| id);
        let Some((client, away)) = known.and_then(|id| self.away.remove(&id).map(|away| (id, away))) else {
            tracing::info!(%connection, "a client that is not known any more came back");
            let _ = sender.push([ToClient::Forgotten]);
            return;
        };
        tracing::info!(%client, name = away.name, "a client is back");
        self.connections.insert(connection, client);
        self.let_in(client, connection, away.session, away.name, away.graphs, sender);
    }

    /// Tells a client again how results stand.
    pub(crate) fn recall(&mut self, client: ClientId, tasks: Vec<TaskId>) {
        let mut lost = Vec::new();
        let mut failed: BTreeMap<String, (raskal_scheduler::Cause, Vec<TaskId>)> = BTreeMap::new();
        for task in tasks {
            if !self.tables.has(task) {
                lost.push(task);
            } else if let Some(cause) = self.scheduler.cause(task) {
                failed.entry(format!("{cause:?}")).or_insert_with(|| (cause, Vec::new())).1.push(task);
            } else {
                self.deliver_finished(client, task);
            }
        }
        for (cause, tasks) in failed.into_values() {
            self.deliver_failure((client, cause, tasks));
        }
        if !lost.is_empty() {
            let text = "the scheduler was started again and knows nothing of it\nhint: compute it anew; with a journal \
                        (raskal scheduler --journal) work outlives a scheduler";
            let failure = FailureMessage::new(ErrorKind::Lost, text);
            self.tables.tell_client(client, ToClient::Failed { tasks: lost, failure });
        }
    }

    /// What a client does not name it does not want any more: it may have said so when its connection broke.
    pub(crate) fn release_others(&mut self, client: ClientId, tasks: &[TaskId]) {
        let named: std::collections::BTreeSet<TaskId> = tasks.iter().copied().collect();
        let own: Vec<_> =
            self.scheduler.graphs().filter(|(_, owner)| *owner == client).map(|(graph, _)| graph).collect();
        let wanted = own.into_iter().flat_map(|graph| self.scheduler.wanted(graph));
        let tasks: Vec<TaskId> = wanted.filter(|task| !named.contains(task)).collect();
        if !tasks.is_empty() {
            self.note(&FromClient::Release { tasks: tasks.clone() });
            self.step(Event::Release { tasks });
        }
    }

    /// A client's connection broke: what it wants is kept for a while.
    pub(crate) fn client_away(&mut self, client: ClientId) {
        let Some(gone) = self.tables.clients.remove(&client) else { return };
        tracing::info!(%client, name = gone.name, "a client's connection broke");
        self.connections.remove(&gone.connection);
        // What it leased others wait for: that ends at once, results are kept.
        self.end_sharing(client);
        self.away.insert(client, Away::new(gone.session, gone.name, gone.graphs));
    }

    /// Gives up the clients that have been away for too long.
    pub(crate) fn give_up_clients(&mut self) {
        let late: Vec<ClientId> =
            self.away.iter().filter(|(_, away)| away.since.elapsed() > CLIENT_TIME).map(|(&id, _)| id).collect();
        for client in late {
            self.away.remove(&client);
            tracing::info!(%client, "a client did not come back");
            self.client_lost(client);
        }
    }

    /// Writes down what a client said, if it matters after a restart.
    pub(crate) fn note(&mut self, message: &FromClient) {
        let Some(journal) = &mut self.journal else { return };
        match message {
            FromClient::Release { tasks } => journal.write(&Record::Release { tasks: tasks.clone() }),
            FromClient::Cancel { graph } => journal.write(&Record::Cancel { graph: *graph }),
            _ => {}
        }
    }

    pub(crate) fn note_record(&mut self, record: Record) {
        if let Some(journal) = &mut self.journal {
            journal.write(&record);
        }
    }
}
