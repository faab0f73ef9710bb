//! The engine's memory, drawn on the budget of the process.
//!
//! Start at [`BudgetPool`]. Queries and values share one limit: what a query reserves counts as used, so that values
//! are spilled for it, and what values take is not there for queries, whose steps spill then. What a step may take depends
//! on what it does when it gets no more ([`Kind`]).

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

/// Steps that can spill may take this part; the rest is for merging what they hold or wrote.
const SPILLABLE: f64 = 0.5;

/// So small a part of all is given to a step that can't spill in any case.
const RIGID_PART: usize = 32;

/// So small a part of all is given to a merge in any case: what a sort keeps back for it, and two batches.
const MERGE_PART: usize = 4;

/// So small a part of all is given in any case to each reservation of a step that can spill. One that merges what it
/// spilled may have taken its share for that, and needs a little more for what it makes of it.
const LITTLE_PART: usize = 8;

/// What a merge needs at most of what its sort held: the sorted rows, and their keys in a form that compares fast.
const MERGE_RATIO: usize = 2;

/// What a step does that is given no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Writes what it holds to disk: memory is dealt out evenly among those that hold some.
    Spiller,
    /// Fails if it merges rows in memory, and goes about it in more rounds if they are on disk. The engine does not say
    /// which of both it is at; what it needs is never more than [`MERGE_RATIO`] times what a sort held before.
    Merge,
    /// Passes rows on, and is always given what it asks for, since it holds few batches: a merge of sorted partitions, or an
    /// exchange, whose producers wait when all its consumers have some. If several producers of an exchange spilled for
    /// one consumer, the engine's version of today could wait for ever: the consumer for the next batch of one file, the
    /// producer that has put it into another for the consumer.
    Passing,
    /// Fails.
    Rigid,
}

impl Kind {
    fn of(consumer: &MemoryConsumer) -> Kind {
        if consumer.name().starts_with("ExternalSorterMerge") {
            Kind::Merge
        } else if ["RepartitionExec", "SortPreservingMergeExec"].iter().any(|name| consumer.name().starts_with(name)) {
            Kind::Passing
        } else if !consumer.can_spill() {
            Kind::Rigid
        } else {
            Kind::Spiller
        }
    }
}

/// A memory pool within a [`Budget`].
pub struct BudgetPool {
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of all steps.
    reserved: usize,
    /// Those of each step that can spill or merges, and the most that each ever held.
    steps: HashMap<usize, Step>,
}

#[derive(Debug)]
struct Step {
    kind: Kind,
    held: usize,
    peak: usize,
}

impl State {
    fn grow(&mut self, consumer: &MemoryConsumer, additional: usize) {
        self.reserved += additional;
        let kind = Kind::of(consumer);
        if kind != Kind::Rigid && additional > 0 {
            let step = self.steps.entry(consumer.id()).or_insert(Step { kind, held: 0, peak: 0 });
            step.held += additional;
            step.peak = step.peak.max(step.held);
        }
    }

    fn shrink(&mut self, consumer: &MemoryConsumer, shrink: usize) {
        self.reserved = self.reserved.saturating_sub(shrink);
        if let Some(step) = self.steps.get_mut(&consumer.id()) {
            step.held = step.held.saturating_sub(shrink);
        }
    }

    fn held(&self, consumer: &MemoryConsumer) -> usize {
        self.steps.get(&consumer.id()).map_or(0, |step| step.held)
    }

    /// Bytes that steps hold that can't let go of them.
    fn unspillable(&self) -> usize {
        self.reserved - self.steps.values().filter(|step| step.kind != Kind::Merge).map(|step| step.held).sum::<usize>()
    }

    /// Bytes that a step may take on top of what it holds, of `size` bytes for all.
    fn left_to(&self, reservation: &MemoryReservation, size: usize) -> usize {
        let consumer = reservation.consumer();
        let (held, free) = (self.held(consumer), size.saturating_sub(self.reserved));
        match Kind::of(consumer) {
            Kind::Spiller => {
                let little = (size / LITTLE_PART).saturating_sub(reservation.size());
                self.share(held, size).saturating_sub(held).max(little)
            }
            Kind::Merge => {
                let spillers = self.steps.values().filter(|step| step.kind == Kind::Spiller);
                let needed = MERGE_RATIO * spillers.map(|step| step.peak).max().unwrap_or(0);
                usize::max(needed, size / MERGE_PART).saturating_sub(held).max(free)
            }
            Kind::Passing => usize::MAX,
            Kind::Rigid => free.max((size / RIGID_PART).saturating_sub(reservation.size())),
        }
    }

    /// What a step that can spill and holds so much may have in all.
    fn share(&self, held: usize, size: usize) -> usize {
        let holding = |step: &&Step| step.kind == Kind::Spiller && step.held > 0;
        let sharing = self.steps.values().filter(holding).count() + usize::from(held == 0);
        let spillable = (size as f64 * SPILLABLE) as usize;
        // A step that gets nothing at all can't even begin to spill: a little more than there is does less harm.
        usize::max(spillable.saturating_sub(self.unspillable()), size / 4) / sharing.max(1)
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
        let values = (self.budget.used_bytes() as usize).saturating_sub(state.reserved);
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

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.state.lock().steps.remove(&consumer.id());
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
        let available = state.left_to(reservation, self.size(&state));
        if additional > available {
            return self.refused(reservation, additional, available);
        }
        state.grow(reservation.consumer(), additional);
        self.budget.add(additional as u64);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state.lock().reserved
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
        reservation.try_grow(400).unwrap();
        assert_eq!(budget.used_bytes(), 400);
        assert!(reservation.try_grow(400).is_err());
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
        one.try_grow(250).unwrap();
        other.try_grow(250).unwrap();
        assert!(one.try_grow(1).is_err());
        // A little in any case, for what is made of merged rows.
        one.new_empty().try_grow(125).unwrap();
        drop(other);
        one.try_grow(1).unwrap();
        // What can't spill finds room all the same.
        MemoryConsumer::new("join").register(&pool).try_grow(300).unwrap();
    }

    #[test]
    fn what_a_sort_was_given_can_be_merged_whoever_else_took_memory_since() {
        let (_, pool) = pool(1000);
        let sort = MemoryConsumer::new("ExternalSorter[0]").with_can_spill(true).register(&pool);
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        merge.try_grow(50).unwrap();
        sort.try_grow(400).unwrap();
        let join = MemoryConsumer::new("HashJoinInput").register(&pool);
        join.try_grow(550).unwrap();
        assert!(MemoryConsumer::new("HashJoinInput").register(&pool).try_grow(100).is_err());
        merge.try_grow(750).unwrap();
        assert!(merge.try_grow(1).is_err());
        // Also when it has let go of its rows already.
        sort.free();
        merge.shrink(100);
        merge.try_grow(100).unwrap();
    }

    #[test]
    fn an_exchange_gets_what_it_asks_for_and_takes_no_share() {
        let (_, pool) = pool(1000);
        let exchange = MemoryConsumer::new("RepartitionExec[0]").with_can_spill(true).register(&pool);
        exchange.try_grow(200).unwrap();
        MemoryConsumer::new("ExternalSorter[0]").with_can_spill(true).register(&pool).try_grow(500).unwrap();
        exchange.try_grow(5000).unwrap();
    }
}
