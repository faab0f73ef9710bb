//! What a run holds: values in memory, values on disk, and which of them leave when there are too many.
//!
//! Start at [`Memory`]. It counts values of some size in the budget of the process; small ones cost more to follow than
//! they take. Invariant: nothing here reads, writes or drops a value.

use raskal_scheduler::Scheduler;
use raskal_store::spill::SpillFile;
use raskal_store::{Budget, Value};
use raskal_types::{GraphId, TaskId};
use std::collections::HashMap;
use std::sync::Arc;

/// Values from this size on are counted.
const COUNTED_BYTES: u64 = 256;
/// Values from this size on are worth a file.
const SPILLED_BYTES: u64 = 4096;
/// Together with what is too much goes this part of the limit: ranking all values for each that leaves would take time
/// that grows as the square of their number.
const MORE: u64 = 16;
/// At most this part of the limit is left to what running tasks are about to give.
const RESERVED: u64 = 4;

type Map<V> = HashMap<TaskId, V, foldhash::fast::FixedState>;

/// A counted value in memory.
struct Counted {
    size_bytes: u64,
    /// Somebody writes it at this moment.
    leaving: bool,
    /// It can't be turned into bytes.
    stays: bool,
}

/// A value that is to be written.
pub(super) struct Leaving {
    pub(super) task: TaskId,
    pub(super) size_bytes: u64,
    pub(super) value: Value,
    /// It was written before and came back: there is nothing to write.
    pub(super) file: Option<Arc<SpillFile>>,
}

/// See the module.
pub(super) struct Memory {
    pub(super) budget: Arc<Budget>,
    counted: Map<Counted>,
    files: Map<Arc<SpillFile>>,
    leaving_bytes: u64,
    /// How many tasks run at a time.
    slots: u64,
    /// Size of the largest value since nothing was held.
    largest_bytes: u64,
}

impl Memory {
    pub(super) fn new(budget: Arc<Budget>, slots: u32) -> Memory {
        let (counted, files) = (Map::default(), Map::default());
        Memory { budget, counted, files, leaving_bytes: 0, slots: u64::from(slots), largest_bytes: 0 }
    }

    /// What is left to running tasks: each is taken to give as much as the largest value that was seen.
    fn reserved_bytes(&self) -> u64 {
        (self.slots * self.largest_bytes).min(self.budget.limit_bytes() / RESERVED)
    }

    /// A value is in memory.
    pub(super) fn hold(&mut self, task: TaskId, size_bytes: u64) {
        if size_bytes >= COUNTED_BYTES {
            self.budget.add(size_bytes);
            self.largest_bytes = self.largest_bytes.max(size_bytes);
            let counted = Counted { size_bytes, leaving: false, stays: size_bytes < SPILLED_BYTES };
            if let Some(old) = self.counted.insert(task, counted) {
                self.uncount(&old);
            }
        }
    }

    fn uncount(&mut self, counted: &Counted) {
        self.budget.remove(counted.size_bytes);
        if counted.leaving {
            self.leaving_bytes -= counted.size_bytes;
        }
    }

    /// A value is not needed any more: its file, to be removed.
    pub(super) fn forget(&mut self, task: TaskId) -> Option<Arc<SpillFile>> {
        if let Some(counted) = self.counted.remove(&task) {
            self.uncount(&counted);
        }
        if self.files.is_empty() { None } else { self.files.remove(&task) }
    }

    /// A run is over: its files, to be removed.
    pub(super) fn forget_all(&mut self, graph: GraphId) -> Vec<Arc<SpillFile>> {
        let gone: Vec<TaskId> = self.counted.keys().filter(|task| task.graph == graph).copied().collect();
        let mut files: Vec<_> = gone.into_iter().filter_map(|task| self.forget(task)).collect();
        files.extend(self.files.extract_if(|task, _| task.graph == graph).map(|(_, file)| file));
        if self.counted.is_empty() {
            self.largest_bytes = 0;
        }
        files
    }

    /// Where a value is that is not in memory.
    pub(super) fn file(&self, task: TaskId) -> Option<Arc<SpillFile>> {
        self.files.get(&task).cloned()
    }

    /// Whether more is held than may be.
    pub(super) fn is_short(&self) -> bool {
        self.budget.excess(self.reserved_bytes()) > 0
    }

    /// The values to write now: those that are used last, as far as the budget asks for it.
    pub(super) fn choose<'a>(
        &mut self,
        scheduler: &Scheduler,
        value: impl Fn(TaskId) -> Option<&'a Value>,
    ) -> Vec<Leaving> {
        let excess = self.budget.excess(self.reserved_bytes()).saturating_sub(self.leaving_bytes);
        if excess == 0 {
            return Vec::new();
        }
        let wanted = excess + self.budget.limit_bytes() / MORE;
        let movable = self.counted.iter().filter(|(_, counted)| !counted.leaving && !counted.stays);
        // Without a further use it is a result: nobody asks for it before the end.
        let ranked = movable.map(|(&task, counted)| {
            let next = scheduler.next_use(task);
            (next.is_some(), std::cmp::Reverse(next), task, counted.size_bytes)
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        let mut chosen = Vec::new();
        let mut bytes = 0;
        for (.., task, size_bytes) in ranked {
            // Of the rest only what fits: a value as large as the limit does not follow a small one.
            if bytes >= excess && bytes + size_bytes > wanted {
                break;
            }
            let Some(value) = value(task) else { continue };
            if let Some(counted) = self.counted.get_mut(&task) {
                counted.leaving = true;
                self.leaving_bytes += size_bytes;
            }
            bytes += size_bytes;
            chosen.push(Leaving { task, size_bytes, value: value.clone(), file: self.file(task) });
        }
        chosen
    }

    /// A value was written. False if it was not needed any more, or was made anew, meanwhile.
    pub(super) fn left(&mut self, task: TaskId, file: Arc<SpillFile>) -> bool {
        match self.counted.remove(&task) {
            Some(counted) if counted.leaving => {
                self.uncount(&counted);
                self.budget.note_spilled(counted.size_bytes);
                self.files.insert(task, file);
                true
            }
            Some(counted) => {
                self.counted.insert(task, counted);
                false
            }
            None => false,
        }
    }

    /// A value can't be turned into bytes, or the disk refused it.
    pub(super) fn stays(&mut self, task: TaskId) {
        if let Some(counted) = self.counted.get_mut(&task).filter(|counted| counted.leaving) {
            counted.leaving = false;
            counted.stays = true;
            self.leaving_bytes -= counted.size_bytes;
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.counted.values().for_each(|counted| self.budget.remove(counted.size_bytes));
    }
}
