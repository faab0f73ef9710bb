//! Ends a scheduler that has nothing to do.
//!
//! Start at [`Idle::look`]. Who connects does not count, only tasks that have not ended.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// For how long there was nothing to do, and when that is enough.
pub(crate) struct Idle {
    limit: Option<Duration>,
    since: Option<Instant>,
    enough: Arc<Notify>,
}

impl Idle {
    /// `enough` is notified when there was nothing to do for as long as `limit`; never without one.
    pub(crate) fn new(limit: Option<Duration>, enough: Arc<Notify>) -> Idle {
        Idle { limit, since: None, enough }
    }

    /// Looks whether there is something to do.
    pub(crate) fn look(&mut self, now: Instant, busy: impl FnOnce() -> bool) {
        let Some(limit) = self.limit else { return };
        if busy() {
            self.since = None;
            return;
        }
        if now.duration_since(*self.since.get_or_insert(now)) >= limit {
            tracing::info!(seconds = limit.as_secs(), "there was nothing to do for so long");
            self.enough.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_notified(enough: &Notify) -> bool {
        let mut waiting = std::pin::pin!(enough.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(waiting.as_mut(), &mut context).is_ready()
    }

    #[test]
    fn only_time_without_work_counts() {
        let (enough, start) = (Arc::new(Notify::new()), Instant::now());
        let mut idle = Idle::new(Some(Duration::from_secs(10)), enough.clone());
        let at = |seconds| start + Duration::from_secs(seconds);
        idle.look(at(0), || false);
        idle.look(at(9), || true);
        idle.look(at(12), || false);
        idle.look(at(21), || false);
        assert!(!is_notified(&enough));
        idle.look(at(22), || false);
        assert!(is_notified(&enough));
    }

    #[test]
    fn without_a_limit_nothing_is_looked_at() {
        Idle::new(None, Arc::new(Notify::new())).look(Instant::now(), || panic!("looked"));
    }
}
