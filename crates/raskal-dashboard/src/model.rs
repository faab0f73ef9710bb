//! What the dashboard shows: one [`Snapshot`] of a cluster, as plain data.
//!
//! Whoever has a scheduler fills it in; the pages, the JSON, the websocket and the metrics are made from nothing else.
//! Names carry their unit. Times are microseconds since the Unix epoch, by the scheduler's clock.
//!
//! This module knows no type of the scheduler, so that the page can be worked on without one.

use crate::view::{View, ViewData};
use serde::{Deserialize, Serialize};

/// Gives the dashboard its data.
///
/// Called at most four times a second, from a thread that may block, and never while nobody looks.
pub trait Source: Send + Sync + 'static {
    /// The cluster as it is now.
    fn snapshot(&self) -> Snapshot;

    /// What was asked beside snapshots; `None` for what is not known, or not any more.
    fn view(&self, view: &View) -> Option<ViewData> {
        let _ = view;
        None
    }
}

/// A cluster at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub time_us: u64,
    /// The scheduler process and its health.
    pub scheduler: Scheduler,
    /// Counters since the scheduler started.
    pub totals: Totals,
    /// Connected workers, in the order in which they joined.
    pub workers: Vec<Worker>,
    /// Graphs that are running or whose results are still held, oldest first.
    pub graphs: Vec<Graph>,
    /// The most recently finished tasks, oldest first. Keep a bounded number (some thousands).
    pub events: Vec<TaskEvent>,
    /// The most recent failures, oldest first. Keep a bounded number (some tens).
    pub errors: Vec<TaskError>,
}

/// The scheduler process and its health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scheduler {
    /// The address that clients connect to, such as `tls://10.0.0.5:8786`.
    pub address: String,
    /// raskal's version.
    pub version: String,
    /// When the process started. A change tells the page that this is another scheduler.
    pub started_us: u64,
    /// Events handled since the start.
    pub events: u64,
    /// Events handled per second, over the last seconds.
    pub events_per_s: f64,
    /// Mean time to handle one event, over the last seconds.
    pub event_us_mean: f64,
    /// Open connections, of workers and clients together.
    pub connections: u64,
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Part of the time that it was busy, from 0 to 1, over the last seconds.
    pub busy: f64,
    /// Frames of messages that wait to be handled.
    pub inbox: u64,
    /// The longest time between two looks at the connections, over the last seconds.
    pub turn_us_max: f64,
}

/// Counters that only grow while one scheduler lives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Connected clients now.
    pub clients: u64,
    /// Tasks that finished well.
    pub tasks_done: u64,
    /// Tasks whose function failed.
    pub tasks_failed: u64,
    /// Workers that went away without saying goodbye.
    pub workers_lost: u64,
    /// Values that went from worker to worker.
    pub transfers: u64,
    /// Their bytes.
    pub transfer_bytes: u64,
    /// Time that tasks ran, over all threads.
    pub task_us: u64,
}

/// One worker: a node runtime and its slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Number of the worker, never used again by another one.
    pub id: u64,
    /// Name given on its command line, or made from its host.
    pub name: String,
    /// Where its peers reach it.
    pub address: String,
    /// Tasks that it can run at once.
    pub threads: u32,
    /// Tasks that it runs now.
    pub executing: u64,
    /// Tasks sent to it that have not begun.
    pub queued: u64,
    /// Results that it holds.
    pub in_memory: u64,
    /// Resident memory of its processes.
    pub memory_used_bytes: u64,
    /// Its memory budget; 0 where it has none.
    pub memory_limit_bytes: u64,
    /// Bytes of the results that it holds in memory, part of the memory used.
    pub memory_managed_bytes: u64,
    /// Bytes of its results that lie on disk.
    pub spilled_bytes: u64,
    /// Bytes of values that it got from other workers since it joined.
    pub received_bytes: u64,
    /// Bytes of values that it gave to other workers and clients since it joined.
    pub sent_bytes: u64,
    /// Transfers to it that are under way.
    pub transfers: u64,
    /// Time that the tasks given to it will take one thread, by what their layers took so far.
    pub occupancy_us: f64,
    /// Processor time over wall time, 100 for one busy core.
    pub cpu_percent: f64,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// When it joined.
    pub joined_us: u64,
    /// When it was last heard of.
    pub last_seen_us: u64,
}

/// One submitted graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// Number of the graph.
    pub id: u64,
    /// Who submitted it.
    pub client: String,
    /// When it arrived.
    pub submitted_us: u64,
    /// Its layers, dependencies first.
    pub layers: Vec<Layer>,
}

/// Progress of one layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Key prefix, such as `read-csv-1f0a...`.
    pub prefix: String,
    /// What people call its tasks, where that differs from the prefix; at most some.
    pub names: Vec<String>,
    /// Where its tasks are.
    pub counts: Counts,
}

/// How many tasks are in which state: `total = waiting + ready + running + done + failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All tasks.
    pub total: u64,
    /// Tasks whose inputs are not there yet.
    pub waiting: u64,
    /// Tasks that could run and wait for a slot, whether here or in a worker's queue.
    pub ready: u64,
    /// Tasks that a worker runs.
    pub running: u64,
    /// Tasks that finished well, whether or not their result is still held.
    pub done: u64,
    /// Tasks that failed, or depend on one that did.
    pub failed: u64,
    /// Those of `done` whose result is held.
    pub in_memory: u64,
}

/// One run of a task, finished, or one transfer of a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskEvent {
    /// Grows by one with each event of a scheduler: a reader keeps the last one that it saw.
    pub sequence: u64,
    /// The task's key.
    pub key: String,
    /// Prefix of its layer.
    pub layer: String,
    /// What people call it: the function of a call, or else the layer.
    pub name: String,
    /// Number of its graph, and its number in the graph.
    pub task: (u64, u32),
    /// [`Worker::id`] of where it ran, or who got the value.
    pub worker: u64,
    /// Slot of the worker that ran it, counted from 0.
    pub thread: u32,
    /// When the function was entered.
    pub start_us: u64,
    /// When it was left.
    pub stop_us: u64,
    /// Whether it gave a result.
    pub ok: bool,
    /// Whether this is the transfer of its value from another worker, and no run.
    pub transfer: bool,
    /// Bytes of its value.
    pub size_bytes: u64,
}

/// A task that failed, as its author needs to see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskError {
    /// Grows by one with each error of a scheduler.
    pub sequence: u64,
    /// The task's key.
    pub key: String,
    /// Prefix of its layer.
    pub layer: String,
    /// Number of its graph, and its number in the graph.
    pub task: (u64, u32),
    /// Name of the worker where it ran.
    pub worker: String,
    /// When it failed.
    pub time_us: u64,
    /// Type and text of the exception.
    pub message: String,
    /// The traceback as Python prints it; empty for native functions.
    pub traceback: String,
}

impl Snapshot {
    /// Seconds since the scheduler started.
    pub fn uptime_s(&self) -> f64 {
        self.time_us.saturating_sub(self.scheduler.started_us) as f64 / 1e6
    }

    /// Tasks by state, over all layers of all graphs.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for layer in self.graphs.iter().flat_map(|graph| &graph.layers) {
            sum += layer.counts;
        }
        sum
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.waiting += other.waiting;
        self.ready += other.ready;
        self.running += other.running;
        self.done += other.done;
        self.failed += other.failed;
        self.in_memory += other.in_memory;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_layers_and_graphs() {
        let layer = |done, failed| Layer {
            prefix: "x".into(),
            counts: Counts { total: done + failed, done, failed, ..Counts::default() },
            ..Layer::default()
        };
        let graph = |layers| Graph { layers, ..Graph::default() };
        let snapshot = Snapshot {
            graphs: vec![graph(vec![layer(1, 2), layer(3, 0)]), graph(vec![layer(5, 1)])],
            ..Snapshot::default()
        };
        assert_eq!(snapshot.counts(), Counts { total: 12, done: 9, failed: 3, ..Counts::default() });
    }

    #[test]
    fn uptime_is_zero_when_the_clock_went_back() {
        let scheduler = Scheduler { started_us: 10, ..Scheduler::default() };
        assert_eq!(Snapshot { time_us: 5, scheduler, ..Snapshot::default() }.uptime_s(), 0.0);
    }
}
