//! What always holds, looked at after each step in tests and simulations.
//!
//! Start at [`Worker::validate`].

use crate::machine::{State, Worker};
use crate::message::ExecutorId;
use crate::transfer::Waiter;
use raskal_types::TaskId;
use std::collections::BTreeMap;

/// Where a value is, for those who compare it with where it really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Whose.
    pub value: TaskId,
    /// Whether it is in the node's store.
    pub in_store: bool,
    /// The executors that it lives in.
    pub executors: Vec<ExecutorId>,
}

impl Worker {
    /// Where every value is that is somewhere here, by task.
    pub fn places(&self) -> Vec<Whereabouts> {
        let somewhere = self.values.iter().filter(|(_, place)| place.is_somewhere());
        let mut places: Vec<Whereabouts> = somewhere
            .map(|(&value, place)| Whereabouts { value, in_store: place.in_store, executors: place.executors.clone() })
            .collect();
        places.sort_unstable_by_key(|place| place.value);
        places
    }

    /// Looks at the invariants.
    ///
    /// # Panics
    /// If one is broken, which is a defect of this crate.
    pub fn validate(&self) {
        let mut users: BTreeMap<TaskId, u32> = BTreeMap::new();
        let mut sent: BTreeMap<TaskId, u32> = BTreeMap::new();
        let mut native = 0;
        for (&id, task) in &self.tasks {
            for (input, _) in &task.inputs {
                *users.entry(*input).or_default() += 1;
                if let State::Sent(_) = task.state {
                    *sent.entry(*input).or_default() += 1;
                }
            }
            match task.state {
                State::Waiting(count) => {
                    let waits = |waiters: &[Waiter]| waiters.contains(&Waiter::Task(id, task.attempt));
                    let places = self.values.values().filter(|place| waits(&place.waiters)).count();
                    assert_eq!(count as usize, places, "values that {id} waits for");
                    assert!(count > 0, "{id} waits for nothing");
                }
                State::Queued => {
                    let queued = self.native_queue.contains(&id)
                        || self.python_queue.contains(&id)
                        || self.executors.iter().any(|executor| executor.queue.contains(&id));
                    assert!(queued, "{id} is in no queue");
                }
                State::Sent(None) => native += 1,
                State::Sent(Some(executor)) => {
                    let executor = self.executors.iter().find(|known| known.id == executor);
                    let known = executor.is_some_and(|known| known.sent.contains(&(id, task.attempt)));
                    assert!(known, "{id} was sent to an executor that does not have it");
                }
            }
        }
        assert!(native <= self.native_running, "native tasks that run");
        let mut live_bytes = 0;
        for (value, place) in &self.values {
            assert_eq!(place.users, users.get(value).copied().unwrap_or(0), "uses of {value}");
            assert_eq!(place.sent, sent.get(value).copied().unwrap_or(0), "uses of {value} by tasks that were sent");
            let needed = place.owned || place.users > 0 || place.fetching.is_some() || !place.waiters.is_empty();
            assert!(needed, "nobody needs {value}: {place:?}");
            assert!(!place.owned || place.is_somewhere(), "{value} is told to be here and is nowhere: {place:?}");
            let comes = place.fetching.is_some() || place.exporting.is_some();
            assert!(place.waiters.is_empty() || comes, "{value} is waited for, and does not come: {place:?}");
            if let Some(executor) = place.exporting {
                assert!(self.executors.iter().any(|known| known.id == executor), "{value} is asked of a dead one");
            }
            for executor in &place.executors {
                assert!(self.executors.iter().any(|known| known.id == *executor), "{value} lives in a dead one");
            }
            live_bytes += place.live_bytes();
        }
        assert!(users.keys().all(|value| self.values.contains_key(value)), "a value that is used has no place");
        assert_eq!(self.live_bytes, live_bytes, "bytes of the values in executors");
    }
}
