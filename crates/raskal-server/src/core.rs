//! The task that owns the scheduler.
//!
//! Start at [`Core::run`]. It takes all messages that wait, feeds the scheduler, and hands out what is to be said at the
//! end of the turn, so that under load many messages share a frame.
//! Invariant: nobody else touches the scheduler, and nothing here waits for a peer.

use crate::board::Board;
use crate::idle::Idle;
use crate::report::{History, now_us};
use crate::share::Calls;
use crate::tables::{Client, Held, Tables, Worker};
use raskal_dashboard::Snapshot;
use raskal_net::{Address, Sender};
use raskal_proto::client::WorkerInfo;
use raskal_proto::{FromClient, FromWorker, ToClient, ToWorker};
use raskal_scheduler::{Event, Instruction, Scheduler, Slots};
use raskal_types::{ClientId, TaskId, WorkerId};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Graph numbers that a client is given at a time.
const GRAPHS_PER_RANGE: u32 = 4096;

/// Turns taken together, so that the sockets get their time.
const TURN_LEN: usize = 64;

/// What comes in from the connections and the dashboard.
pub(crate) enum Incoming {
    WorkerJoined { worker: WorkerId, info: Box<WorkerInfo>, host: Option<String>, sender: Sender<ToWorker> },
    Worker { worker: WorkerId, messages: Vec<FromWorker> },
    WorkerGone { worker: WorkerId, reason: Option<String> },
    ClientJoined { client: ClientId, name: String, sender: Sender<ToClient> },
    Client { client: ClientId, messages: Vec<FromClient> },
    ClientGone { client: ClientId },
    Snapshot { answer: oneshot::Sender<Snapshot> },
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
            self.history.busy += started.elapsed();
            self.tables.flush();
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
                for message in messages {
                    if !self.tables.clients.contains_key(&client) {
                        return;
                    }
                    self.hear_client(client, message);
                }
            }
            Incoming::WorkerJoined { worker, info, host, sender } => self.worker_joined(worker, *info, host, sender),
            Incoming::WorkerGone { worker, reason } => self.worker_gone(worker, reason.as_deref()),
            Incoming::ClientJoined { client, name, sender } => self.client_joined(client, name, sender),
            Incoming::ClientGone { client } => {
                if self.tables.clients.remove(&client).is_some() {
                    tracing::info!(%client, "a client left");
                    self.step(Event::ClientLost { client });
                    self.end_sharing(client);
                }
            }
            Incoming::Snapshot { answer } => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.snapshot());
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
    ) {
        info.worker = worker;
        if let Some(other) = self.namesake(&info) {
            let reason = format!(
                "the name '{}' is taken by the worker at {other}\nhint: give each worker a name of its own, or none",
                info.name
            );
            tracing::warn!(%worker, name = info.name, other, "a worker was refused: its name is taken");
            let _ = sender.push([ToWorker::Welcome { worker }, ToWorker::Retire { reason }]);
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
        let peers = self.tables.workers.values().map(|peer| (peer.info.worker, peer.info.address.clone())).collect();
        let mut outbox = vec![ToWorker::Welcome { worker }, ToWorker::Peers { joined: peers, left: vec![] }];
        outbox.extend(self.setups());
        for other in self.tables.workers.values_mut() {
            other.outbox.push(ToWorker::Peers { joined: vec![(worker, info.address.clone())], left: vec![] });
        }
        for client in self.tables.clients.values_mut() {
            client.outbox.push(ToClient::Workers { joined: vec![info.clone()], left: vec![] });
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
        };
        self.tables.workers.insert(worker, entry);
        self.step(Event::WorkerJoined { worker, slots });
        self.announce(&told);
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
            Some(reason) => {
                tracing::warn!(%worker, name = gone.info.name, reason, "a worker is lost");
                self.history.worker_lost(worker, &gone.info.name, reason);
            }
        }
        for other in self.tables.workers.values_mut() {
            other.outbox.push(ToWorker::Peers { joined: vec![], left: vec![worker] });
        }
        for client in self.tables.clients.values_mut() {
            client.outbox.push(ToClient::Workers { joined: vec![], left: vec![worker] });
        }
        self.step(Event::WorkerLost { worker });
        self.end_calls(worker);
        self.announce(&format!("{{\"action\":\"remove-worker\",\"worker\":{:?}}}", gone.info.address));
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
                let reason = format!("the scheduler heard nothing of it for {} s", self.worker_timeout.as_secs());
                let _ = silent.sender.push([ToWorker::Retire { reason }]);
                silent.sender.close();
            }
            self.worker_gone(worker, Some(&format!("it was silent for {} s", self.worker_timeout.as_secs())));
        }
        self.history.tick();
    }

    fn client_joined(&mut self, client: ClientId, name: String, sender: Sender<ToClient>) {
        tracing::info!(%client, name, "a client joined");
        let workers = self.tables.workers.values().map(|worker| worker.info.clone()).collect();
        let outbox = vec![
            ToClient::Welcome { client, dashboard: self.dashboard.clone() },
            ToClient::Workers { joined: workers, left: vec![] },
        ];
        self.tables.clients.insert(client, Client { sender, outbox, name, graphs: vec![] });
        self.give_graphs(client);
        self.announce(&format!("{{\"action\":\"add-client\",\"client\":{}}}", client.0));
    }

    pub(crate) fn give_graphs(&mut self, client: ClientId) {
        let first = self.tables.next_graph;
        let Some(next) = first.checked_add(GRAPHS_PER_RANGE) else {
            tracing::error!("all 2^32 graph numbers are used up: restart the scheduler");
            return;
        };
        self.tables.next_graph = next;
        if let Some(client) = self.tables.clients.get_mut(&client) {
            client.graphs.push((first, next));
            client.outbox.push(ToClient::Graphs { first, count: GRAPHS_PER_RANGE });
        }
    }

    fn hear_worker(&mut self, worker: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Finished { task, attempt, size_bytes, duration_us, inline } => {
                if !self.tables.has(task) {
                    self.tables.tell_worker(worker, ToWorker::Free { task });
                    return;
                }
                self.tables.hold(task, Held { size_bytes, inline });
                self.history.ran(task, worker, duration_us, true);
                self.step(Event::Finished { worker, task, attempt, size_bytes, duration_us });
                if self.scheduler.holders(task).is_empty() {
                    // A late answer that nobody wants.
                    self.tables.let_go(task);
                }
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
            FromWorker::Copied { task } => self.step(Event::Copied { worker, task }),
            FromWorker::Dropped { task } => self.step(Event::Dropped { worker, task }),
            FromWorker::Heartbeat { memory_used_bytes, memory_managed_bytes, cpu_percent, executing } => {
                if let Some(known) = self.tables.workers.get_mut(&worker) {
                    known.info.memory_used_bytes = memory_used_bytes;
                    known.info.last_seen_us = now_us();
                    known.memory_managed_bytes = memory_managed_bytes;
                    known.cpu_percent = cpu_percent;
                    known.executing = executing;
                }
            }
            FromWorker::Called { call, answers } => self.hear_called(call, answers),
            FromWorker::Slots { python } => self.step(Event::WorkerSlots { worker, python }),
            FromWorker::Hello(_) => tracing::warn!(%worker, "a worker said hello twice"),
        }
    }

    fn task_failed(&mut self, worker: WorkerId, task: TaskId, died: bool, mut failure: raskal_proto::FailureMessage) {
        failure.key.get_or_insert_with(|| self.tables.key(task));
        let name = self.tables.workers.get(&worker).map(|worker| worker.info.name.clone()).unwrap_or_default();
        self.history.ran(task, worker, 0, false);
        self.history.failed(task, &self.tables.key(task), &name, &failure);
        if let Some(submitted) = self.tables.graphs.get_mut(&task.graph) {
            if died {
                submitted.deaths.entry(task.index).or_default().push(failure.message.clone());
            }
            submitted.failures.insert(task.index, failure);
        }
    }
}
