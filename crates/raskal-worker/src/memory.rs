//! What leaves memory first when it is short.
//!
//! Start at [`Worker::coldest`]. The shell decides how much is to leave; here it is known what is in use, and what was used
//! last.

use crate::machine::Worker;
use crate::message::Instruction;
use crate::transfer::Place;
use raskal_types::TaskId;

/// A value that may leave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cold {
    /// Whose.
    pub value: TaskId,
    /// Its size.
    pub size_bytes: u64,
    /// In how many executors it lives.
    pub executors: u32,
    /// Whether it is in the node's store (in memory or on disk).
    pub in_store: bool,
}

impl Worker {
    /// The values that no running task takes, the one that was used the longest ago first.
    pub fn coldest(&self) -> Vec<Cold> {
        let idle =
            |place: &Place| place.sent == 0 && place.is_somewhere() && place.exporting.is_none() && place.along == 0;
        let mut places: Vec<(u64, Cold)> = self
            .values
            .iter()
            .filter(|(_, place)| idle(place))
            .map(|(&value, place)| {
                let executors = place.executors.len() as u32;
                (place.touched, Cold { value, size_bytes: place.size_bytes, executors, in_store: place.in_store })
            })
            .collect();
        places.sort_unstable_by_key(|&(touched, cold)| (touched, cold.value));
        places.into_iter().map(|(_, cold)| cold).collect()
    }

    /// Bytes of the values that live in executors, counted for each.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Lets a place change, and keeps the count of what lives in executors.
    pub(crate) fn change<R>(&mut self, value: TaskId, change: impl FnOnce(&mut Place) -> R) -> Option<R> {
        let place = self.values.get_mut(&value)?;
        let before = place.live_bytes();
        let result = change(place);
        self.live_bytes = (self.live_bytes + place.live_bytes()).saturating_sub(before);
        Some(result)
    }

    /// A value is to leave the executors: at once if it is in the node's store, else by way of it.
    pub(crate) fn evict(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let Some(place) = self.values.get_mut(&value) else { return };
        place.evicting = true;
        if place.in_store {
            self.finish_eviction(value, out);
        } else {
            place.export(value, out);
        }
    }

    /// A value that is to leave the executors is in the store: it leaves them, unless a task that was sent counts on it.
    pub(crate) fn finish_eviction(&mut self, value: TaskId, out: &mut Vec<Instruction>) {
        let executors = self.change(value, |place| match std::mem::take(&mut place.evicting) && place.sent == 0 {
            true => std::mem::take(&mut place.executors),
            false => Vec::new(),
        });
        out.extend(executors.into_iter().flatten().map(|executor| Instruction::FreeIn { executor, value }));
    }
}
