//! What happened lately, within bounds: runs, transfers, failures, lost workers, lines of logs, samples, and rates.
//!
//! Start at [`History::ran`]. Runs are kept as plain numbers; names are made of them by whoever reads.
//! Invariant: nothing here grows without end, and nothing here decides what runs.

use crate::profile::Profiles;
use raskal_dashboard as dashboard;
use raskal_dashboard::view::LogLine;
use raskal_graph::Graph;
use raskal_proto::observe::{Transfer, Vitals};
use raskal_proto::{FailureMessage, Ran, TaskNames};
use raskal_types::{GraphId, TaskId, WorkerId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many runs, failures, lines, forgotten graphs (and tasks of them) and lost workers are remembered.
const RUNS_MAX: usize = 100_000;
const ERRORS_MAX: usize = 50;
const LINES_MAX: usize = 2_000;
const FORGOTTEN_MAX: usize = 20_000;
const FORGOTTEN_TASKS_MAX: u64 = 2_000_000;
const LOST_MAX: usize = 16;

/// Clocks that differ by less than this are taken for one: messages take time, too.
const SKEW_US_MIN: i64 = 50_000;
/// What a clock may drift between two looks at it.
const DRIFT_US: i64 = 100;

/// Microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

/// What a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Failed,
    Transfer,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::Failed => "failed",
            Kind::Transfer => "transfer",
        }
    }
}

/// One run of a task, or one transfer of its value, by the scheduler's clock.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) sequence: u64,
    pub(crate) task: TaskId,
    pub(crate) worker: WorkerId,
    pub(crate) thread: u32,
    pub(crate) start_us: u64,
    pub(crate) duration_us: u32,
    pub(crate) kind: Kind,
    pub(crate) size_bytes: u64,
}

const _: () = assert!(size_of::<Run>() <= 56);

/// A graph and what people call its tasks: enough to name one.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) graph: Arc<Graph>,
    /// For each layer.
    pub(crate) names: Arc<Vec<TaskNames>>,
}

/// What happened lately.
pub(crate) struct History {
    pub(crate) started_us: u64,
    pub(crate) events: u64,
    /// Time spent in handling events.
    pub(crate) busy: Duration,
    pub(crate) runs: VecDeque<Run>,
    pub(crate) errors: VecDeque<dashboard::TaskError>,
    pub(crate) lines: VecDeque<LogLine>,
    pub(crate) profiles: Profiles,
    pub(crate) totals: dashboard::Totals,
    pub(crate) rates: Rates,
    /// Graphs that are gone, whose runs are still shown.
    forgotten: HashMap<GraphId, Named>,
    forgotten_order: VecDeque<GraphId>,
    forgotten_tasks: u64,
    /// Workers that are gone, whose runs are still shown.
    pub(crate) gone: VecDeque<dashboard::view::WorkerName>,
    lost: VecDeque<String>,
    /// How far the scheduler's clock is ahead of each worker's.
    skews_us: HashMap<WorkerId, i64>,
    sequence: u64,
    line_sequence: u64,
    /// When the rates were last taken, and the counts then.
    last: (Instant, u64, Duration),
    turn_max: Duration,
}

/// Over the last second or so.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) events_per_s: f64,
    pub(crate) event_us_mean: f64,
    pub(crate) busy: f64,
    pub(crate) turn_us_max: f64,
}

impl History {
    pub(crate) fn new() -> History {
        History {
            started_us: now_us(),
            events: 0,
            busy: Duration::ZERO,
            runs: VecDeque::new(),
            errors: VecDeque::new(),
            lines: VecDeque::new(),
            profiles: Profiles::default(),
            totals: dashboard::Totals::default(),
            rates: Rates::default(),
            forgotten: HashMap::new(),
            forgotten_order: VecDeque::new(),
            forgotten_tasks: 0,
            gone: VecDeque::new(),
            lost: VecDeque::new(),
            skews_us: HashMap::new(),
            sequence: 0,
            line_sequence: 0,
            last: (Instant::now(), 0, Duration::ZERO),
            turn_max: Duration::ZERO,
        }
    }

    /// A task ran; `size_bytes` of its value, nothing if it failed.
    pub(crate) fn ran(&mut self, task: TaskId, worker: WorkerId, ran: Ran, size_bytes: Option<u64>) {
        *(if size_bytes.is_some() { &mut self.totals.tasks_done } else { &mut self.totals.tasks_failed }) += 1;
        self.totals.task_us += u64::from(ran.duration_us);
        let kind = if size_bytes.is_some() { Kind::Task } else { Kind::Failed };
        let Ran { began_us, duration_us, thread } = ran;
        self.remember(task, worker, thread, began_us, duration_us, kind, size_bytes.unwrap_or_default());
    }

    /// A value went from worker to worker.
    pub(crate) fn transferred(&mut self, worker: WorkerId, transfer: Transfer) {
        let Transfer { task, began_us, duration_us, size_bytes, from: _ } = transfer;
        self.totals.transfers += 1;
        self.totals.transfer_bytes += size_bytes;
        self.remember(task, worker, 0, began_us, duration_us, Kind::Transfer, size_bytes);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a run, of which two callers know different ones")]
    fn remember(
        &mut self,
        task: TaskId,
        worker: WorkerId,
        thread: u32,
        began_us: u64,
        duration_us: u32,
        kind: Kind,
        size_bytes: u64,
    ) {
        if self.runs.len() == RUNS_MAX {
            self.runs.pop_front();
        }
        self.sequence += 1;
        let skew_us = self.skews_us.get(&worker).copied().unwrap_or_default();
        let start_us = began_us.saturating_add_signed(if skew_us.abs() < SKEW_US_MIN { 0 } else { skew_us });
        let sequence = self.sequence;
        self.runs.push_back(Run { sequence, task, worker, thread, start_us, duration_us, kind, size_bytes });
    }

    /// A worker told the time by its clock.
    pub(crate) fn clock(&mut self, worker: WorkerId, vitals: &Vitals) {
        let skew_us = now_us().wrapping_sub(vitals.now_us) as i64;
        // The message that was underway for the shortest time says it best.
        let known = self.skews_us.entry(worker).or_insert(skew_us);
        *known = skew_us.min(known.saturating_add(DRIFT_US));
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
            task: (u64::from(task.graph.0), task.index),
            worker: worker.to_owned(),
            time_us: now_us(),
            message: failure.message.clone(),
            traceback: failure.traceback.clone(),
        });
    }

    /// A graph is gone; what is needed to name its tasks is kept for a while.
    pub(crate) fn forgotten(&mut self, id: GraphId, named: Named) {
        self.forgotten_tasks += u64::from(named.graph.task_count());
        self.forgotten.insert(id, named);
        self.forgotten_order.push_back(id);
        while self.forgotten_order.len() > FORGOTTEN_MAX
            || self.forgotten_tasks > FORGOTTEN_TASKS_MAX && self.forgotten_order.len() > 1
        {
            let oldest = self.forgotten_order.pop_front().and_then(|id| self.forgotten.remove(&id));
            self.forgotten_tasks -= oldest.map_or(0, |named| u64::from(named.graph.task_count()));
        }
    }

    /// A graph that is gone.
    pub(crate) fn forgotten_graph(&self, id: GraphId) -> Option<&Named> {
        self.forgotten.get(&id)
    }

    /// A worker is gone: in order, or for a reason.
    pub(crate) fn worker_gone(&mut self, worker: dashboard::view::WorkerName, reason: Option<&str>) {
        self.skews_us.remove(&WorkerId(worker.id as u32));
        if let Some(reason) = reason {
            self.totals.workers_lost += 1;
            if self.lost.len() == LOST_MAX {
                self.lost.pop_front();
            }
            self.lost.push_back(format!("worker {} ({}) was lost: {reason}", worker.id, worker.name));
        }
        if self.gone.len() == FORGOTTEN_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(worker);
    }

    /// The workers that were lost lately, the last one first.
    pub(crate) fn lost_workers(&self) -> impl Iterator<Item = String> {
        self.lost.iter().rev().cloned()
    }

    /// Lines of a log.
    pub(crate) fn logged(&mut self, source: &str, lines: Vec<String>) {
        let time_us = now_us();
        for text in lines {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.line_sequence += 1;
            self.lines.push_back(LogLine { sequence: self.line_sequence, time_us, source: source.to_owned(), text });
        }
    }

    /// Events were handled for so long.
    pub(crate) fn turn(&mut self, time: Duration) {
        self.busy += time;
        self.turn_max = self.turn_max.max(time);
    }

    /// Once a second or so: rates.
    pub(crate) fn tick(&mut self) {
        let elapsed = self.last.0.elapsed().as_secs_f64();
        if elapsed > 0.5 {
            let events = (self.events - self.last.1) as f64;
            let busy_s = (self.busy - self.last.2).as_secs_f64();
            self.rates = Rates {
                events_per_s: events / elapsed,
                event_us_mean: if events > 0.0 { busy_s * 1e6 / events } else { 0.0 },
                busy: (busy_s / elapsed).min(1.0),
                turn_us_max: self.turn_max.as_secs_f64() * 1e6,
            };
            self.last = (Instant::now(), self.events, self.busy);
            self.turn_max = Duration::ZERO;
        }
        self.logged("scheduler", raskal_net::log_tail::take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId { graph: GraphId(1), index: 0 };

    fn vitals(now_us: u64) -> Vitals {
        Vitals { now_us, ..Vitals::default() }
    }

    #[test]
    fn runs_of_a_worker_whose_clock_is_an_hour_behind_are_shown_when_they_happened() {
        let hour_us = 3_600_000_000;
        let mut history = History::new();
        let (behind, right) = (WorkerId(1), WorkerId(2));
        history.clock(behind, &vitals(now_us() - hour_us));
        history.clock(right, &vitals(now_us() - 3_000));
        let began_us = now_us();
        history.ran(TASK, behind, Ran { began_us: began_us - hour_us, ..Ran::default() }, Some(1));
        history.ran(TASK, right, Ran { began_us, ..Ran::default() }, Some(1));
        let starts: Vec<u64> = history.runs.iter().map(|run| run.start_us).collect();
        assert!(starts[0].abs_diff(began_us) < 1_000_000, "{starts:?} {began_us}");
        assert_eq!(starts[1], began_us, "a few milliseconds are the message's, not the clock's");
    }

    #[test]
    fn the_oldest_runs_and_lines_go() {
        let mut history = History::new();
        (0..RUNS_MAX + 5).for_each(|_| history.ran(TASK, WorkerId(1), Ran::default(), Some(1)));
        assert_eq!((history.runs.len(), history.runs[0].sequence), (RUNS_MAX, 6));
        history.logged("scheduler", (0..LINES_MAX + 2).map(|number| number.to_string()).collect());
        assert_eq!((history.lines.len(), history.lines[0].text.as_str()), (LINES_MAX, "2"));
    }
}
