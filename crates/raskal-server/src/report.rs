//! What the dashboard shows: recent history, and snapshots made of it on demand.

use crate::core::{Core, Incoming};
use raskal_dashboard as dashboard;
use raskal_graph::Graph;
use raskal_proto::FailureMessage;
use raskal_types::{GraphId, TaskId, WorkerId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// How many runs, failures, forgotten graphs and lost workers are remembered.
const RUNS_MAX: usize = 4096;
const ERRORS_MAX: usize = 50;
const FORGOTTEN_MAX: usize = 64;
const LOST_MAX: usize = 16;

/// Microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

/// One run of a task.
struct Run {
    sequence: u64,
    task: TaskId,
    worker: WorkerId,
    stop_us: u64,
    duration_us: u32,
    ok: bool,
}

/// What happened lately.
pub(crate) struct History {
    pub(crate) started_us: u64,
    pub(crate) events: u64,
    /// Time spent in handling events.
    pub(crate) busy: Duration,
    runs: VecDeque<Run>,
    errors: VecDeque<dashboard::TaskError>,
    /// Graphs that are gone, whose runs are still shown.
    forgotten: VecDeque<(GraphId, Arc<Graph>)>,
    lost: VecDeque<String>,
    totals: dashboard::Totals,
    sequence: u64,
    /// Events and busy time at the last tick, and the rates since the one before.
    last: (Instant, u64, Duration),
    rates: (f64, f64),
}

impl History {
    pub(crate) fn new() -> History {
        History {
            started_us: now_us(),
            events: 0,
            busy: Duration::ZERO,
            runs: VecDeque::new(),
            errors: VecDeque::new(),
            forgotten: VecDeque::new(),
            lost: VecDeque::new(),
            totals: dashboard::Totals::default(),
            sequence: 0,
            last: (Instant::now(), 0, Duration::ZERO),
            rates: (0.0, 0.0),
        }
    }

    pub(crate) fn ran(&mut self, task: TaskId, worker: WorkerId, duration_us: u32, ok: bool) {
        *(if ok { &mut self.totals.tasks_done } else { &mut self.totals.tasks_failed }) += 1;
        if self.runs.len() == RUNS_MAX {
            self.runs.pop_front();
        }
        self.sequence += 1;
        self.runs.push_back(Run { sequence: self.sequence, task, worker, stop_us: now_us(), duration_us, ok });
    }

    pub(crate) fn failed(&mut self, task: TaskId, key: &str, worker: &str, failure: &FailureMessage) {
        if self.errors.len() == ERRORS_MAX {
            self.errors.pop_front();
        }
        let layer = raskal_types::key::parse(key).0;
        let sequence = self.errors.back().map_or(1, |last| last.sequence + 1);
        tracing::info!(%task, key, worker, message = failure.message, "a task failed");
        self.errors.push_back(dashboard::TaskError {
            sequence,
            key: key.to_owned(),
            layer,
            worker: worker.to_owned(),
            time_us: now_us(),
            message: failure.message.clone(),
            traceback: failure.traceback.clone(),
        });
    }

    pub(crate) fn forgotten(&mut self, id: GraphId, graph: Arc<Graph>) {
        if self.forgotten.len() == FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back((id, graph));
    }

    pub(crate) fn worker_lost(&mut self, worker: WorkerId, name: &str, reason: &str) {
        self.totals.workers_lost += 1;
        if self.lost.len() == LOST_MAX {
            self.lost.pop_front();
        }
        self.lost.push_back(format!("worker {worker} ({name}) was lost: {reason}"));
    }

    /// The workers that were lost lately, the last one first.
    pub(crate) fn lost_workers(&self) -> impl Iterator<Item = String> {
        self.lost.iter().rev().cloned()
    }

    /// Once a second or so: rates.
    pub(crate) fn tick(&mut self) {
        let elapsed = self.last.0.elapsed().as_secs_f64();
        if elapsed > 0.5 {
            let events = (self.events - self.last.1) as f64;
            let busy_us = (self.busy - self.last.2).as_secs_f64() * 1e6;
            self.rates = (events / elapsed, if events > 0.0 { busy_us / events } else { 0.0 });
            self.last = (Instant::now(), self.events, self.busy);
        }
    }
}

/// The dashboard's way to the task that owns the scheduler.
pub(crate) struct Reports {
    inbox: mpsc::Sender<Incoming>,
}

impl Reports {
    pub(crate) fn new(inbox: mpsc::Sender<Incoming>) -> Reports {
        Reports { inbox }
    }
}

impl dashboard::Source for Reports {
    fn snapshot(&self) -> dashboard::Snapshot {
        let (answer, answered) = oneshot::channel();
        // Both fail only while the process ends, when nobody looks any more.
        if self.inbox.blocking_send(Incoming::Snapshot { answer }).is_err() {
            return dashboard::Snapshot::default();
        }
        answered.blocking_recv().unwrap_or_default()
    }
}

impl Core {
    pub(crate) fn snapshot(&self) -> dashboard::Snapshot {
        let history = &self.history;
        dashboard::Snapshot {
            time_us: now_us(),
            scheduler: dashboard::Scheduler {
                address: self.addresses.first().cloned().unwrap_or_default(),
                version: raskal_net::VERSION.to_owned(),
                started_us: history.started_us,
                events: history.events,
                events_per_s: history.rates.0,
                event_us_mean: history.rates.1,
                connections: (self.tables.workers.len() + self.tables.clients.len()) as u64,
                memory_bytes: own_memory(),
            },
            totals: dashboard::Totals { clients: self.tables.clients.len() as u64, ..history.totals.clone() },
            workers: self.tables.workers.values().map(|worker| self.worker(worker)).collect(),
            graphs: self.scheduler.graphs().filter_map(|(graph, _)| self.graph(graph)).collect(),
            events: history.runs.iter().filter_map(|run| self.event(run)).collect(),
            errors: history.errors.iter().cloned().collect(),
        }
    }

    fn worker(&self, worker: &crate::tables::Worker) -> dashboard::Worker {
        let (assigned, holds, held_bytes) = self.scheduler.load(worker.info.worker);
        let executing = u64::from(worker.executing).min(assigned as u64);
        dashboard::Worker {
            id: u64::from(worker.info.worker.0),
            name: worker.info.name.clone(),
            address: worker.info.address.clone(),
            threads: worker.info.python_slots.max(worker.info.native_slots),
            executing,
            queued: assigned as u64 - executing,
            in_memory: holds as u64,
            memory_used_bytes: worker.info.memory_used_bytes,
            memory_limit_bytes: worker.info.memory_limit_bytes,
            memory_managed_bytes: worker.memory_managed_bytes.max(held_bytes),
            cpu_percent: f64::from(worker.cpu_percent),
            last_seen_us: worker.info.last_seen_us,
        }
    }

    fn graph(&self, id: GraphId) -> Option<dashboard::Graph> {
        let submitted = self.tables.graphs.get(&id)?;
        let client = self.tables.clients.get(&submitted.client).map(|client| client.name.clone()).unwrap_or_default();
        let counts = self.scheduler.counts(id);
        let layers = submitted.graph.layers().iter().zip(&counts).zip(&submitted.held_by_layer);
        let layers = layers
            .map(|((layer, counts), &held)| {
                let [total, running, done, failed] =
                    [counts.needed, counts.running, counts.done, counts.failed].map(u64::from);
                dashboard::Layer {
                    prefix: layer.prefix.clone(),
                    counts: dashboard::Counts {
                        total,
                        waiting: total.saturating_sub(running + done + failed),
                        ready: 0,
                        running,
                        done,
                        failed,
                        in_memory: held,
                    },
                }
            })
            .collect();
        Some(dashboard::Graph { id: u64::from(id.0), client, submitted_us: submitted.submitted_us, layers })
    }

    fn event(&self, run: &Run) -> Option<dashboard::TaskEvent> {
        let graph = match self.tables.graphs.get(&run.task.graph) {
            Some(submitted) => &submitted.graph,
            None => &self.history.forgotten.iter().find(|(id, _)| *id == run.task.graph)?.1,
        };
        Some(dashboard::TaskEvent {
            sequence: run.sequence,
            key: graph.key(run.task.index),
            layer: graph.layer(graph.locate(run.task.index).0).prefix.clone(),
            worker: u64::from(run.worker.0),
            thread: 0,
            start_us: run.stop_us.saturating_sub(u64::from(run.duration_us)),
            stop_us: run.stop_us,
            ok: run.ok,
        })
    }
}

/// Resident memory of this process.
fn own_memory() -> u64 {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
    let Ok(pid) = sysinfo::get_current_pid() else { return 0 };
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(pid).map_or(0, sysinfo::Process::memory)
}
