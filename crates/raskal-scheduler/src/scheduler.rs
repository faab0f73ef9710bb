//! The machine: events in, instructions out.
//!
//! Start at [`Scheduler::step`]. Invariants (checked by `validate` in tests): a task sits in exactly one place; a value is
//! held somewhere exactly while it has uses to come; every needed task is waiting for something that will happen.

use crate::custody::Move;
use crate::demand::Demands;
use crate::message::{Cause, Event, Instruction, Slots};
use crate::task::{ANYWHERE, GraphState, Rank, State};
use crate::worker::{Worker, smooth};
use raskal_graph::Graph;
use raskal_types::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A task that workers died under this often is given up.
pub(crate) const DEATHS_MAX: u32 = 3;

/// Where an input of a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The task whose value it is (of an earlier graph, if it was imported).
    pub task: TaskId,
    /// Who holds it; empty if nobody does any more.
    pub holders: Vec<WorkerId>,
}

/// How far a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LayerCounts {
    /// Tasks that some wanted result needs.
    pub needed: u32,
    /// Tasks at workers.
    pub running: u32,
    /// Tasks whose value was made.
    pub done: u32,
    /// Tasks without result.
    pub failed: u32,
}

/// Roots of one graph and class that no worker leases yet, by order.
type Roots = BTreeMap<(i32, GraphId), VecDeque<u32>>;

/// The scheduler.
#[derive(Default)]
pub struct Scheduler {
    pub(crate) graphs: BTreeMap<GraphId, GraphState>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) roots: [Roots; 2],
    /// Ready tasks that no present worker can run, by class.
    pub(crate) homeless: [BTreeSet<Rank>; 2],
    /// Number of ready tasks, wherever they are queued, by class.
    pub(crate) ready: [usize; 2],
    /// Workers with room in each lane.
    pub(crate) hungry: [BTreeSet<WorkerId>; 2],
    /// Workers with nothing to do, and with more than they run, by lane.
    pub(crate) idle: [BTreeSet<WorkerId>; 2],
    pub(crate) loaded: [BTreeSet<WorkerId>; 2],
    /// Workers with something in their queues, by lane; some that have nothing any more.
    pub(crate) queued: [BTreeSet<WorkerId>; 2],
    /// Tasks that were asked back of their worker, and for whom.
    pub(crate) retracting: HashMap<TaskId, WorkerId, foldhash::fast::FixedState>,
    /// Values that nobody counts on, at workers that are to make these very values.
    pub(crate) strays: BTreeSet<(WorkerId, TaskId)>,
    /// Values on their way to another holder.
    pub(crate) moves: HashMap<TaskId, Move, foldhash::fast::FixedState>,
    /// Workers that are to leave and are not gone.
    pub(crate) retiring: BTreeSet<WorkerId>,
    /// Whether nothing is given out.
    hold: bool,
    /// What tasks ask of their workers.
    pub(crate) demands: Demands,
    /// Number of workers whose slots run both classes.
    pub(crate) shared_workers: usize,
    /// Buffers that are empty between steps.
    tasks: Vec<u32>,
    arrived: Vec<TaskId>,
}

impl Scheduler {
    /// A scheduler without workers and graphs.
    pub fn new() -> Scheduler {
        Scheduler::default()
    }

    /// Takes in one event and appends what is to be done to `out`.
    pub fn step(&mut self, event: Event, out: &mut Vec<Instruction>) {
        match event {
            Event::WorkerJoined { worker, slots, traits } => {
                self.workers.insert(worker, Worker::new(slots, traits));
                self.offer(worker);
                (0..2).for_each(|lane| self.weigh(worker, lane));
                self.shared_workers += usize::from(matches!(slots, Slots::Shared(_)));
                self.hungry.iter_mut().for_each(|hungry| _ = hungry.insert(worker));
                self.rehome();
                if !self.retiring.is_empty() {
                    self.evacuate_the_rest(out);
                }
            }
            Event::WorkerSlots { worker, python } => {
                if let Some(known) = self.workers.get_mut(&worker) {
                    let lane = known.lane(SlotClass::Python);
                    known.lanes[lane].slots = python;
                    self.hungry[lane].insert(worker);
                    self.weigh(worker, lane);
                }
            }
            Event::WorkerLost { worker } => self.worker_lost(worker, out),
            Event::Submit { graph, client, layers, imports, wanted } => {
                let state = GraphState::new(client, layers, imports, &wanted);
                self.submit(graph, state, out);
            }
            Event::Finished { worker, task, attempt, size_bytes, duration_us } => {
                self.finished(worker, task, attempt, size_bytes, duration_us, out);
            }
            Event::Failed { worker, task, attempt, died } => self.task_failed(worker, task, attempt, died, out),
            Event::InputMissing { worker, task, attempt, input, holder } => {
                self.input_missing(worker, task, attempt, input, holder, out);
            }
            Event::Retracted { worker, task, attempt } => self.retracted(worker, task, attempt, out),
            Event::Retained { worker, task, attempt } => self.retained(worker, task, attempt),
            Event::Strained { worker, strained } => self.strain(worker, strained),
            Event::Hold { hold } => self.hold = hold,
            Event::Adopted { worker, task, size_bytes } => self.adopt_value(worker, task, size_bytes, out),
            Event::AdoptedRun { worker, task, attempt } => self.adopt_run(worker, task, attempt, out),
            Event::Replicate { tasks, copies, among } => self.replicate(&tasks, copies, &among, out),
            Event::Rebalance { tasks, among } => self.rebalance(&tasks, &among, out),
            Event::Retire { workers } => self.retire(&workers, out),
            Event::Tidy => self.tidy(out),
            Event::CopyFailed { worker, task } => self.copy_failed(worker, task, out),
            Event::Copied { worker, task } => {
                self.copied(worker, task, out);
                self.moved(worker, task, out);
            }
            Event::Dropped { worker, task } => self.dropped(worker, task, out),
            Event::Release { tasks } => tasks.into_iter().for_each(|task| self.release(task, out)),
            Event::Cancel { graph } => self.release_all(graph, out),
            Event::ClientLost { client } => {
                let graphs: Vec<GraphId> =
                    self.graphs.iter().filter(|(_, state)| state.client == client).map(|(&id, _)| id).collect();
                graphs.into_iter().for_each(|graph| self.release_all(graph, out));
            }
        }
        if !self.hold {
            self.dispatch(out);
        }
        if !self.retiring.is_empty() {
            self.let_go_retired(out);
        }
    }

    /// Where the inputs of a task are, in order.
    pub fn inputs(&self, task: TaskId) -> Vec<Input> {
        let Some(state) = self.graphs.get(&task.graph) else { return Vec::new() };
        let mut inputs = Vec::new();
        state.layers.predecessors(task.index, &mut inputs);
        inputs
            .into_iter()
            .map(|index| {
                let task = self.resolve(TaskId { graph: task.graph, index });
                Input { task, holders: self.holders(task) }
            })
            .collect()
    }

    /// Who holds the value of a task.
    pub fn holders(&self, task: TaskId) -> Vec<WorkerId> {
        let task = self.resolve(task);
        let Some(state) = self.graphs.get(&task.graph) else { return Vec::new() };
        match state.tasks.get(task.index as usize).map(|task| task.state) {
            Some(State::Memory(worker)) => {
                std::iter::once(worker).chain(state.copies.get(&task.index).into_iter().flatten().copied()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a worker holds the value of a task (of one that stands for no other).
    pub(crate) fn is_held_by(&self, worker: WorkerId, task: TaskId) -> bool {
        let Some(state) = self.graphs.get(&task.graph) else { return false };
        match state.tasks.get(task.index as usize).map(|task| task.state) {
            Some(State::Memory(holder)) => {
                holder == worker || state.copies.get(&task.index).is_some_and(|copies| copies.contains(&worker))
            }
            _ => false,
        }
    }

    /// The place, in the order of running, of the next task that takes the value of this one; none if no task will.
    /// Imports by other graphs are not looked at.
    pub fn next_use(&self, task: TaskId) -> Option<(i32, GraphId, u32)> {
        let state = self.graphs.get(&task.graph)?;
        let mut successors = Vec::new();
        state.layers.successors(task.index, &mut successors);
        let to_come = successors.into_iter().filter(|&index| {
            matches!(state.tasks[index as usize].state, State::Waiting(_) | State::Ready(_) | State::Assigned(_))
        });
        let rank = to_come.map(|index| state.rank(task.graph, index)).min()?;
        Some((rank.urgency, rank.graph, rank.order))
    }

    /// How many uses of a value are to come: by tasks, by clients, by other graphs.
    pub fn uses(&self, task: TaskId) -> u32 {
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize));
        known.map_or(0, |task| task.uses)
    }

    /// All values that a worker holds, found by looking at all tasks: only a worker's end asks for it.
    pub(crate) fn held_by(&self, worker: WorkerId) -> Vec<TaskId> {
        let tasks = |(&graph, state): (&GraphId, &GraphState)| {
            (0..state.tasks.len() as u32).map(move |index| TaskId { graph, index })
        };
        self.graphs.iter().flat_map(tasks).filter(|&task| self.is_held_by(worker, task)).collect()
    }

    /// The layers of a graph that is known.
    pub fn graph(&self, graph: GraphId) -> Option<&Graph> {
        self.graphs.get(&graph).map(|state| &*state.layers)
    }

    /// The known graphs, and whose they are.
    pub fn graphs(&self) -> impl Iterator<Item = (GraphId, ClientId)> {
        self.graphs.iter().map(|(&graph, state)| (graph, state.client))
    }

    /// How far each layer of a graph is; empty if the graph is not known.
    pub fn counts(&self, graph: GraphId) -> Vec<LayerCounts> {
        let layers = self.graphs.get(&graph).map(|state| state.layer_states.as_slice()).unwrap_or_default();
        layers
            .iter()
            .map(|layer| LayerCounts {
                needed: layer.needed,
                running: layer.running,
                done: layer.done,
                failed: layer.failed,
            })
            .collect()
    }

    /// Number of tasks given to a worker and not answered, and number and bytes of the values it holds.
    pub fn load(&self, worker: WorkerId) -> (usize, usize, u64) {
        self.workers.get(&worker).map_or((0, 0, 0), |worker| (worker.assigned.len(), worker.held, worker.held_bytes))
    }

    /// Time that the tasks given to a worker will take one thread, by what its recent ones took.
    pub fn occupancy_us(&self, worker: WorkerId) -> f32 {
        let lanes = self.workers.get(&worker).map(|worker| worker.lanes.as_slice()).unwrap_or_default();
        lanes.iter().map(|lane| lane.assigned as f32 * lane.mean_us.max(0.0)).sum()
    }

    /// Whether a worker was given this run of a task, and the task is still waited for.
    pub fn is_assigned(&self, worker: WorkerId, task: TaskId, attempt: Attempt) -> bool {
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize));
        known.is_some_and(|task| task.state == State::Assigned(worker) && task.attempt == attempt.0)
    }

    /// The results of a graph that its client wants.
    pub fn wanted(&self, graph: GraphId) -> Vec<TaskId> {
        let wanted = self.graphs.get(&graph).into_iter().flat_map(|state| state.wanted.iter());
        wanted.map(|index| TaskId { graph, index }).collect()
    }

    /// The client that wants the result of a task, if one does.
    pub fn wants(&self, task: TaskId) -> Option<ClientId> {
        self.graphs.get(&task.graph).filter(|state| state.wanted.contains(task.index)).map(|state| state.client)
    }

    /// Whether a worker was given a task and has not answered.
    pub fn is_running(&self, task: TaskId) -> bool {
        let known = self.graphs.get(&task.graph).and_then(|state| state.tasks.get(task.index as usize));
        known.is_some_and(|task| matches!(task.state, State::Assigned(_)))
    }

    /// Why a task has no result, if it failed.
    pub fn cause(&self, task: TaskId) -> Option<Cause> {
        self.graphs.get(&task.graph)?.causes.get(&task.index).copied()
    }

    /// The task that really has the value: an imported task stands for one of another graph.
    pub fn resolve(&self, task: TaskId) -> TaskId {
        match self.graphs.get(&task.graph).and_then(|state| state.imports.get(&task.index)) {
            Some(&source) => self.resolve(source),
            None => task,
        }
    }

    /// The tasks of other graphs that stand for a task, and those that stand for them, with their clients.
    pub fn stand_ins(&self, task: TaskId) -> Vec<(ClientId, TaskId)> {
        let (mut found, mut look) = (Vec::new(), vec![task]);
        while let Some(task) = look.pop() {
            let exports = self.graphs.get(&task.graph).and_then(|state| state.exports.get(&task.index));
            for &own in exports.into_iter().flatten() {
                look.push(own);
                found.extend(self.graphs.get(&own.graph).map(|state| (state.client, own)));
            }
        }
        found
    }

    fn submit(&mut self, id: GraphId, mut state: GraphState, out: &mut Vec<Instruction>) {
        self.adopt_demands(&mut state);
        let mut roots: [VecDeque<u32>; 2] = Default::default();
        let mut choosy = Vec::new();
        let mut imported: Vec<(u32, TaskId)> = Vec::new();
        for (order, &task) in state.ordered.iter().enumerate() {
            if state.tasks[task as usize].state == State::Waiting(0) {
                if let Some(&source) = state.imports.get(&task) {
                    state.tasks[task as usize].state = State::Waiting(1);
                    imported.push((task, source));
                } else if state.demand(task).is_some() {
                    choosy.push(TaskId { graph: id, index: task });
                } else {
                    state.tasks[task as usize].state = State::Ready(ANYWHERE);
                    roots[state.class(task) as usize].push_back(order as u32);
                    self.ready[state.class(task) as usize] += 1;
                }
            }
        }
        let urgencies: Vec<i32> = state.layer_states.iter().map(|layer| layer.urgency).collect();
        let uniform = urgencies.iter().all(|&urgency| urgency == urgencies[0])
            && !state.layer_states.iter().any(|layer| layer.varied);
        for (class, orders) in roots.into_iter().enumerate() {
            if uniform {
                if !orders.is_empty() {
                    self.roots[class].insert((urgencies[0], id), orders);
                }
            } else {
                for order in orders {
                    let urgency = state.urgency(state.ordered[order as usize]);
                    self.roots[class].entry((urgency, id)).or_default().push_back(order);
                }
            }
        }
        let empty = state.live == 0;
        self.graphs.insert(id, state);
        choosy.into_iter().for_each(|task| self.make_ready(task));
        for (own, source) in imported {
            self.import(TaskId { graph: id, index: own }, source, out);
        }
        if empty {
            self.forget_if_done(id, out);
        }
    }

    /// Connects a task with the task of another graph that it stands for.
    fn import(&mut self, own: TaskId, source: TaskId, out: &mut Vec<Instruction>) {
        // Kept resolved: the graph of a stand-in in between may be forgotten before this one is.
        let source = self.resolve(source);
        let Some(state) = self.graphs.get_mut(&own.graph) else { return };
        state.imports.insert(own.index, source);
        if state.tasks[own.index as usize].state != State::Waiting(1) {
            // Given up already, because another import of the same graph has no value.
            return;
        }
        let known = self.graphs.get_mut(&source.graph).filter(|state| (source.index as usize) < state.tasks.len());
        let Some(state) = known else {
            self.fail(own, Cause::Lost(source), out);
            return;
        };
        if let State::Failed = state.tasks[source.index as usize].state {
            let cause = state.causes.get(&source.index).copied().unwrap_or(Cause::Lost(source));
            self.fail(own, cause, out);
            return;
        }
        if state.tasks[source.index as usize].order == u32::MAX {
            self.fail(own, Cause::Lost(source), out);
            return;
        }
        state.tasks[source.index as usize].uses += 1;
        state.importers += 1;
        state.exports.entry(source.index).or_default().push(own);
        let standing = state.tasks[source.index as usize].state;
        if let Some(state) = self.graphs.get_mut(&own.graph) {
            state.sources.push(source.graph);
        }
        match standing {
            State::Memory(_) => self.import_arrived(own, out),
            State::Released | State::Unneeded => self.revive(vec![source], out),
            _ => {}
        }
    }

    /// The value that an imported task stands for is in memory.
    pub(crate) fn import_arrived(&mut self, own: TaskId, out: &mut Vec<Instruction>) {
        if let Some(state) = self.graphs.get_mut(&own.graph)
            && let State::Waiting(_) = state.tasks[own.index as usize].state
        {
            state.tasks[own.index as usize].state = State::Memory(ANYWHERE);
            state.layer_state(own.index).done += 1;
            self.announce(own, out);
        }
    }

    /// Tells those who wait for a value that it is there.
    pub(crate) fn announce(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        if state.wanted.contains(task.index) {
            out.push(Instruction::Finished { client: state.client, task });
        }
        let mut successors = std::mem::take(&mut self.tasks);
        state.layers.successors(task.index, &mut successors);
        for &index in &successors {
            if let State::Waiting(missing) = &mut state.tasks[index as usize].state {
                *missing -= 1;
                if *missing == 0 {
                    self.arrived.push(TaskId { graph: task.graph, index });
                }
            }
        }
        let exports = state.exports.get(&task.index).cloned();
        successors.clear();
        self.tasks = successors;
        let arrived = std::mem::take(&mut self.arrived);
        for &task in &arrived {
            self.make_ready(task);
        }
        self.arrived = arrived;
        self.arrived.clear();
        for own in exports.into_iter().flatten() {
            self.import_arrived(own, out);
        }
    }

    fn finished(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
        size_bytes: u64,
        duration_us: u32,
        out: &mut Vec<Instruction>,
    ) {
        if !self.unassign(worker, task, attempt) {
            // A late answer: of an earlier run, or of a task that nobody needs any more.
            self.stray(worker, task, out);
            return;
        }
        self.made(worker, task, size_bytes);
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let uses = state.tasks[task.index as usize].uses;
        let layer = state.layer_state(task.index);
        layer.mean_us = smooth(layer.mean_us, duration_us);
        let class = layer.class;
        if let Some(worker) = self.workers.get_mut(&worker) {
            let lane = worker.lane(class);
            worker.lanes[lane].learn(duration_us);
        }
        self.consume_inputs(task, out);
        self.announce(task, out);
        if uses == 0 {
            self.free(task, out);
        } else if !self.retiring.is_empty() && self.retiring.contains(&worker) {
            self.evacuate(worker, task, 0, out);
        }
    }

    /// A value is there, held by a worker.
    pub(crate) fn made(&mut self, worker: WorkerId, task: TaskId, size_bytes: u64) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let own = &mut state.tasks[task.index as usize];
        own.state = State::Memory(worker);
        own.size_units = u32::try_from(size_bytes.div_ceil(256)).unwrap_or(u32::MAX);
        state.layer_state(task.index).done += 1;
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.held += 1;
            worker.held_bytes += size_bytes.div_ceil(256) * 256;
        }
    }

    /// Takes a task back from a worker; false if this run of it is not what the worker was given last.
    pub(crate) fn unassign(&mut self, worker: WorkerId, task: TaskId, attempt: Attempt) -> bool {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return false };
        let Some(own) = state.tasks.get(task.index as usize) else { return false };
        if own.state != State::Assigned(worker) || own.attempt != attempt.0 {
            return false;
        }
        // In between; whoever takes it back says at once what becomes of it.
        state.tasks[task.index as usize].state = State::Waiting(0);
        let layer = state.layer_state(task.index);
        layer.running -= 1;
        let class = layer.class;
        let demand = state.demand(task.index);
        if let Some(state) = self.workers.get_mut(&worker) {
            state.assigned.remove(&task);
            if !self.strays.is_empty() {
                self.strays.remove(&(worker, task));
            }
            let lane = state.lane(class);
            state.lanes[lane].assigned -= 1;
            self.hungry[lane].insert(worker);
            self.weigh(worker, lane);
            self.asked_back(worker, lane, task);
        }
        if let Some(demand) = demand {
            self.use_resources(worker, demand, -1.0);
        }
        true
    }

    /// Takes back a task whose run made no value. A value of it that an earlier run or a transfer left at the worker
    /// was let be while this run could still replace it; now it goes.
    pub(crate) fn take_back(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
        out: &mut Vec<Instruction>,
    ) -> bool {
        let stray = !self.strays.is_empty() && self.strays.contains(&(worker, task));
        let known = self.unassign(worker, task, attempt);
        if known && stray {
            out.push(Instruction::Free { worker, task });
        }
        known
    }

    /// The uses that a task had of its inputs are over.
    pub(crate) fn consume_inputs(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get(&task.graph) else { return };
        let mut inputs = std::mem::take(&mut self.tasks);
        state.layers.predecessors(task.index, &mut inputs);
        for &index in &inputs {
            self.use_over(TaskId { graph: task.graph, index }, out);
        }
        inputs.clear();
        self.tasks = inputs;
    }

    /// One use of a value is over; without further uses the value is freed, or not made at all.
    pub(crate) fn use_over(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let mut stack = vec![task];
        while let Some(task) = stack.pop() {
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            let own = &mut state.tasks[task.index as usize];
            own.uses -= 1;
            if own.uses > 0 {
                continue;
            }
            match own.state {
                State::Memory(_) => self.free(task, out),
                State::Waiting(_) | State::Ready(_) | State::Assigned(_) => self.give_up(task, &mut stack, out),
                State::Unneeded | State::Released | State::Failed => {}
            }
        }
    }

    /// Takes back a task that nobody needs any more; its inputs lose a use (pushed to `unused`).
    fn give_up(&mut self, task: TaskId, unused: &mut Vec<TaskId>, out: &mut Vec<Instruction>) {
        self.withdraw(task, out);
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        state.tasks[task.index as usize].state = State::Unneeded;
        state.live -= 1;
        state.layer_state(task.index).needed -= 1;
        if let Some(source) = state.imports.get(&task.index).copied() {
            unused.extend(self.unexport(source, task).then_some(source));
        } else {
            let mut inputs = Vec::new();
            state.layers.predecessors(task.index, &mut inputs);
            unused.extend(inputs.into_iter().map(|index| TaskId { graph: task.graph, index }));
        }
        self.forget_if_done(task.graph, out);
    }

    /// Takes a task out of the queue or from the worker that it is in. The caller says at once what becomes of it.
    pub(crate) fn withdraw(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let own = state.tasks[task.index as usize];
        if let State::Ready(_) = own.state {
            self.ready[state.class(task.index) as usize] -= 1;
        }
        match own.state {
            State::Ready(worker) if worker != ANYWHERE => {
                let (rank, class) = (state.rank(task.graph, task.index), state.class(task.index));
                if let Some(worker) = self.workers.get_mut(&worker) {
                    let lane = worker.lane(class);
                    worker.lanes[lane].ready.remove(&rank);
                }
            }
            State::Ready(_) => {
                // A root stays in its queue until it is popped, where its state tells that it is void.
                let (rank, class) = (state.rank(task.graph, task.index), state.class(task.index));
                match state.demand(task.index) {
                    Some(demand) => self.unqueue_choosy(demand, rank, class),
                    None => _ = self.homeless[class as usize].remove(&rank),
                }
            }
            State::Assigned(worker) => {
                let attempt = Attempt(own.attempt);
                out.push(Instruction::Abandon { worker, task, attempt });
                self.take_back(worker, task, attempt, out);
            }
            _ => {}
        }
    }

    /// Has every holder forget a value that nobody needs any more.
    fn free(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        let own = &mut state.tasks[task.index as usize];
        let State::Memory(holder) = own.state else { return };
        own.state = State::Released;
        let size_bytes = u64::from(own.size_units) * 256;
        state.live -= 1;
        if holder == ANYWHERE {
            if let Some(source) = state.imports.get(&task.index).copied()
                && self.unexport(source, task)
            {
                self.use_over(source, out);
            }
        } else {
            let copies = state.copies.remove(&task.index).unwrap_or_default();
            for worker in std::iter::once(holder).chain(copies) {
                if let Some(state) = self.workers.get_mut(&worker) {
                    state.held -= 1;
                    state.held_bytes -= size_bytes;
                }
                out.push(Instruction::Free { worker, task });
            }
        }
        self.forget_if_done(task.graph, out);
    }

    /// Parts an imported task from the one that it stands for; false if they are not connected (any more, or not yet).
    fn unexport(&mut self, source: TaskId, own: TaskId) -> bool {
        let Some(state) = self.graphs.get_mut(&source.graph) else { return false };
        let Some(exports) = state.exports.get_mut(&source.index) else { return false };
        let count = exports.len();
        exports.retain(|&export| export != own);
        let parted = exports.len() < count;
        if exports.is_empty() {
            state.exports.remove(&source.index);
        }
        parted
    }

    /// Drops a graph of which nothing is wanted, held or imported any more.
    pub(crate) fn forget_if_done(&mut self, graph: GraphId, out: &mut Vec<Instruction>) {
        let done = |state: &GraphState| state.live == 0 && state.wanted.is_empty() && state.importers == 0;
        if !self.graphs.get(&graph).is_some_and(done) {
            return;
        }
        let Some(state) = self.graphs.remove(&graph) else { return };
        self.disown_demands(&state);
        if !self.moves.is_empty() {
            self.moves.retain(|task, _| task.graph != graph);
        }
        self.roots.iter_mut().for_each(|roots| roots.retain(|key, _| key.1 != graph));
        out.push(Instruction::Forget { graph });
        for source in state.sources {
            if let Some(state) = self.graphs.get_mut(&source) {
                state.importers -= 1;
                self.forget_if_done(source, out);
            }
        }
    }

    fn release(&mut self, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        if state.wanted.remove(task.index) {
            self.use_over(task, out);
            self.forget_if_done(task.graph, out);
        }
    }

    fn release_all(&mut self, graph: GraphId, out: &mut Vec<Instruction>) {
        let Some(state) = self.graphs.get(&graph) else { return };
        let wanted: Vec<u32> = state.wanted.iter().collect();
        wanted.into_iter().for_each(|index| self.release(TaskId { graph, index }, out));
    }

    fn task_failed(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        attempt: Attempt,
        died: bool,
        out: &mut Vec<Instruction>,
    ) {
        if !self.take_back(worker, task, attempt, out) {
            return;
        }
        let Some(state) = self.graphs.get_mut(&task.graph) else { return };
        if died {
            let deaths = state.deaths.entry(task.index).or_default();
            *deaths += 1;
            if *deaths >= DEATHS_MAX {
                self.fail(task, Cause::Killed(task), out);
            } else {
                self.reconsider(task);
            }
            return;
        }
        let retries = state.retries(task.index);
        let raised = if retries == 0 { 0 } else { *state.raised.entry(task.index).or_default() };
        if raised < retries {
            state.raised.insert(task.index, raised + 1);
            self.reconsider(task);
        } else {
            self.fail(task, Cause::Raised(task), out);
        }
    }

    /// Gives a task, and all that need it, no result.
    pub(crate) fn fail(&mut self, task: TaskId, cause: Cause, out: &mut Vec<Instruction>) {
        let mut stack = vec![task];
        while let Some(task) = stack.pop() {
            let Some(state) = self.graphs.get(&task.graph) else { continue };
            if let State::Failed | State::Unneeded | State::Released | State::Memory(_) =
                state.tasks[task.index as usize].state
            {
                continue;
            }
            self.withdraw(task, out);
            let Some(state) = self.graphs.get_mut(&task.graph) else { continue };
            state.tasks[task.index as usize].state = State::Failed;
            state.live -= 1;
            state.layer_state(task.index).failed += 1;
            state.causes.insert(task.index, cause);
            if state.wanted.contains(task.index) {
                out.push(Instruction::Failed { client: state.client, task, cause });
            }
            let mut successors = Vec::new();
            state.layers.successors(task.index, &mut successors);
            stack.extend(successors.into_iter().map(|index| TaskId { graph: task.graph, index }));
            stack.extend(state.exports.get(&task.index).into_iter().flatten());
            if let Some(source) = state.imports.get(&task.index).copied() {
                if self.unexport(source, task) {
                    self.use_over(source, out);
                }
            } else {
                self.consume_inputs(task, out);
            }
            self.forget_if_done(task.graph, out);
        }
    }
}

impl Scheduler {
    /// Which class of slots a task needs.
    pub(crate) fn class(&self, task: TaskId) -> SlotClass {
        self.graphs.get(&task.graph).map_or(SlotClass::Native, |state| state.class(task.index))
    }
}
