//! Tasks that only some workers can run: by name, or by what they have of a resource.
//!
//! Start at [`Scheduler::feed_choosy`]. Such a task waits in the queue of its [`Demand`], in order, until a worker that is
//! eligible has room and enough of what it takes. Locality decides among several; no such task is queued at a worker, so
//! none has to be taken from one.
//! Invariant: what workers were given takes no more of a resource than they have.

use crate::message::{Instruction, Traits};
use crate::scheduler::Scheduler;
use crate::task::{GraphState, Rank};
use crate::worker::Worker;
use raskal_graph::Annotations;
use raskal_types::{SlotClass, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// Workers that are compared for one task.
const COMPARED_MAX: usize = 16;
/// What sums of fractions of a resource may be off by.
const SLACK: f64 = 1e-9;

/// One demand, shared by all tasks that ask for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DemandId(u32);

/// What some tasks ask, who can serve it, and who waits for that.
pub(crate) struct Demand {
    workers: Vec<String>,
    /// Whether others will do while none of those named is there.
    loose: bool,
    resources: Vec<(String, f64)>,
    /// How many layers and kinds of tasks ask for it.
    pub(crate) askers: u32,
    pub(crate) eligible: BTreeSet<WorkerId>,
    /// Those of them with enough left.
    pub(crate) open: BTreeSet<WorkerId>,
    /// The tasks that wait, by class.
    pub(crate) queue: [BTreeSet<Rank>; 2],
}

/// All demands of the graphs that are known.
#[derive(Default)]
pub(crate) struct Demands {
    pub(crate) known: BTreeMap<DemandId, Demand>,
    next: u32,
    /// Number of tasks that wait in their queues, by class.
    pub(crate) waiting: [usize; 2],
}

/// The demands of one layer's tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerDemands {
    pub(crate) own: Option<DemandId>,
    /// Of tasks that are singled out, by kind.
    pub(crate) kinds: Vec<Option<DemandId>>,
}

impl LayerDemands {
    pub(crate) fn all(&self) -> impl Iterator<Item = DemandId> {
        self.own.into_iter().chain(self.kinds.iter().flatten().copied())
    }
}

impl Demand {
    /// Whether a worker is one of those that can serve it; of any name if `of_any_name`.
    fn is_met_by(&self, worker: &Worker, of_any_name: bool) -> bool {
        let traits = &worker.traits;
        let named =
            || of_any_name || self.workers.is_empty() || self.workers.iter().any(|name| traits.labels.contains(name));
        let has = |(name, amount): &(String, f64)| traits.total(name) + SLACK >= *amount;
        !worker.retiring && (traits.anything || named() && self.resources.iter().all(has))
    }

    /// Whether a worker has enough left.
    fn is_open_at(&self, worker: &Worker) -> bool {
        worker.traits.anything || self.resources.iter().all(|(name, amount)| worker.left(name) + SLACK >= *amount)
    }

    fn recount(&mut self, workers: &BTreeMap<WorkerId, Worker>) {
        let met = |of_any_name: bool| -> BTreeSet<WorkerId> {
            workers.iter().filter(|(_, worker)| self.is_met_by(worker, of_any_name)).map(|(&id, _)| id).collect()
        };
        let mut eligible = met(false);
        if eligible.is_empty() && self.loose {
            eligible = met(true);
        }
        self.open = eligible.iter().copied().filter(|id| self.is_open_at(&workers[id])).collect();
        self.eligible = eligible;
    }
}

impl Traits {
    fn total(&self, name: &str) -> f64 {
        self.resources.iter().find(|(own, _)| own == name).map_or(0.0, |(_, amount)| *amount)
    }
}

impl Worker {
    fn left(&self, name: &str) -> f64 {
        self.traits.total(name) - self.taken.iter().find(|(own, _)| own == name).map_or(0.0, |(_, amount)| *amount)
    }
}

impl Scheduler {
    /// Makes the demands of a graph known.
    pub(crate) fn adopt_demands(&mut self, state: &mut GraphState) {
        let layers = state.layers.clone();
        let asks = |asked: &Annotations| !asked.workers.is_empty() || !asked.resources.is_empty();
        let choosy = layers
            .layers()
            .iter()
            .any(|layer| asks(&layer.annotations) || layer.singled_out.iter().flat_map(|own| &own.kinds).any(asks));
        if !choosy {
            return;
        }
        state.demands = layers
            .layers()
            .iter()
            .map(|layer| LayerDemands {
                own: self.demand_of(&layer.annotations),
                kinds: layer.singled_out.iter().flat_map(|own| &own.kinds).map(|kind| self.demand_of(kind)).collect(),
            })
            .collect();
    }

    fn demand_of(&mut self, asked: &Annotations) -> Option<DemandId> {
        if asked.workers.is_empty() && asked.resources.is_empty() {
            return None;
        }
        let loose = asked.allow_other_workers;
        let same = |demand: &Demand| {
            demand.workers == asked.workers && demand.resources == asked.resources && demand.loose == loose
        };
        if let Some((&id, demand)) = self.demands.known.iter_mut().find(|(_, demand)| same(demand)) {
            demand.askers += 1;
            return Some(id);
        }
        let mut demand = Demand {
            workers: asked.workers.clone(),
            loose,
            resources: asked.resources.clone(),
            askers: 1,
            eligible: BTreeSet::new(),
            open: BTreeSet::new(),
            queue: Default::default(),
        };
        demand.recount(&self.workers);
        let id = DemandId(self.demands.next);
        self.demands.next += 1;
        self.demands.known.insert(id, demand);
        Some(id)
    }

    /// Forgets the demands that only this graph had.
    pub(crate) fn disown_demands(&mut self, state: &GraphState) {
        for id in state.demands.iter().flat_map(LayerDemands::all) {
            if let Some(demand) = self.demands.known.get_mut(&id) {
                demand.askers -= 1;
                if demand.askers == 0 {
                    self.demands.known.remove(&id);
                }
            }
        }
    }

    /// A worker came: it may be one of those that tasks wait for.
    pub(crate) fn offer(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        for demand in self.demands.known.values_mut() {
            if demand.loose {
                demand.recount(&self.workers);
            } else if demand.is_met_by(worker, false) {
                demand.eligible.insert(id);
                demand.open.insert(id);
            }
        }
    }

    /// A worker went, and is no longer in the table.
    pub(crate) fn withdraw_offer(&mut self, id: WorkerId) {
        for demand in self.demands.known.values_mut() {
            demand.open.remove(&id);
            if demand.eligible.remove(&id) && demand.loose && demand.eligible.is_empty() {
                demand.recount(&self.workers);
            }
        }
    }

    /// A worker was given a task of this demand (1), or the task was taken back (-1).
    pub(crate) fn use_resources(&mut self, id: WorkerId, demand: DemandId, sign: f64) {
        let (Some(worker), Some(demand)) = (self.workers.get_mut(&id), self.demands.known.get(&demand)) else { return };
        if demand.resources.is_empty() || worker.traits.anything {
            return;
        }
        for (name, amount) in &demand.resources {
            match worker.taken.iter_mut().find(|(own, _)| own == name) {
                Some((_, taken)) => *taken = (*taken + sign * amount).max(0.0),
                None => worker.taken.push((name.clone(), amount.max(0.0))),
            }
        }
        let worker = &self.workers[&id];
        for demand in self.demands.known.values_mut().filter(|demand| demand.eligible.contains(&id)) {
            match demand.is_open_at(worker) {
                true => demand.open.insert(id),
                false => demand.open.remove(&id),
            };
        }
    }

    /// Queues a task of a demand whose inputs are all in memory; false if it was there.
    pub(crate) fn queue_choosy(&mut self, id: DemandId, rank: Rank, class: SlotClass) -> bool {
        let queued = self.demands.known.get_mut(&id).is_some_and(|demand| demand.queue[class as usize].insert(rank));
        self.demands.waiting[class as usize] += usize::from(queued);
        queued
    }

    /// Takes a task out of the queue of its demand.
    pub(crate) fn unqueue_choosy(&mut self, id: DemandId, rank: Rank, class: SlotClass) {
        let queued = self.demands.known.get_mut(&id).is_some_and(|demand| demand.queue[class as usize].remove(&rank));
        self.demands.waiting[class as usize] -= usize::from(queued);
    }

    /// Gives the tasks that only some workers can run to those, before the tasks that any worker can: few can serve them.
    pub(crate) fn feed_choosy(&mut self, lane: usize, out: &mut Vec<Instruction>) {
        for class in [SlotClass::Python, SlotClass::Native] {
            if self.demands.waiting[class as usize] == 0 {
                continue;
            }
            let waiting = |demand: &Demand| !demand.queue[class as usize].is_empty() && !demand.open.is_empty();
            let ids: Vec<DemandId> =
                self.demands.known.iter().filter(|(_, demand)| waiting(demand)).map(|(&id, _)| id).collect();
            for id in ids {
                while let Some(rank) =
                    self.demands.known.get(&id).and_then(|demand| demand.queue[class as usize].first().copied())
                    && let Some(task) = self.task_of(rank)
                    && let Some(worker) = self.pick(id, task, rank, lane, class)
                {
                    self.unqueue_choosy(id, rank, class);
                    self.assign(worker, lane, task, out);
                    if self.workers.get(&worker).is_none_or(|state| !state.has_room(lane)) {
                        self.hungry[lane].remove(&worker);
                    }
                }
            }
        }
    }

    /// The eligible worker with room that has most of a task's inputs.
    fn pick(&self, id: DemandId, task: TaskId, rank: Rank, lane: usize, class: SlotClass) -> Option<WorkerId> {
        let open = &self.demands.known.get(&id)?.open;
        let hungry = &self.hungry[lane];
        let (few, many) = if open.len() < hungry.len() { (open, hungry) } else { (hungry, open) };
        let can = |id: &&WorkerId| {
            let Some(worker) = self.workers.get(*id).filter(|_| many.contains(*id)) else { return false };
            let next = [worker.lanes[lane].ready.first(), worker.lanes[lane].lease.front()];
            // Users' priorities hold across both kinds of tasks. (What was given up stays in the queues of roots until it
            // is popped, which happens only while there is something to run.)
            let root = self.roots[class as usize].first_key_value().is_some_and(|(key, _)| key.0 < rank.urgency);
            let urgent =
                self.has_work(class) && (root || next.into_iter().flatten().any(|next| next.urgency < rank.urgency));
            worker.lane(class) == lane && worker.serves(class) && worker.has_room(lane) && !urgent
        };
        let held = |worker: &WorkerId| -> u64 {
            let inputs = self.inputs(task);
            inputs.iter().filter(|input| input.holders.contains(worker)).map(|input| self.size_bytes(input.task)).sum()
        };
        let candidates: Vec<WorkerId> = few.iter().filter(can).take(COMPARED_MAX).copied().collect();
        if candidates.len() < 2 {
            return candidates.first().copied();
        }
        candidates.into_iter().rev().max_by_key(held)
    }
}
