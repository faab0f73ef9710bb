//! Takes snapshots, one at a time, for everybody who looks.
//!
//! Start at [`Feed::subscribe`] (websockets) and [`Feed::latest`] (everything else). The clock runs only while somebody
//! is subscribed, so that a dashboard that nobody looks at costs nothing.
//!
//! Invariant: two snapshots are never less than [`FRESH`] apart, however many look and ask.

use crate::model::{Snapshot, Source};
use crate::view::View;
use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time between two snapshots: quick enough to look alive, slow enough to be read.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);

/// A snapshot younger than this answers again. Below [`PERIOD`], so that a clock that is early by a hair takes a new one.
pub(crate) const FRESH: Duration = Duration::from_millis(200);

/// One snapshot, and its JSON for those who saw the one before and for those who did not.
#[derive(Debug)]
pub(crate) struct Tick {
    number: u64,
    pub(crate) snapshot: Snapshot,
    seen: Seen,
    whole: OnceLock<Utf8Bytes>,
    since_last: OnceLock<Utf8Bytes>,
}

/// What the tick before had already sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    event: Option<u64>,
    error: Option<u64>,
}

impl Tick {
    /// The snapshot as JSON, for a reader whose last tick was `last`.
    ///
    /// Finished tasks are most of a snapshot: a reader who has seen the tick before is sent only the new ones.
    pub(crate) fn json(&self, last: Option<u64>) -> Utf8Bytes {
        let follows = last.is_some_and(|last| last + 1 == self.number);
        let cell = if follows { &self.since_last } else { &self.whole };
        cell.get_or_init(|| self.encode(if follows { self.seen } else { Seen::default() })).clone()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn encode(&self, seen: Seen) -> Utf8Bytes {
        let Snapshot { events, errors, .. } = &self.snapshot;
        let events = &events[events.partition_point(|event| Some(event.sequence) <= seen.event)..];
        let errors = &errors[errors.partition_point(|error| Some(error.sequence) <= seen.error)..];
        let message = Message {
            time_us: self.snapshot.time_us,
            scheduler: &self.snapshot.scheduler,
            totals: &self.snapshot.totals,
            workers: &self.snapshot.workers,
            graphs: &self.snapshot.graphs,
            events,
            errors,
        };
        match serde_json::to_string(&message) {
            Ok(json) => json.into(),
            Err(error) => {
                tracing::error!(%error, "a snapshot can't be written as JSON; this is a defect of raskal");
                "{}".into()
            }
        }
    }

    fn seen(&self) -> Seen {
        let Snapshot { events, errors, .. } = &self.snapshot;
        Seen {
            event: events.last().map(|event| event.sequence).max(self.seen.event),
            error: errors.last().map(|error| error.sequence).max(self.seen.error),
        }
    }
}

/// A [`Snapshot`] with parts of its lists, without copying it.
#[derive(Serialize)]
struct Message<'a> {
    time_us: u64,
    scheduler: &'a crate::model::Scheduler,
    totals: &'a crate::model::Totals,
    workers: &'a [crate::model::Worker],
    graphs: &'a [crate::model::Graph],
    events: &'a [crate::model::TaskEvent],
    errors: &'a [crate::model::TaskError],
}

/// The one place that asks the [`Source`].
pub(crate) struct Feed {
    source: Arc<dyn Source>,
    ticks: watch::Sender<Option<Arc<Tick>>>,
    clock_runs: Mutex<bool>,
    last: tokio::sync::Mutex<Option<(Instant, Arc<Tick>)>>,
}

impl Feed {
    pub(crate) fn new(source: Arc<dyn Source>) -> Arc<Self> {
        let (ticks, _) = watch::channel(None);
        Arc::new(Self { source, ticks, clock_runs: Mutex::new(false), last: tokio::sync::Mutex::new(None) })
    }

    /// A snapshot at most [`FRESH`] old. `None` when the source failed (panicked).
    pub(crate) async fn latest(&self) -> Option<Arc<Tick>> {
        let mut last = self.last.lock().await;
        if let Some((taken, tick)) = &*last
            && taken.elapsed() < FRESH
        {
            return Some(tick.clone());
        }
        let source = self.source.clone();
        // The source may wait for a lock of the scheduler's: never on a thread that serves sockets.
        let snapshot = tokio::task::spawn_blocking(move || source.snapshot()).await.ok()?;
        let before = last.as_ref().map(|(_, tick)| tick);
        // Another scheduler behind the same source counts anew.
        let same = before.filter(|tick| tick.snapshot.scheduler.started_us == snapshot.scheduler.started_us);
        let tick = Arc::new(Tick {
            number: before.map_or(0, |tick| tick.number + if same.is_some() { 1 } else { 2 }),
            seen: same.map_or_else(Seen::default, |tick| tick.seen()),
            snapshot,
            whole: OnceLock::new(),
            since_last: OnceLock::new(),
        });
        *last = Some((Instant::now(), tick.clone()));
        Some(tick)
    }

    /// The answer to a view as JSON; `None` if the source knows none. An error when the source failed (panicked).
    pub(crate) async fn view(&self, view: View) -> Result<Option<String>, ()> {
        let source = self.source.clone();
        let answer = tokio::task::spawn_blocking(move || source.view(&view).map(|data| data.to_json()));
        answer.await.map_err(|_| ())
    }

    /// Ticks from now on, [`PERIOD`] apart. Starts the clock when it stands still.
    pub(crate) fn subscribe(self: &Arc<Self>) -> watch::Receiver<Option<Arc<Tick>>> {
        let mut clock_runs = self.clock_runs.lock();
        let mut ticks = self.ticks.subscribe();
        if !std::mem::replace(&mut *clock_runs, true) {
            tokio::spawn(run_clock(self.clone()));
        } else {
            ticks.mark_changed(); // the current tick is news to this one
        }
        ticks
    }
}

async fn run_clock(feed: Arc<Feed>) {
    let mut interval = tokio::time::interval(PERIOD);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        {
            let mut clock_runs = feed.clock_runs.lock();
            if feed.ticks.receiver_count() == 0 {
                *clock_runs = false;
                return;
            }
        }
        if let Some(tick) = feed.latest().await {
            feed.ticks.send_if_modified(|current| {
                let new = current.as_ref().is_none_or(|current| current.number != tick.number);
                *current = Some(tick);
                new
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Scheduler, TaskEvent};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Each snapshot holds two events more than the one before; the scheduler restarts at the fifth.
    #[derive(Default)]
    struct Growing(AtomicU64);

    impl Source for Growing {
        fn snapshot(&self) -> Snapshot {
            let call = self.0.fetch_add(1, Ordering::Relaxed);
            let (started_us, first) = if call < 4 { (1, call) } else { (2, call - 4) };
            let events = (0..2 * (first + 1)).map(|sequence| TaskEvent { sequence, ..TaskEvent::default() }).collect();
            Snapshot { events, scheduler: Scheduler { started_us, ..Scheduler::default() }, ..Snapshot::default() }
        }
    }

    fn sequences(tick: &Tick, last: Option<u64>) -> Vec<u64> {
        let snapshot: Snapshot = serde_json::from_str(&tick.json(last)).unwrap();
        snapshot.events.iter().map(|event| event.sequence).collect()
    }

    async fn next_tick(ticks: &mut watch::Receiver<Option<Arc<Tick>>>) -> Arc<Tick> {
        ticks.changed().await.unwrap();
        ticks.borrow_and_update().clone().unwrap()
    }

    #[tokio::test]
    async fn a_reader_who_saw_the_last_tick_gets_only_what_is_new() {
        let feed = Feed::new(Arc::new(Growing::default()));
        let mut ticks = feed.subscribe();
        let first = next_tick(&mut ticks).await;
        assert_eq!(sequences(&first, None), [0, 1]);
        let second = next_tick(&mut ticks).await;
        assert_eq!(sequences(&second, Some(first.number())), [2, 3]);
        assert_eq!(sequences(&second, None), [0, 1, 2, 3]);
        let third = next_tick(&mut ticks).await;
        assert_eq!(sequences(&third, Some(first.number())), [0, 1, 2, 3, 4, 5], "one tick was missed");
        let fourth = next_tick(&mut ticks).await;
        let restarted = next_tick(&mut ticks).await;
        assert_eq!(restarted.snapshot.scheduler.started_us, 2);
        assert_eq!(sequences(&restarted, Some(fourth.number())), [0, 1], "another scheduler counts anew");
    }

    #[tokio::test]
    async fn the_source_is_asked_once_for_all_and_not_while_nobody_looks() {
        let source = Arc::new(Growing::default());
        let feed = Feed::new(source.clone());
        assert_eq!(source.0.load(Ordering::Relaxed), 0);
        let mut listeners: Vec<_> = (0..8).map(|_| feed.subscribe()).collect();
        for listener in &mut listeners {
            assert_eq!(next_tick(listener).await.number(), 0);
        }
        feed.latest().await.unwrap();
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        drop(listeners);
        while *feed.clock_runs.lock() {
            tokio::task::yield_now().await;
        }
        let stopped = source.0.load(Ordering::Relaxed);
        let mut again = feed.subscribe();
        next_tick(&mut again).await;
        assert_eq!(source.0.load(Ordering::Relaxed), stopped + 1);
    }
}
