//! The engine's memory, drawn on the budget of the process.
//!
//! Start at [`BudgetPool`]. Queries and values share one limit: what a query reserves counts as used, so that values
//! are spilled for it, and what values take is not there for queries, whose steps spill then. Among the steps that can
//! spill and hold something, memory is dealt out evenly; those that can't take what is left.

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use parking_lot::Mutex;
use raskal_store::Budget;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Of the budget, this part is left to queries even if values fill it: values can leave, a query that gets nothing
/// can't go on.
const LEAST: f64 = 0.1;

/// Steps that can spill may take this part; the rest is for merging what they wrote, which can't.
const SPILLABLE: f64 = 0.7;

/// So small a part of all is given to a step that can't spill in any case: merges need a few batches to go on.
const UNSPILLABLE_PART: usize = 32;

/// A memory pool within a [`Budget`].
pub struct BudgetPool {
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of each step that can spill and holds some. Not of all there are: most wait for others to begin or are done.
    spillers: HashMap<usize, usize>,
    spillable: usize,
    unspillable: usize,
}

impl State {
    fn reserved(&self) -> usize {
        self.spillable + self.unspillable
    }

    fn grow(&mut self, consumer: &MemoryConsumer, additional: usize) {
        if additional > 0 && consumer.can_spill() {
            self.spillable += additional;
            *self.spillers.entry(consumer.id()).or_default() += additional;
        } else {
            self.unspillable += additional;
        }
    }

    fn shrink(&mut self, consumer: &MemoryConsumer, shrink: usize) {
        if !consumer.can_spill() {
            self.unspillable = self.unspillable.saturating_sub(shrink);
            return;
        }
        self.spillable = self.spillable.saturating_sub(shrink);
        if let Some(held) = self.spillers.get_mut(&consumer.id()) {
            *held = held.saturating_sub(shrink);
            if *held == 0 {
                self.spillers.remove(&consumer.id());
            }
        }
    }

    /// Bytes that a step which can spill may take on top of what it holds, of `size` bytes for all.
    fn left_to_spiller(&self, consumer: &MemoryConsumer, size: usize) -> usize {
        let held = self.spillers.get(&consumer.id()).copied();
        let sharing = self.spillers.len() + usize::from(held.is_none());
        let shared = (size as f64 * SPILLABLE) as usize;
        // A step that gets nothing at all can't even begin to spill: a little more than there is does less harm.
        let share = usize::max(shared.saturating_sub(self.unspillable), size / 4) / sharing.max(1);
        share.saturating_sub(held.unwrap_or(0))
    }
}

impl BudgetPool {
    /// A pool that draws on `budget`.
    pub fn new(budget: Arc<Budget>) -> BudgetPool {
        BudgetPool { budget, state: Mutex::default() }
    }

    /// What queries may hold altogether, in bytes: the limit without what values take.
    fn size(&self, state: &State) -> usize {
        let limit = self.budget.limit_bytes() as usize;
        let values = (self.budget.used_bytes() as usize).saturating_sub(state.reserved());
        usize::max(limit.saturating_sub(values), (limit as f64 * LEAST) as usize)
    }

    fn refused(&self, reservation: &MemoryReservation, additional: usize, available: usize) -> Result<()> {
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} needs {additional} more bytes beside its {}, of which {available} are left within the memory limit of {} \
             bytes\nhint: raise memory-limit in raskal.config, or select fewer columns first",
            reservation.consumer().name(),
            reservation.size(),
            self.budget.limit_bytes()
        )))
    }
}

impl fmt::Debug for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BudgetPool({:?} of {} bytes)", self.state.lock(), self.budget.limit_bytes())
    }
}

impl fmt::Display for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl MemoryPool for BudgetPool {
    fn name(&self) -> &str {
        "budget"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.state.lock().grow(reservation.consumer(), additional);
        self.budget.add(additional as u64);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.state.lock().shrink(reservation.consumer(), shrink);
        self.budget.remove(shrink as u64);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state.lock();
        let (size, consumer) = (self.size(&state), reservation.consumer());
        let available = match consumer.can_spill() {
            true => state.left_to_spiller(consumer, size),
            false => {
                let little = (size / UNSPILLABLE_PART).saturating_sub(reservation.size());
                usize::max(size.saturating_sub(state.reserved()), little)
            }
        };
        if additional > available {
            return self.refused(reservation, additional, available);
        }
        state.grow(consumer, additional);
        self.budget.add(additional as u64);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state.lock().reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.budget.limit_bytes() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(limit: u64) -> (Arc<Budget>, Arc<dyn MemoryPool>) {
        let budget = Arc::new(Budget::new(limit, &std::env::temp_dir()));
        (budget.clone(), Arc::new(BudgetPool::new(budget)))
    }

    #[test]
    fn what_a_query_reserves_counts_for_the_process_until_it_is_let_go() {
        let (budget, pool) = pool(1000);
        let reservation = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        reservation.try_grow(600).unwrap();
        assert_eq!(budget.used_bytes(), 600);
        assert!(reservation.try_grow(600).is_err());
        drop(reservation);
        assert_eq!(budget.used_bytes(), 0);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn values_leave_less_to_queries_but_never_nothing() {
        let (budget, pool) = pool(1000);
        budget.add(1000);
        let reservation = MemoryConsumer::new("join").register(&pool);
        assert!(reservation.try_grow(200).is_err());
        reservation.try_grow(100).unwrap();
        budget.remove(1000);
        reservation.try_grow(900).unwrap();
    }

    #[test]
    fn steps_that_can_spill_share_evenly() {
        let (_, pool) = pool(1000);
        let spiller = || MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let (one, other, _idle) = (spiller(), spiller(), spiller());
        one.try_grow(350).unwrap();
        other.try_grow(350).unwrap();
        assert!(one.try_grow(1).is_err());
        drop(other);
        one.try_grow(1).unwrap();
        // What can't spill finds room all the same.
        MemoryConsumer::new("merge").register(&pool).try_grow(300).unwrap();
    }
}
