//! A snapshot as Prometheus metrics (OpenMetrics text).
//!
//! Labels are workers and states, never layers or keys: their number must stay small for the server that stores them.

use crate::model::{Snapshot, Worker};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode as encode_text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one snapshot.
pub(crate) fn encode(snapshot: &Snapshot) -> String {
    let mut registry = Registry::with_prefix("raskal");
    registry.register_collector(Box::new(Metrics(snapshot.clone())));
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = encode_text(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Metrics(Snapshot);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        scheduler(&self.0, &mut encoder)?;
        tasks(&self.0, &mut encoder)?;
        workers(&self.0, &mut encoder)
    }
}

fn scheduler(snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Snapshot { scheduler, totals, .. } = snapshot;
    let labels = [("version", scheduler.version.as_str()), ("address", scheduler.address.as_str())];
    let mut info = encoder.encode_descriptor("scheduler", "The scheduler process", None, MetricType::Info)?;
    info.encode_info(&labels)?;
    let seconds = Some(&Unit::Seconds);
    let bytes = Some(&Unit::Bytes);
    gauge(encoder, "scheduler_uptime", "Time since the scheduler started", seconds, snapshot.uptime_s())?;
    gauge(encoder, "scheduler_memory", "Resident memory of the scheduler", bytes, scheduler.memory_bytes as f64)?;
    gauge(encoder, "scheduler_connections", "Open connections", None, scheduler.connections as f64)?;
    counter(encoder, "scheduler_events", "Events handled by the scheduler", scheduler.events)?;
    let event_s = scheduler.event_us_mean / 1e6;
    gauge(encoder, "scheduler_event_duration", "Mean time to handle a recent event", seconds, event_s)?;
    let help = "Part of the last seconds that the scheduler was busy";
    gauge(encoder, "scheduler_busy", help, Some(&Unit::Other("ratio".into())), scheduler.busy)?;
    let help = "Longest time of the last seconds between two looks at the connections";
    gauge(encoder, "scheduler_turn_max", help, seconds, scheduler.turn_us_max / 1e6)?;
    gauge(encoder, "scheduler_inbox_frames", "Frames of messages that wait", None, scheduler.inbox as f64)?;
    gauge(encoder, "clients", "Connected clients", None, totals.clients as f64)?;
    counter(encoder, "workers_lost", "Workers that went away without saying goodbye", totals.workers_lost)
}

fn tasks(snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let counts = snapshot.counts();
    let states = [
        ("waiting", counts.waiting),
        ("ready", counts.ready),
        ("running", counts.running),
        ("done", counts.done),
        ("failed", counts.failed),
        ("in_memory", counts.in_memory),
    ];
    let help = "Tasks of the graphs that the scheduler holds; those in memory are part of those done";
    let mut family = encoder.encode_descriptor("tasks", help, None, MetricType::Gauge)?;
    for (state, count) in states {
        ConstGauge::new(count as f64).encode(family.encode_family(&[("state", state)])?)?;
    }
    let help = "Tasks finished since the scheduler started";
    let mut family = encoder.encode_descriptor("tasks_finished", help, None, MetricType::Counter)?;
    for (outcome, count) in [("ok", snapshot.totals.tasks_done), ("error", snapshot.totals.tasks_failed)] {
        ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
    }
    let help = "Time that tasks ran, over all threads";
    let family = encoder.encode_descriptor("tasks_run", help, Some(&Unit::Seconds), MetricType::Counter)?;
    ConstCounter::new(snapshot.totals.task_us as f64 / 1e6).encode(family)?;
    counter(encoder, "transfers", "Values that went from worker to worker", snapshot.totals.transfers)?;
    let help = "Bytes of values that went from worker to worker";
    let family = encoder.encode_descriptor("transfers_size", help, Some(&Unit::Bytes), MetricType::Counter)?;
    ConstCounter::new(snapshot.totals.transfer_bytes).encode(family)
}

/// Name, help, unit and value of a metric of each worker.
type WorkerGauge = (&'static str, &'static str, Option<Unit>, fn(&Snapshot, &Worker) -> f64);

fn workers(snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauges: [WorkerGauge; 12] = [
        ("worker_threads", "Tasks that a worker runs at once", None, |_, worker| f64::from(worker.threads)),
        ("worker_tasks_executing", "Tasks that a worker runs", None, |_, worker| worker.executing as f64),
        ("worker_tasks_queued", "Tasks sent to a worker that have not begun", None, |_, worker| worker.queued as f64),
        ("worker_tasks_in_memory", "Results that a worker holds", None, |_, worker| worker.in_memory as f64),
        ("worker_memory_used", "Resident memory of a worker", Some(Unit::Bytes), |_, worker| {
            worker.memory_used_bytes as f64
        }),
        ("worker_memory_managed", "Bytes of results that a worker holds", Some(Unit::Bytes), |_, worker| {
            worker.memory_managed_bytes as f64
        }),
        ("worker_memory_limit", "Memory budget of a worker, 0 for none", Some(Unit::Bytes), |_, worker| {
            worker.memory_limit_bytes as f64
        }),
        ("worker_memory_spilled", "Bytes of results of a worker that lie on disk", Some(Unit::Bytes), |_, worker| {
            worker.spilled_bytes as f64
        }),
        ("worker_occupancy", "Time that a worker's tasks will take one thread", Some(Unit::Seconds), |_, worker| {
            worker.occupancy_us / 1e6
        }),
        ("worker_transfers", "Transfers to a worker that are under way", None, |_, worker| worker.transfers as f64),
        ("worker_cpu", "Busy cores of a worker", Some(Unit::Other("cores".into())), |_, worker| {
            worker.cpu_percent / 100.0
        }),
        ("worker_silence", "Time since a worker was last heard of", Some(Unit::Seconds), |snapshot, worker| {
            snapshot.time_us.saturating_sub(worker.last_seen_us) as f64 / 1e6
        }),
    ];
    gauge(encoder, "workers", "Connected workers", None, snapshot.workers.len() as f64)?;
    for (name, help, unit, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for worker in &snapshot.workers {
            let id = worker.id.to_string();
            let labels = [("worker", worker.name.as_str()), ("worker_id", id.as_str())];
            ConstGauge::new(value(snapshot, worker)).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Bytes of values that a worker got from others (received) and gave to others (sent)";
    let mut family = encoder.encode_descriptor("worker_network", help, Some(&Unit::Bytes), MetricType::Counter)?;
    for worker in &snapshot.workers {
        let id = worker.id.to_string();
        for (direction, bytes) in [("received", worker.received_bytes), ("sent", worker.sent_bytes)] {
            let labels = [("worker", worker.name.as_str()), ("worker_id", id.as_str()), ("direction", direction)];
            ConstCounter::new(bytes).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}
