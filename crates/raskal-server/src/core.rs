//! The task that owns the scheduler.
//!
//! Start at [`Core::run`]. It takes all messages that wait, feeds the scheduler, and hands out what is to be said at the
//! end of the turn, so that under load many messages share a frame.
//! Invariant: nobody else touches the scheduler, and nothing here waits for a peer.

use crate::board::Board;
use crate::connection::Inventoried;
use crate::history::{History, now_us};
use crate::idle::Idle;
use crate::journal::{Journal, Record};
use crate::orders::Pending;
use crate::outbox::Outbox;
use crate::recover::{Away, Expected};
use crate::report::Rest;
use crate::share::Calls;
use crate::tables::{Client, Held, Tables, Worker};
use raskal_dashboard::view::{View, WorkerName};
use raskal_net::{Address, Sender};
use raskal_proto::client::WorkerInfo;
use raskal_proto::{FromClient, FromWorker, Observation, Ran, ToClient, ToWorker};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
use raskal_types::{ClientId, ErrorKind, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Graph numbers that a client is given at a time.
const GRAPHS_PER_RANGE: u32 = 4096;

/// Turns taken together, so that the sockets get their time.
const TURN_LEN: usize = 64;

/// What comes in from the connections and the dashboard.
pub(crate) enum Incoming {
    WorkerJoined {
        worker: WorkerId,
        info: Box<WorkerInfo>,
        host: Option<String>,
        sender: Sender<ToWorker>,
        inventory: Option<Inventoried>,
    },
    Worker {
        worker: WorkerId,
        messages: Vec<FromWorker>,
    },
    WorkerGone {
        worker: WorkerId,
        reason: Option<String>,
    },
    ClientJoined {
        client: ClientId,
        name: String,
        session: u128,
        sender: Sender<ToClient>,
    },
    ClientResumed {
        client: ClientId,
        session: u128,
        sender: Sender<ToClient>,
    },
    Client {
        client: ClientId,
        messages: Vec<FromClient>,
    },
    ClientGone {
        client: ClientId,
        broken: bool,
    },
    View {
        view: View,
        answer: oneshot::Sender<Rest>,
    },
    /// The process ends: for good, or to be started again.
    End {
        for_good: bool,
        said: oneshot::Sender<()>,
    },
}

/// The scheduler and all that is known beside it.
pub(crate) struct Core {
    pub(crate) scheduler: Scheduler,
    pub(crate) tables: Tables,
    pub(crate) history: History,
    pub(crate) board: Board,
    pub(crate) calls: Calls,
    pub(crate) addresses: Vec<String>,
    pub(crate) dashboard: Option<String>,
    /// Orders of clients that were not answered yet.
    pub(crate) pending: Vec<Pending>,
    /// Workers that give up their work and values, and are not to end.
    pub(crate) staying: BTreeSet<WorkerId>,
    pub(crate) journal: Option<Journal>,
    /// Clients whose connection broke.
    pub(crate) away: BTreeMap<ClientId, Away>,
    /// Which client is at the end of a connection that is not its first.
    pub(crate) connections: BTreeMap<ClientId, ClientId>,
    /// The workers that are to come back, after a start with a journal.
    pub(crate) expected: Option<Expected>,
    /// Frames that waited at the last turn.
    pub(crate) inbox_len: usize,
    worker_timeout: Duration,
    idle: Idle,
    out: Vec<Instruction>,
}

impl Core {
    pub(crate) fn new(
        addresses: Vec<Address>,
        dashboard: Option<String>,
        worker_timeout: Duration,
        idle: Idle,
    ) -> Core {
        Core {
            scheduler: Scheduler::new(),
            tables: Tables::default(),
            history: History::new(),
            board: Board::default(),
            calls: Calls::default(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            dashboard,
            pending: Vec::new(),
            staying: BTreeSet::new(),
            journal: None,
            away: BTreeMap::new(),
            connections: BTreeMap::new(),
            expected: None,
            inbox_len: 0,
            worker_timeout,
            idle,
            out: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Incoming>) {
        let mut clock = tokio::time::interval(Duration::from_secs(1).min(self.worker_timeout / 4));
        let mut turn = Vec::new();
        loop {
            tokio::select! {
                count = inbox.recv_many(&mut turn, TURN_LEN) => if count == 0 { return },
                _ = clock.tick() => {
                    self.find_silent_workers();
                    let (idle, scheduler) = (&mut self.idle, &self.scheduler);
                    idle.look(Instant::now(), || crate::answer::unfinished(scheduler).0 > 0);
                }
            }
            let started = Instant::now();
            for incoming in turn.drain(..) {
                self.take_in(incoming);
            }
            self.write_down();
            self.tables.flush();
            self.inbox_len = inbox.len();
            self.history.turn(started.elapsed());
        }
    }

    fn take_in(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Worker { worker, messages } => {
                if let Some(known) = self.tables.workers.get_mut(&worker) {
                    known.last_seen = Instant::now();
                    messages.into_iter().for_each(|message| self.hear_worker(worker, message));
                }
            }
            Incoming::Client { client, messages } => {
                let client = self.connections.get(&client).copied().unwrap_or(client);
                for message in messages {
                    if !self.tables.clients.contains_key(&client) {
                        return;
                    }
                    self.hear_client(client, message);
                }
            }
            Incoming::WorkerJoined { worker, info, host, sender, inventory } => {
                self.worker_joined(worker, *info, host, sender, inventory);
            }
            Incoming::WorkerGone { worker, reason } => self.worker_gone(worker, reason.as_deref()),
            Incoming::ClientJoined { client, name, session, sender } => {
                self.client_joined(client, name, session, sender)
            }
            Incoming::ClientResumed { client, session, sender } => self.resume(client, session, sender),
            Incoming::ClientGone { client: connection, broken } => {
                let client = self.connections.get(&connection).copied().unwrap_or(connection);
                let current = self.tables.clients.get(&client).is_some_and(|known| known.connection == connection);
                match (current, broken) {
                    (true, true) => self.client_away(client),
                    (true, false) => {
                        tracing::info!(%client, "a client left");
                        self.connections.remove(&connection);
                        self.client_lost(client);
                    }
                    // It is back on another connection.
                    (false, _) => drop(self.connections.remove(&connection)),
                }
            }
            Incoming::End { for_good, said } => self.end(for_good, said),
            Incoming::View { view, answer } => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.view(view));
            }
        }
    }

    /// Feeds the scheduler, and does what it says.
    pub(crate) fn step(&mut self, event: Event) {
        let mut out = std::mem::take(&mut self.out);
        self.scheduler.step(event, &mut out);
        self.history.events += 1;
        self.deliver(&mut out);
        self.out = out;
    }

    fn worker_joined(
        &mut self,
        worker: WorkerId,
        mut info: WorkerInfo,
        host: Option<String>,
        sender: Sender<ToWorker>,
        inventory: Option<Inventoried>,
    ) {
        if let Some(inventory) = &inventory {
            // Nothing is made again that is about to turn up.
            self.step(Event::Hold { hold: true });
            if self.tables.workers.contains_key(&inventory.before) {
                self.worker_gone(inventory.before, Some("its connection broke, and it is back"));
            }
        }
        info.worker = worker;
        if let Some(other) = self.namesake(&info) {
            let reason = format!(
                "the name '{}' is taken by the worker at {other}\nhint: give each worker a name of its own, or none",
                info.name
            );
            tracing::warn!(%worker, name = info.name, other, "a worker was refused: its name is taken");
            let lasting = self.journal.is_some();
            let _ = sender.push([ToWorker::Welcome { worker, lasting }, ToWorker::Retire { reason }]);
            if inventory.is_some() && self.expected.is_none() {
                self.step(Event::Hold { hold: false });
            }
            return;
        }
        if let (Some(host), Ok(address)) = (&host, info.address.parse::<Address>())
            && let Some((own, port)) = address.host_port()
            && own.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
        {
            // It listens everywhere: others reach it where its connection comes from.
            info.address = address.at(host, port).to_string();
        }
        info.last_seen_us = now_us();
        let slots = Slots::Separate { python: info.python_slots, native: info.native_slots };
        tracing::info!(%worker, name = info.name, address = info.address, "a worker joined");
        let traits = Traits { labels: labels(&info), resources: info.resources.clone(), anything: false };
        let peers = self.tables.workers.values().map(|peer| (peer.info.worker, peer.info.address.clone())).collect();
        self.note_record(Record::Worker { worker, name: info.name.clone() });
        let (name, lasting) = (info.name.clone(), self.journal.is_some());
        let mut outbox = Outbox::default();
        outbox.extend([ToWorker::Welcome { worker, lasting }, ToWorker::Peers { joined: peers, left: vec![] }]);
        outbox.extend(self.setups());
        for other in self.tables.workers.values_mut() {
            other.outbox.say(ToWorker::Peers { joined: vec![(worker, info.address.clone())], left: vec![] });
        }
        for client in self.tables.clients.values_mut() {
            client.outbox.say(ToClient::Workers { joined: vec![info.clone()], left: vec![] });
        }
        let told = format!("{{\"action\":\"add-worker\",\"worker\":{:?}}}", info.address);
        let entry = Worker {
            sender,
            outbox,
            info,
            last_seen: Instant::now(),
            memory_managed_bytes: 0,
            cpu_percent: 0.0,
            executing: 0,
            vitals: Default::default(),
            joined_us: now_us(),
        };
        self.tables.workers.insert(worker, entry);
        self.step(Event::WorkerJoined { worker, slots, traits });
        self.announce(&told);
        if let Some(inventory) = inventory {
            self.take_over(worker, inventory);
            if self.expected.is_none() {
                self.step(Event::Hold { hold: false });
            }
        }
        self.stop_expecting(Some(&name));
    }

    /// Where another worker of the same name is. One that comes back from the same process is no other.
    fn namesake(&self, info: &WorkerInfo) -> Option<String> {
        let others = self.tables.workers.values().map(|worker| &worker.info);
        let mut same =
            others.filter(|other| other.name == info.name && (&other.host, other.pid) != (&info.host, info.pid));
        same.next().map(|other| other.address.clone())
    }

    /// A worker is gone: in order, or for a reason.
    fn worker_gone(&mut self, worker: WorkerId, reason: Option<&str>) {
        let Some(gone) = self.tables.workers.remove(&worker) else { return };
        match reason {
            None => tracing::info!(%worker, name = gone.info.name, "a worker left"),
            Some(reason) => tracing::warn!(%worker, name = gone.info.name, reason, "a worker is lost"),
        }
        let address = gone.info.address;
        let name = WorkerName { id: worker.0.into(), name: gone.info.name, address: address.clone() };
        self.history.worker_gone(name, reason);
        for other in self.tables.workers.values_mut() {
            other.outbox.say(ToWorker::Peers { joined: vec![], left: vec![worker] });
        }
        for client in self.tables.clients.values_mut() {
            client.outbox.say(ToClient::Workers { joined: vec![], left: vec![worker] });
        }
        self.note_record(Record::Left { worker });
        self.worker_settled(worker, false);
        self.step(Event::WorkerLost { worker });
        self.end_calls(worker);
        self.announce(&format!("{{\"action\":\"remove-worker\",\"worker\":{address:?}}}"));
    }

    fn find_silent_workers(&mut self) {
        let silent: Vec<WorkerId> = self
            .tables
            .workers
            .iter()
            .filter(|(_, worker)| worker.last_seen.elapsed() > self.worker_timeout)
            .map(|(&id, _)| id)
            .collect();
        for worker in silent {
            if let Some(silent) = self.tables.workers.get(&worker) {
                // If it lives, it finds its connection closed, and comes back with what it has.
                silent.sender.close();
            }
            self.worker_gone(worker, Some(&format!("it was silent for {} s", self.worker_timeout.as_secs())));
        }
        self.stop_expecting(None);
        self.give_up_clients();
        self.tables.remind();
        self.history.tick();
        self.step(Event::Tidy);
    }

    fn client_joined(&mut self, client: ClientId, name: String, session: u128, sender: Sender<ToClient>) {
        tracing::info!(%client, name, "a client joined");
        self.note_record(Record::Client { client, session, name: name.clone() });
        self.let_in(client, client, session, name, vec![], sender);
        self.give_graphs(client);
        self.announce(&format!("{{\"action\":\"add-client\",\"client\":{}}}", client.0));
    }

    /// A client wants nothing any more.
    pub(crate) fn client_lost(&mut self, client: ClientId) {
        let present = self.tables.clients.remove(&client).is_some();
        self.note_record(Record::Gone { client });
        self.step(Event::ClientLost { client });
        if present {
            self.end_sharing(client);
        }
        self.end_leases(client);
    }

    /// Hands what was noted to the operating system, before anybody is told.
    fn write_down(&mut self) {
        self.note_board();
        if let Some(mut journal) = self.journal.take() {
            journal.flush(self.tables.graphs.is_empty(), || self.present());
            self.journal = Some(journal);
        }
    }

    fn end(&mut self, for_good: bool, said: oneshot::Sender<()>) {
        if for_good || self.journal.is_none() {
            let reason = "the scheduler ends";
            for worker in self.tables.workers.values() {
                let _ = worker.sender.push([ToWorker::Leave { reason: reason.to_owned() }]);
            }
            for client in self.tables.clients.values() {
                let _ = client.sender.push([ToClient::Ended]);
            }
            if let Some(journal) = self.journal.take() {
                journal.remove();
            }
        }
        let _ = said.send(());
    }

    /// Tells a client what there is.
    pub(crate) fn let_in(
        &mut self,
        client: ClientId,
        connection: ClientId,
        session: u128,
        name: String,
        graphs: Vec<(u32, u32)>,
        sender: Sender<ToClient>,
    ) {
        let workers = self.tables.workers.values().map(|worker| worker.info.clone()).collect();
        let mut outbox = Outbox::default();
        outbox.extend([
            ToClient::Welcome { client, dashboard: self.dashboard.clone(), lasting: self.journal.is_some() },
            ToClient::Workers { joined: workers, left: vec![] },
        ]);
        self.tables.clients.insert(client, Client { sender, outbox, name, session, connection, graphs });
    }

    pub(crate) fn give_graphs(&mut self, client: ClientId) {
        let first = self.tables.next_graph;
        let Some(next) = first.checked_add(GRAPHS_PER_RANGE) else {
            tracing::error!("all 2^32 graph numbers are used up: restart the scheduler");
            return;
        };
        self.tables.next_graph = next;
        self.note_record(Record::Graphs { client, first, behind: next });
        if let Some(client) = self.tables.clients.get_mut(&client) {
            client.graphs.push((first, next));
            client.outbox.say(ToClient::Graphs { first, count: GRAPHS_PER_RANGE });
        }
    }

    fn hear_worker(&mut self, worker: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Finished { task, attempt, size_bytes, ran, inline } => {
                if !self.tables.has(task) {
                    self.tables.tell_worker(worker, ToWorker::Free { task });
                    return;
                }
                self.tables.hold(task, Held { size_bytes, inline });
                self.history.ran(task, worker, ran, Some(size_bytes));
                let duration_us = ran.duration_us;
                self.step(Event::Finished { worker, task, attempt, size_bytes, duration_us });
                if self.scheduler.holders(task).is_empty() {
                    // A late answer that nobody wants.
                    self.tables.let_go(task);
                }
            }
            FromWorker::Failed { task, attempt, failure, .. } if failure.kind == ErrorKind::Rescheduled => {
                // As if it had been asked back before it began.
                self.step(Event::Retracted { worker, task, attempt });
            }
            FromWorker::Failed { task, attempt, died, failure } => {
                if self.tables.has(task) {
                    self.task_failed(worker, task, died, failure);
                    self.step(Event::Failed { worker, task, attempt, died });
                }
            }
            FromWorker::InputMissing { task, attempt, input, holder } => {
                tracing::info!(%worker, %task, %input, %holder, "an input could not be got");
                self.step(Event::InputMissing { worker, task, attempt, input, holder });
            }
            FromWorker::Retracted { task, attempt } => self.step(Event::Retracted { worker, task, attempt }),
            FromWorker::Retained { task, attempt } => self.step(Event::Retained { worker, task, attempt }),
            FromWorker::Strained { strained } => {
                tracing::info!(%worker, strained, "a worker's memory is short, or no longer");
                self.step(Event::Strained { worker, strained });
            }
            FromWorker::Copied { task } => {
                self.step(Event::Copied { worker, task });
                self.copy_settled(worker, task);
            }
            FromWorker::CopyFailed { task } => {
                tracing::info!(%worker, %task, "a copy could not be made");
                self.step(Event::CopyFailed { worker, task });
                self.copy_settled(worker, task);
            }
            FromWorker::Leaving => self.step(Event::Retire { workers: vec![worker] }),
            FromWorker::Restarted => self.worker_settled(worker, false),
            FromWorker::Dropped { task } => self.step(Event::Dropped { worker, task }),
            FromWorker::Heartbeat {
                memory_used_bytes,
                memory_managed_bytes,
                memory_spilled_bytes,
                cpu_percent,
                executing,
            } => {
                if let Some(known) = self.tables.workers.get_mut(&worker) {
                    known.info.memory_used_bytes = memory_used_bytes;
                    known.info.memory_managed_bytes = memory_managed_bytes;
                    known.info.memory_spilled_bytes = memory_spilled_bytes;
                    known.info.last_seen_us = now_us();
                    known.memory_managed_bytes = memory_managed_bytes;
                    known.cpu_percent = cpu_percent;
                    known.executing = executing;
                }
            }
            FromWorker::Called { call, answers } => self.hear_called(call, answers),
            FromWorker::Slots { python } => self.step(Event::WorkerSlots { worker, python }),
            FromWorker::Observed(observation) => self.observed(worker, observation),
            FromWorker::Hello(_) | FromWorker::Rejoin(_) => tracing::warn!(%worker, "a worker said hello twice"),
        }
    }

    fn observed(&mut self, worker: WorkerId, observation: Observation) {
        let Some(known) = self.tables.workers.get_mut(&worker) else { return };
        match observation {
            Observation::Vitals(vitals) => {
                self.history.clock(worker, &vitals);
                known.vitals = vitals;
            }
            Observation::Transferred(transfer) => self.history.transferred(worker, transfer),
            Observation::Profiled(profile) => self.history.profiles.add(now_us(), worker, profile),
            Observation::Logged(lines) => self.history.logged(&known.info.name, lines),
        }
    }

    fn task_failed(&mut self, worker: WorkerId, task: TaskId, died: bool, mut failure: raskal_proto::FailureMessage) {
        failure.key.get_or_insert_with(|| self.tables.key(task));
        let name = self.tables.workers.get(&worker).map(|worker| worker.info.name.clone()).unwrap_or_default();
        let unknown = || Ran { began_us: now_us(), ..Ran::default() };
        self.history.ran(task, worker, failure.ran.unwrap_or_else(unknown), None);
        self.history.failed(task, &self.tables.key(task), &name, &failure);
        if let Some(submitted) = self.tables.graphs.get_mut(&task.graph) {
            if died {
                submitted.deaths.entry(task.index).or_default().push(failure.message.clone());
            }
            submitted.failures.insert(task.index, failure);
        }
    }
}

/// What tasks may call a worker: its name, its address with and without scheme and port, and its machine.
pub(crate) fn labels(info: &WorkerInfo) -> Vec<String> {
    let mut labels = vec![info.name.clone(), info.address.clone(), info.host.clone()];
    if let Ok(address) = info.address.parse::<Address>()
        && let Some((host, port)) = address.host_port()
    {
        labels.push(host.to_owned());
        labels.push(format!("{host}:{port}"));
        // As it would be written without encryption, which is how clients of other engines name it.
        labels.push(format!("tcp://{host}:{port}"));
    }
    labels
}
