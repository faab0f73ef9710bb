//! What goes in and out of a node, counted for people to look at.

use raskal_proto::observe::{Transfer, Vitals};
use raskal_types::{TaskId, WorkerId};
use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts of values that came and went, and the transfers under way.
#[derive(Default)]
pub(crate) struct Traffic {
    received_bytes: u64,
    sent_bytes: u64,
    under_way: HashMap<TaskId, (WorkerId, Instant)>,
}

impl Traffic {
    /// A value is asked of a peer.
    pub(crate) fn asked(&mut self, value: TaskId, from: WorkerId) {
        self.under_way.insert(value, (from, Instant::now()));
    }

    /// A value came.
    pub(crate) fn received(&mut self, value: TaskId, size_bytes: u64) -> Option<Transfer> {
        self.received_bytes += size_bytes;
        let (from, asked) = self.under_way.remove(&value)?;
        let duration_us = asked.elapsed().as_micros() as u64;
        Some(Transfer {
            task: value,
            from,
            began_us: now_us().saturating_sub(duration_us),
            duration_us: u32::try_from(duration_us).unwrap_or(u32::MAX),
            size_bytes,
        })
    }

    /// A value did not come.
    pub(crate) fn failed(&mut self, value: TaskId) {
        self.under_way.remove(&value);
    }

    /// A value was given to somebody.
    pub(crate) fn sent(&mut self, size_bytes: u64) {
        self.sent_bytes += size_bytes;
    }

    pub(crate) fn vitals(&self) -> Vitals {
        Vitals {
            now_us: now_us(),
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
            transfers: self.under_way.len() as u32,
        }
    }
}

/// Microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raskal_types::GraphId;

    #[test]
    fn a_transfer_is_told_once_it_is_there_and_a_failed_one_never() {
        let value = |index| TaskId { graph: GraphId(1), index };
        let mut traffic = Traffic::default();
        traffic.asked(value(0), WorkerId(7));
        traffic.asked(value(1), WorkerId(7));
        assert_eq!(traffic.vitals().transfers, 2);
        traffic.failed(value(1));
        let transfer = traffic.received(value(0), 80).unwrap();
        assert_eq!((transfer.from, transfer.size_bytes), (WorkerId(7), 80));
        assert!(transfer.began_us > 0 && transfer.began_us <= now_us());
        assert_eq!((traffic.vitals().transfers, traffic.vitals().received_bytes), (0, 80));
    }
}
