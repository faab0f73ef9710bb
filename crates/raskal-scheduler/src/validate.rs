//! Checks every invariant. For tests and simulation: it looks at everything after every step.

use crate::scheduler::{LayerCounts, Scheduler};
use crate::task::{ANYWHERE, Rank, State};
use raskal_types::TaskId;
use std::collections::{BTreeMap, BTreeSet};

impl Scheduler {
    /// Panics if an invariant does not hold, naming the task or worker.
    ///
    /// # Panics
    /// As said; that is its purpose.
    pub fn validate(&self) {
        let mut roots: BTreeSet<Rank> = self.homeless.iter().flatten().copied().collect();
        for (&(urgency, graph), orders) in self.roots.iter().flatten() {
            roots.extend(orders.iter().map(|&order| Rank { urgency, graph, order }));
        }
        for lane in self.workers.values().flat_map(|worker| &worker.lanes) {
            roots.extend(&lane.lease);
        }
        roots.extend(self.demands.known.values().flat_map(|demand| demand.queue.iter().flatten()));
        let mut ready = [0; 2];
        for (&graph, state) in &self.graphs {
            let importers = self.graphs.values().flat_map(|other| &other.sources).filter(|&&source| source == graph);
            assert_eq!(state.importers as usize, importers.count(), "imports from graph {graph}");
            let mut uses = vec![0u32; state.tasks.len()];
            let mut live = 0;
            for (index, task) in state.tasks.iter().enumerate() {
                let id = TaskId { graph, index: index as u32 };
                let pending = matches!(task.state, State::Waiting(_) | State::Ready(_) | State::Assigned(_));
                live += u32::from(pending || matches!(task.state, State::Memory(_)));
                let mut inputs = Vec::new();
                state.layers.predecessors(id.index, &mut inputs);
                let missing = inputs
                    .iter()
                    .filter(|&&input| !matches!(state.tasks[input as usize].state, State::Memory(_)))
                    .count();
                let imported = state.imports.contains_key(&id.index);
                if pending && !imported {
                    inputs.iter().for_each(|&input| uses[input as usize] += 1);
                }
                match task.state {
                    State::Waiting(count) if imported => assert_eq!(count, 1, "{id} is imported and waits for {count}"),
                    State::Waiting(count) => {
                        assert_eq!(count as usize, missing, "{id} waits for {count}, but {missing} inputs are missing");
                        assert!(count > 0, "{id} waits for nothing");
                    }
                    State::Ready(worker) => {
                        ready[state.class(id.index) as usize] += 1;
                        assert_eq!(missing, 0, "{id} is ready, but {missing} inputs are missing");
                        if worker == ANYWHERE {
                            assert!(roots.contains(&state.rank(graph, id.index)), "{id} is in no queue of roots");
                        } else {
                            let worker = &self.workers[&worker];
                            let lane = &worker.lanes[worker.lane(state.class(id.index))];
                            assert!(lane.ready.contains(&state.rank(graph, id.index)), "{id} is in no queue");
                        }
                    }
                    State::Assigned(worker) => {
                        assert!(self.workers[&worker].assigned.contains(&id), "{id} is not with its worker");
                    }
                    State::Memory(ANYWHERE) => assert!(imported, "{id} is nowhere"),
                    State::Memory(worker) => {
                        let copies = state.copies.get(&id.index).map(Vec::as_slice).unwrap_or_default();
                        assert!(!copies.contains(&worker), "{id} names worker {worker} twice");
                        for holder in copies.iter().chain([&worker]) {
                            assert!(self.workers.contains_key(holder), "worker {holder}, which is gone, holds {id}");
                        }
                    }
                    State::Failed => assert!(state.causes.contains_key(&id.index), "{id} failed without cause"),
                    State::Released | State::Unneeded => {}
                }
            }
            let mut counts = vec![LayerCounts::default(); state.layer_states.len()];
            for (index, task) in state.tasks.iter().enumerate() {
                let id = TaskId { graph, index: index as u32 };
                let count = &mut counts[state.layer_of(id.index).0 as usize];
                count.needed += u32::from(task.state != State::Unneeded);
                count.running += u32::from(matches!(task.state, State::Assigned(_)));
                count.done += u32::from(matches!(task.state, State::Memory(_) | State::Released));
                count.failed += u32::from(task.state == State::Failed);
                let wanted = u32::from(state.wanted.contains(id.index) && task.state != State::Failed);
                let exported = state.exports.get(&id.index).map_or(0, Vec::len) as u32;
                if task.state != State::Failed {
                    assert_eq!(task.uses, uses[index] + wanted + exported, "uses of {id}, which is {:?}", task.state);
                }
                if let State::Memory(_) | State::Waiting(_) | State::Ready(_) | State::Assigned(_) = task.state {
                    assert!(task.uses > 0, "{id} is {:?} without use", task.state);
                }
            }
            assert_eq!(state.live, live, "live tasks of graph {graph}");
            assert_eq!(self.counts(graph), counts, "what is told of the layers of graph {graph}");
        }
        assert_eq!(self.ready, ready, "ready tasks by class");
        self.validate_demands();
        self.validate_balance();
        for (id, worker) in &self.workers {
            let given: u32 = worker.lanes.iter().map(|lane| lane.assigned).sum();
            assert_eq!(given as usize, worker.assigned.len(), "tasks given to worker {id}");
            let held = self.held_by(*id);
            assert_eq!(worker.held, held.len(), "values held by worker {id}");
            let bytes: u64 = held.into_iter().map(|task| self.size_bytes(task)).sum();
            assert_eq!(worker.held_bytes, bytes, "bytes held by worker {id}");
            for (lane, hungry) in self.hungry.iter().enumerate() {
                assert!(!worker.has_room(lane) || hungry.contains(id), "worker {id} has room but is not known to");
            }
        }
        for (worker, task) in &self.strays {
            assert!(self.workers[worker].assigned.contains(task), "{task} strays at {worker}, which does not make it");
        }
        assert_eq!(self.shared_workers, self.workers.values().filter(|worker| worker.shared).count());
    }

    fn validate_balance(&self) {
        let leaving = |id| self.workers.get(id).is_some_and(|worker: &crate::worker::Worker| worker.retiring);
        assert!(self.retiring.iter().all(leaving), "a worker that is to leave is not known to");
        for task in self.retracting.keys() {
            let state = self.graphs.get(&task.graph).map(|state| state.tasks[task.index as usize].state);
            assert!(matches!(state, Some(State::Assigned(_))), "{task} is asked back of nobody: {state:?}");
        }
        for lane in 0..2 {
            let sum = |pick: fn(&crate::worker::Lane) -> u32| -> usize {
                self.workers.values().map(|worker| pick(&worker.lanes[lane]) as usize).sum()
            };
            let (incoming, outgoing) = (sum(|lane| lane.incoming), sum(|lane| lane.outgoing));
            assert!(incoming <= outgoing, "{incoming} tasks are expected by thieves and {outgoing} were asked back");
            for (id, worker) in &self.workers {
                let own = &worker.lanes[lane];
                assert_eq!(self.idle[lane].contains(id), worker.is_idle(lane), "worker {id} is idle");
                let queued = own.queued() == 0 || self.queued[lane].contains(id);
                assert!(queued, "worker {id} has a queue, and is not known to");
                assert_eq!(self.loaded[lane].contains(id), own.assigned > own.slots, "worker {id} is loaded");
            }
            assert!(self.idle[lane].iter().chain(&self.loaded[lane]).all(|id| self.workers.contains_key(id)));
        }
    }

    fn validate_demands(&self) {
        let askers: usize =
            self.graphs.values().flat_map(|state| &state.demands).map(|layer| layer.all().count()).sum();
        let known: u32 = self.demands.known.values().map(|demand| demand.askers).sum();
        assert_eq!(askers, known as usize, "demands");
        let mut waiting = [0; 2];
        for demand in self.demands.known.values() {
            assert!(demand.open.is_subset(&demand.eligible), "a worker is open for what it can't serve");
            for (class, queue) in demand.queue.iter().enumerate() {
                waiting[class] += queue.len();
                for &rank in queue {
                    let task = self.task_of(rank).expect("a queued task is known");
                    assert_eq!(self.graphs[&task.graph].tasks[task.index as usize].state, State::Ready(ANYWHERE));
                }
            }
            for worker in &demand.eligible {
                assert!(self.workers.contains_key(worker), "worker {worker} is gone and thought to serve tasks");
            }
        }
        assert_eq!(self.demands.waiting, waiting, "tasks that only some workers can run");
        for (id, worker) in self.workers.iter().filter(|(_, worker)| !worker.traits.anything) {
            let mut taken: BTreeMap<&str, f64> = BTreeMap::new();
            for task in &worker.assigned {
                let asked = &self.graphs[&task.graph].layers.annotations(task.index).resources;
                asked.iter().for_each(|(name, amount)| *taken.entry(name).or_default() += amount);
            }
            for (name, amount) in taken {
                let own = worker.traits.resources.iter().find(|(own, _)| own == name).map_or(0.0, |(_, has)| *has);
                assert!(amount <= own + 1e-6, "worker {id} has {own} of {name}, and {amount} is taken");
                let known = worker.taken.iter().find(|(own, _)| own == name).map_or(0.0, |(_, taken)| *taken);
                assert!((amount - known).abs() < 1e-6, "{name} of worker {id}: {amount} taken, {known} known");
            }
        }
    }
}
