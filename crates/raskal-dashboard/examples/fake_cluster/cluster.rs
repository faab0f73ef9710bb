//! An invented cluster: layers of tasks with random durations on the threads of a few workers.
//!
//! Seeded and driven by the time it is given, so that two runs differ only in their clock.

use raskal_dashboard::{Counts, Graph, Layer, Scheduler, Snapshot, TaskError, TaskEvent, Totals, Worker};
use std::collections::VecDeque;

const THREADS: u32 = 4;
const WARM_UP_US: u64 = 45_000_000;
const EVENTS: usize = 2_000;
const ROWS: [&str; 2] = ["row 4812: balance is negative: -3.20", "row 977: balance is negative: -0.15"];
const GIB: u64 = 1 << 30;

/// Name, hexadecimal token, tasks, mean milliseconds of a task.
type Plan = &'static [(&'static str, &'static str, u64, u64)];

const PLANS: [Plan; 3] = [
    &[
        ("read-csv", "5be04c1a7f3d92e86a1b0c4d8e2f7a93", 240, 420),
        ("assign-balance", "e01f7c2b9d8a4630b5c1f2e3d4a59687", 240, 60),
        ("groupby-partial", "9a3c5d7e1f2b4860c8d9e0a1b2c3d4f5", 240, 130),
        ("shuffle-write", "47d2e9f0a1b3c5860d7e8f9a0b1c2d34", 96, 240),
        ("groupby-mean", "c8f1a2b3d4e5f60718293a4b5c6d7e8f", 48, 310),
    ],
    &[
        ("random-sample", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", 64, 380),
        ("matmul", "b7a6958473625140f1e2d3c4b5a69788", 512, 170),
        ("matmul-sum", "d4c3b2a190817263545f6e7d8c9bafb0", 64, 90),
        ("mean-chunk", "1a2b3c4d5e6f70819203a4b5c6d7e8f9", 64, 50),
        ("subtract", "6f5e4d3c2b1a09f8e7d6c5b4a3928170", 64, 40),
    ],
    &[
        ("simulate", "77aa88bb99cc00dd11ee22ff33445566", 600, 150),
        ("score", "abcdef0123456789abcdef0123456789", 600, 25),
    ],
];

/// A thread: free from an instant, and the layer and record of what it runs until then.
#[derive(Clone)]
struct Slot {
    free_us: u64,
    task: Option<(usize, TaskEvent)>,
}

pub(crate) struct Cluster {
    now_us: u64,
    started_us: u64,
    random: u64,
    hostile: bool,
    workers: Vec<Worker>,
    /// Of each worker, the threads.
    slots: Vec<Vec<Slot>>,
    graphs: Vec<Graph>,
    plan: usize,
    events: VecDeque<TaskEvent>,
    errors: VecDeque<TaskError>,
    totals: Totals,
    sequence: u64,
}

impl Cluster {
    pub(crate) fn new(workers: usize, hostile: bool, now_us: u64) -> Self {
        let began_us = now_us - WARM_UP_US;
        let mut cluster = Self {
            now_us: began_us,
            started_us: began_us - 3 * 3_600_000_000,
            random: 0x9e37_79b9_7f4a_7c15,
            hostile,
            workers: (0..workers as u64).map(|id| new_worker(id, hostile)).collect(),
            slots: vec![vec![Slot { free_us: began_us, task: None }; THREADS as usize]; workers],
            graphs: Vec::new(),
            plan: 0,
            events: VecDeque::new(),
            errors: VecDeque::new(),
            totals: Totals { clients: 2, workers_lost: 1, ..Totals::default() },
            sequence: 0,
        };
        cluster.advance(now_us);
        cluster
    }

    /// Lives until `now_us`, a hundredth of a second at a time.
    pub(crate) fn advance(&mut self, now_us: u64) {
        while self.now_us + 10_000 <= now_us && !self.workers.is_empty() {
            self.now_us += 10_000;
            if self.graphs.last().is_none_or(|graph| left(graph) == 0) {
                self.submit();
            }
            for worker in 0..self.workers.len() {
                for thread in 0..THREADS as usize {
                    self.fill_slot(worker, thread);
                }
            }
        }
        self.now_us = self.now_us.max(now_us);
        self.measure();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let busy = self.workers.iter().map(|worker| worker.executing).sum::<u64>();
        Snapshot {
            time_us: self.now_us,
            scheduler: Scheduler {
                address: "tls://10.0.0.5:8786".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                started_us: self.started_us,
                events: 4 * self.sequence,
                events_per_s: 61.0 * busy as f64,
                event_us_mean: 3.4 + 0.05 * busy as f64,
                connections: self.workers.len() as u64 + self.totals.clients,
                memory_bytes: 58 << 20,
                busy: (0.02 * busy as f64).min(0.95),
                inbox: busy / 3,
                turn_us_max: 900.0 + 40.0 * busy as f64,
            },
            totals: self.totals.clone(),
            workers: self.workers.clone(),
            graphs: self.graphs.clone(),
            events: self.events.iter().cloned().collect(),
            errors: self.errors.iter().cloned().collect(),
        }
    }

    fn submit(&mut self) {
        let plan = PLANS[self.plan % PLANS.len()];
        self.plan += 1;
        // The client lets go of what it had before.
        for layer in self.graphs.iter_mut().flat_map(|graph| &mut graph.layers) {
            layer.counts.in_memory = 0;
        }
        let layers = plan.iter().enumerate().map(|(index, &(name, token, total, _))| {
            let name = if self.hostile && index == 0 { "<img src=x onerror=alert(1)>" } else { name };
            let (ready, waiting) = if index == 0 { (total, 0) } else { (0, total) };
            Layer {
                prefix: format!("{name}-{token}"),
                counts: Counts { total, ready, waiting, ..Counts::default() },
                ..Layer::default()
            }
        });
        let id = self.plan as u64;
        let client = format!("notebook-{}", 1 + id % 2);
        self.graphs.push(Graph { id, client, submitted_us: self.now_us, layers: layers.collect() });
        if self.graphs.len() > 3 {
            self.graphs.remove(0);
        }
    }

    /// Ends the task of a slot when its time has come, and begins another one.
    fn fill_slot(&mut self, worker: usize, thread: usize) {
        let free_us = self.slots[worker][thread].free_us;
        if free_us > self.now_us {
            return;
        }
        if let Some((layer, event)) = self.slots[worker][thread].task.take() {
            self.finish(&self.workers[worker].name.clone(), layer, event);
        }
        let random = self.next_random();
        let Some(graph) = self.graphs.last_mut() else { return };
        // The last layer that can go on, as a scheduler that releases memory early would choose.
        let Some(index) = graph.layers.iter().rposition(|layer| layer.counts.ready > 0) else { return };
        let layer = &mut graph.layers[index];
        layer.counts.ready -= 1;
        layer.counts.running += 1;
        let mean_us = 1_000 * PLANS[(self.plan - 1) % PLANS.len()][index].3;
        let duration_us = mean_us * (60 + random % 80) / 100;
        let number = layer.counts.done + layer.counts.failed + layer.counts.running;
        let start_us = self.now_us.max(free_us) + random % 4_000;
        let ok = !self.plan.is_multiple_of(3) || index != 1 || !random.is_multiple_of(97);
        let event = TaskEvent {
            sequence: 0,
            key: format!("('{}', {number})", layer.prefix),
            layer: layer.prefix.clone(),
            worker: self.workers[worker].id,
            thread: thread as u32,
            start_us,
            stop_us: start_us + duration_us,
            ok,
            name: PLANS[(self.plan - 1) % PLANS.len()][index].0.into(),
            task: (self.plan as u64, 10_000 * index as u32 + number as u32),
            transfer: false,
            size_bytes: 48 << 20,
        };
        self.slots[worker][thread] = Slot { free_us: event.stop_us, task: Some((index, event)) };
    }

    fn finish(&mut self, worker: &str, index: usize, mut event: TaskEvent) {
        let Some(graph) = self.graphs.last_mut() else { return };
        let layer = &mut graph.layers[index];
        layer.counts.running -= 1;
        self.sequence += 1;
        event.sequence = self.sequence;
        if event.ok {
            layer.counts.done += 1;
            layer.counts.in_memory += 1;
            self.totals.tasks_done += 1;
            release_inputs(&mut graph.layers, index);
        } else {
            layer.counts.failed += 1;
            self.totals.tasks_failed += 1;
            let error = failure(&event, worker, self.hostile);
            self.errors.push_back(error);
        }
        unlock(&mut graph.layers, index);
        self.events.push_back(event);
        while self.errors.len() > 20 {
            self.errors.pop_front();
        }
        while self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    fn measure(&mut self) {
        let held: u64 = self.graphs.iter().flat_map(|graph| &graph.layers).map(|layer| layer.counts.in_memory).sum();
        let ready: u64 = self.graphs.iter().flat_map(|graph| &graph.layers).map(|layer| layer.counts.ready).sum();
        let count = self.workers.len().max(1) as u64;
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let busy = self.slots[index].iter().filter(|slot| slot.task.is_some()).count() as u64;
            worker.executing = busy;
            worker.queued = (ready / count).min(8);
            worker.in_memory = held / count + index as u64;
            worker.memory_managed_bytes = (worker.in_memory * 48) << 20;
            let unmanaged = (700 + 110 * index as u64 + 90 * busy) << 20;
            worker.memory_used_bytes = (worker.memory_managed_bytes + unmanaged).min(worker.memory_limit_bytes);
            let wobble = (self.now_us / 250_000 * (index as u64 + 3) * 7919 % 13) as f64;
            worker.cpu_percent = 94.0 * busy as f64 + wobble;
            worker.occupancy_us = 160_000.0 * (busy + worker.queued) as f64;
            worker.received_bytes += (busy * (index as u64 + 1)) << 18;
            worker.sent_bytes += busy << 19;
            worker.spilled_bytes = if index.is_multiple_of(3) { GIB / 2 } else { 0 };
            worker.last_seen_us = self.now_us - 120_000 - 60_000 * index as u64;
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }
}

fn new_worker(id: u64, hostile: bool) -> Worker {
    let name = if hostile && id == 0 { "<script>window.hacked = 1</script>".into() } else { format!("node-{id}") };
    Worker {
        id,
        name,
        address: format!("tls://10.0.0.{}:40{:03}", 11 + id, 11 + 37 * id),
        threads: THREADS,
        host: format!("host-{id}"),
        pid: 4000 + id as u32,
        joined_us: 0,
        memory_limit_bytes: 8 * GIB,
        ..Worker::default()
    }
}

fn left(graph: &Graph) -> u64 {
    graph.layers.iter().map(|layer| layer.counts.total - layer.counts.done - layer.counts.failed).sum()
}

/// Drops the inputs of the share of a layer that is done.
fn release_inputs(layers: &mut [Layer], index: usize) {
    let Counts { done, total, .. } = layers[index].counts;
    let Some(inputs) = index.checked_sub(1).map(|before| &mut layers[before].counts) else { return };
    inputs.in_memory = inputs.done.saturating_sub(inputs.total * done / total);
}

/// Makes as many tasks of the next layer ready as the finished ones of this layer allow.
fn unlock(layers: &mut [Layer], index: usize) {
    let finished = layers[index].counts.done + layers[index].counts.failed;
    let total = layers[index].counts.total;
    let Some(next) = layers.get_mut(index + 1) else { return };
    let allowed = next.counts.total * finished / total;
    let made_ready = next.counts.total - next.counts.waiting;
    let more = allowed.saturating_sub(made_ready);
    next.counts.waiting -= more;
    next.counts.ready += more;
}

fn failure(event: &TaskEvent, worker: &str, hostile: bool) -> TaskError {
    let text =
        if hostile { "</pre><script>window.hacked = 2</script>" } else { ROWS[event.sequence as usize % ROWS.len()] };
    TaskError {
        sequence: event.sequence,
        key: event.key.clone(),
        layer: event.layer.clone(),
        task: event.task,
        worker: worker.to_owned(),
        time_us: event.stop_us,
        message: format!("ValueError: {text}"),
        traceback: format!(
            "Traceback (most recent call last):\n  File \"/home/ada/portfolio.py\", line 41, in score\n    \
             return weight(row) * row.balance\n           ^^^^^^^^^^^\n  File \"/home/ada/portfolio.py\", line 17, in \
             weight\n    raise ValueError(f\"row {{row.name}}: balance is negative: {{row.balance:.2f}}\")\n\
             ValueError: {text}\n"
        ),
    }
}
