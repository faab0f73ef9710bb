//! Chooses which ready task runs on which worker.
//!
//! A task with inputs goes to one of the few workers that hold the largest of them, or to one idle worker, whichever can
//! begin it first. Roots are leased in contiguous ranges, so that neighbours are made together. A worker that runs out
//! takes from the longest queue of those that have no room.

use crate::message::Instruction;
use crate::scheduler::Scheduler;
use crate::task::{ANYWHERE, Rank, State};
use raskal_types::{Attempt, SlotClass, TaskId, WorkerId};

/// Transfer between workers, assumed until it is measured.
const BYTES_PER_US: f32 = 1_000.0;
/// Assumed run time of a task of which nothing is known.
const UNKNOWN_US: f32 = 500.0;
/// At most so many roots in one lease.
const LEASE_MAX: usize = 256;
/// Workers whose queues are compared for one that has none.
const COMPARED_MAX: usize = 16;
/// Holders of inputs that are considered for a task.
const CANDIDATES_MAX: usize = 4;

/// Where a worker's next task comes from.
type Source = fn(&mut Scheduler, WorkerId, usize, SlotClass) -> Option<Rank>;

const CLASSES: [SlotClass; 2] = [SlotClass::Python, SlotClass::Native];

impl Scheduler {
    /// Queues a task whose inputs are all in memory.
    pub(crate) fn make_ready(&mut self, task: TaskId) {
        let class = self.class(task);
        if let Some(state) = self.graphs.get_mut(&task.graph)
            && let Some(demand) = state.demand(task.index)
        {
            let rank = state.rank(task.graph, task.index);
            state.tasks[task.index as usize].state = State::Ready(ANYWHERE);
            let queued = self.queue_choosy(demand, rank, class);
            self.ready[class as usize] += usize::from(queued);
            return;
        }
        let chosen = self.choose(task, class);
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let rank = state.rank(task.graph, task.index);
        let own = &mut state.tasks[task.index as usize];
        if !matches!(own.state, State::Ready(_)) {
            self.ready[class as usize] += 1;
        }
        own.state = State::Ready(chosen.unwrap_or(ANYWHERE));
        match chosen.and_then(|id| Some((id, self.workers.get_mut(&id)?))) {
            Some((id, worker)) => {
                let lane = worker.lane(class);
                worker.lanes[lane].ready.insert(rank);
                self.queued[lane].insert(id);
            }
            None => {
                self.homeless[class as usize].insert(rank);
            }
        }
    }

    /// Queues the tasks that found no worker, now that there is another.
    pub(crate) fn rehome(&mut self) {
        for class in CLASSES {
            if self.workers.values().any(|worker| worker.serves(class)) {
                for rank in std::mem::take(&mut self.homeless[class as usize]) {
                    if let Some(task) = self.task_of(rank)
                        && self.graphs[&task.graph].tasks[task.index as usize].state == State::Ready(ANYWHERE)
                    {
                        self.make_ready(task);
                    }
                }
            }
        }
    }

    pub(crate) fn task_of(&self, rank: Rank) -> Option<TaskId> {
        let state = self.graphs.get(&rank.graph)?;
        Some(TaskId { graph: rank.graph, index: *state.ordered.get(rank.order as usize)? })
    }

    fn choose(&self, task: TaskId, class: SlotClass) -> Option<WorkerId> {
        if self.workers.len() == 1 {
            return self.workers.iter().next().filter(|(_, worker)| worker.serves(class)).map(|(&id, _)| id);
        }
        // Bytes that each holder has, largest first.
        let (mut held, total) = self.held_inputs(task);
        held.sort_by_key(|&(worker, bytes)| (std::cmp::Reverse(bytes), worker));
        held.truncate(CANDIDATES_MAX);
        let idle = CLASSES.iter().enumerate().find_map(|(lane, _)| {
            let serves = |worker: &crate::worker::Worker| worker.lane(class) == lane && worker.serves(class);
            self.hungry[lane].iter().find(|worker| serves(&self.workers[worker]))
        });
        held.extend(
            idle.filter(|idle| !held.iter().any(|(worker, _)| worker == *idle))
                .map(|&idle| (idle, 0))
                .into_iter()
                .collect::<Vec<_>>(),
        );
        if held.iter().all(|(worker, _)| !self.workers[worker].serves(class)) {
            held = self.workers.keys().map(|&worker| (worker, 0)).collect();
        }
        let cost = |&(id, bytes): &(WorkerId, u64)| {
            let worker = &self.workers[&id];
            let lane = &worker.lanes[worker.lane(class)];
            let mean_us = if lane.mean_us < 0.0 { UNKNOWN_US } else { lane.mean_us };
            let ahead = (lane.assigned as usize + lane.ready.len()).saturating_sub(lane.slots as usize - 1);
            (total - bytes) as f32 / BYTES_PER_US + ahead as f32 * mean_us / lane.slots as f32
        };
        held.into_iter()
            .filter(|(worker, _)| self.workers[worker].serves(class))
            .min_by(|a, b| {
                cost(a).total_cmp(&cost(b)).then(self.workers[&a.0].held_bytes.cmp(&self.workers[&b.0].held_bytes))
            })
            .map(|(worker, _)| worker)
    }

    /// How many bytes of a task's inputs each worker holds, and how many there are.
    fn held_inputs(&self, task: TaskId) -> (Vec<(WorkerId, u64)>, u64) {
        let Some(state) = self.graphs.get(&task.graph) else { return Default::default() };
        let mut inputs = Vec::new();
        state.layers.predecessors(task.index, &mut inputs);
        let (mut held, mut total) = (Vec::with_capacity(inputs.len()), 0);
        for index in inputs {
            let input = self.resolve(TaskId { graph: task.graph, index });
            let Some(state) = self.graphs.get(&input.graph) else { continue };
            let Some(own) = state.tasks.get(input.index as usize) else { continue };
            let size_bytes = u64::from(own.size_units) * 256;
            total += size_bytes;
            if let State::Memory(holder) = own.state {
                held.push((holder, size_bytes));
                let copies = state.copies.get(&input.index).into_iter().flatten();
                held.extend(copies.map(|&copy| (copy, size_bytes)));
            }
        }
        held.sort_unstable();
        held.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        (held, total)
    }

    pub(crate) fn size_bytes(&self, task: TaskId) -> u64 {
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize));
        known.map_or(0, |task| u64::from(task.size_units) * 256)
    }

    /// Gives work to workers with free capacity: first what is queued for them and roots, then what others can't begin.
    pub(crate) fn dispatch(&mut self, out: &mut Vec<Instruction>) {
        for lane in 0..CLASSES.len() {
            self.feed_choosy(lane, out);
            self.feed_own(lane, out);
            self.feed_choosy(lane, out);
            self.feed_in_turn(lane, Scheduler::take_from_another, out);
            self.balance(lane, out);
        }
    }

    /// Whether a task of `class` is ready that some worker can run.
    pub(crate) fn has_work(&self, class: SlotClass) -> bool {
        self.ready[class as usize] > self.homeless[class as usize].len() + self.demands.waiting[class as usize]
    }

    /// Gives each worker with room in a lane one task in turn from `source`, until there are no more. Whether there is
    /// any is asked first, so that an event costs the same however many workers have nothing to do.
    fn feed_in_turn(&mut self, lane: usize, source: Source, out: &mut Vec<Instruction>) {
        let mut progress = true;
        while std::mem::take(&mut progress) {
            let mut next = self.hungry[lane].first().copied();
            while let Some(worker) = next
                && self.has_work_for(lane)
            {
                progress |= self.feed_one(worker, lane, source, out);
                let behind = (std::ops::Bound::Excluded(worker), std::ops::Bound::Unbounded);
                next = self.hungry[lane].range(behind).next().copied();
            }
        }
    }

    /// Gives workers with room what is queued for them, and roots. Without roots only those are looked at that have a
    /// queue, and of these and those with room whichever are fewer.
    fn feed_own(&mut self, lane: usize, out: &mut Vec<Instruction>) {
        let mut progress = true;
        while std::mem::take(&mut progress) {
            let roots =
                !self.roots[lane].is_empty() || lane == 0 && self.shared_workers > 0 && !self.roots[1].is_empty();
            let by_hunger = roots || self.hungry[lane].len() <= self.queued[lane].len();
            let first = if by_hunger { &self.hungry[lane] } else { &self.queued[lane] };
            let mut next = first.first().copied();
            while let Some(worker) = next
                && self.has_work_for(lane)
            {
                if self.workers.get(&worker).is_none_or(|state| state.lanes[lane].queued() == 0) {
                    self.queued[lane].remove(&worker);
                }
                if roots || self.queued[lane].contains(&worker) {
                    progress |= self.feed_one(worker, lane, Scheduler::next_rank, out);
                }
                let behind = (std::ops::Bound::Excluded(worker), std::ops::Bound::Unbounded);
                let set = if by_hunger { &self.hungry[lane] } else { &self.queued[lane] };
                next = set.range(behind).next().copied();
            }
        }
    }

    /// Whether a task is ready that some worker can run in this lane.
    fn has_work_for(&self, lane: usize) -> bool {
        // Shared slots have the first lane, for both classes.
        self.has_work(CLASSES[lane]) || lane == 0 && self.shared_workers > 0 && self.has_work(SlotClass::Native)
    }

    fn feed_one(&mut self, worker: WorkerId, lane: usize, source: Source, out: &mut Vec<Instruction>) -> bool {
        let fed = self.feed(worker, lane, source, out);
        if self.workers.get(&worker).is_none_or(|state| !state.has_room(lane)) {
            self.hungry[lane].remove(&worker);
        }
        fed
    }

    /// Gives a worker one task for a lane, if it has room for it and there is one.
    fn feed(&mut self, id: WorkerId, lane: usize, source: Source, out: &mut Vec<Instruction>) -> bool {
        let Some(worker) = self.workers.get(&id).filter(|worker| worker.has_room(lane)) else { return false };
        let classes = if worker.shared { &CLASSES[..] } else { &CLASSES[lane..=lane] };
        for &class in classes {
            while let Some(rank) = source(self, id, lane, class) {
                let Some(task) = self.task_of(rank) else { continue };
                let Some(state) = self.graphs.get(&task.graph) else { continue };
                let State::Ready(_) = state.tasks[task.index as usize].state else { continue };
                self.assign(id, lane, task, out);
                return true;
            }
        }
        false
    }

    /// Gives a worker a task that was taken out of its queue.
    pub(crate) fn assign(&mut self, id: WorkerId, lane: usize, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let own = &mut state.tasks[task.index as usize];
        own.state = State::Assigned(id);
        own.attempt += 1;
        let attempt = Attempt(own.attempt);
        self.ready[state.class(task.index) as usize] -= 1;
        state.layer_state(task.index).running += 1;
        let demand = state.demand(task.index);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.lanes[lane].assigned += 1;
            worker.assigned.insert(task);
        }
        self.weigh(id, lane);
        if let Some(demand) = demand {
            self.use_resources(id, demand, 1.0);
        }
        out.push(Instruction::Run { worker: id, task, attempt });
    }

    /// The next task for a worker: of its own queue and lease whichever comes first, then of a new lease.
    fn next_rank(&mut self, id: WorkerId, lane: usize, class: SlotClass) -> Option<Rank> {
        let worker = self.workers.get_mut(&id)?;
        let (strained, own) = (worker.strained, &mut worker.lanes[lane]);
        let held_back = strained && own.assigned > 0;
        let (ready, leased) = (own.ready.first().copied(), own.lease.front().copied().filter(|_| !held_back));
        match (ready, leased) {
            (Some(ready), Some(leased)) if leased < ready => return own.lease.pop_front(),
            (Some(_), _) => return own.ready.pop_first(),
            (None, Some(_)) => return own.lease.pop_front(),
            (None, None) => {}
        }
        // Roots make memory fuller; what has inputs may free some. One at a time, so that there is always progress.
        if self.workers.get(&id).is_some_and(|worker| worker.strained && worker.lanes[lane].assigned > 0) {
            return None;
        }
        if self.lease(id, lane, class) {
            return self.workers.get_mut(&id)?.lanes[lane].lease.pop_front();
        }
        None
    }

    /// Leases a worker the next roots; false if there are none.
    fn lease(&mut self, id: WorkerId, lane: usize, class: SlotClass) -> bool {
        let workers = self.workers.len();
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        // A worker of shared slots serves both classes: take whichever root comes first.
        let shared = worker.lane(SlotClass::Python) == worker.lane(SlotClass::Native);
        let first =
            |class: SlotClass| self.roots[class as usize].iter().next().map(|(&key, orders)| (key, orders[0], class));
        let best = if shared {
            first(SlotClass::Python)
                .into_iter()
                .chain(first(SlotClass::Native))
                .min_by_key(|&(key, order, _)| (key, order))
        } else {
            first(class)
        };
        let Some((key, _, class)) = best else { return false };
        let roots = &mut self.roots[class as usize];
        let Some(orders) = roots.get_mut(&key) else { return false };
        let fair = orders.len() / (2 * workers * worker.lanes[lane].slots.max(1) as usize);
        // With shared slots roots of the other class may come between these: take one at a time where both exist.
        let count = fair.clamp(1, LEASE_MAX).min(orders.len());
        let lease = orders.drain(..count).map(|order| Rank { urgency: key.0, graph: key.1, order });
        worker.lanes[lane].lease.extend(lease);
        self.queued[lane].insert(id);
        if orders.is_empty() {
            roots.remove(&key);
        }
        true
    }

    /// The last task in the longest queue of a worker that has no room for it. One that has room begins its tasks itself,
    /// where their inputs are.
    fn take_from_another(&mut self, id: WorkerId, _lane: usize, class: SlotClass) -> Option<Rank> {
        if self.workers.len() == 1 {
            return None;
        }
        if self.workers.get(&id)?.strained {
            return None;
        }
        // Shared slots queue both classes together: only another worker of shared slots can take whatever comes.
        let shared = self.workers.get(&id)?.shared;
        let mut longest: Option<(usize, WorkerId)> = None;
        let (mut compared, mut empty) = (0, Vec::new());
        for lane in if shared { 0..2 } else { class as usize..class as usize + 1 } {
            for &other in &self.queued[lane] {
                let Some(worker) = self.workers.get(&other) else { continue };
                let length = worker.lanes[lane].queued();
                if length == 0 {
                    empty.push((lane, other));
                } else if other != id
                    && (shared || !worker.shared)
                    && worker.lane(class) == lane
                    && !worker.has_room(lane)
                {
                    if longest.is_none_or(|(most, _)| length > most) {
                        longest = Some((length, other));
                    }
                    compared += 1;
                    if compared == COMPARED_MAX {
                        break;
                    }
                }
            }
        }
        for (lane, other) in empty {
            self.queued[lane].remove(&other);
        }
        let (_, other) = longest?;
        let other = self.workers.get_mut(&other)?;
        let lane = other.lane(class);
        other.lanes[lane].lease.pop_back().or_else(|| other.lanes[lane].ready.pop_last())
    }
}
