//! The state of tasks and graphs.

use crate::bits::Bits;
use crate::demand::{DemandId, LayerDemands};
use raskal_graph::{Graph, LayerId, order};
use raskal_types::{ClientId, GraphId, SlotClass, TaskId, WorkerId};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No wanted result needs it.
    Unneeded,
    /// So many of its inputs are not in memory.
    Waiting(u32),
    /// Queued in the scheduler: for this worker, or as a root for any (`u32::MAX`).
    Ready(WorkerId),
    /// Given to a worker.
    Assigned(WorkerId),
    /// Its value is held by at least this worker.
    Memory(WorkerId),
    /// Its value was made and is not needed any more.
    Released,
    /// It has no result; see [`GraphState::causes`].
    Failed,
}

/// A root that waits for any worker.
pub(crate) const ANYWHERE: WorkerId = WorkerId(u32::MAX);

/// One task. The columns that few tasks need (further holders, deaths, retries) are kept aside in [`GraphState`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) state: State,
    /// Position in the order of running; `u32::MAX` if unneeded.
    pub(crate) order: u32,
    /// How many uses of its value are still to come: by waiting tasks, by clients, by other graphs.
    pub(crate) uses: u32,
    /// How often it was given to a worker.
    pub(crate) attempt: u32,
    /// Size of its value, in units of 256 bytes rounded up (placement needs no more precision).
    pub(crate) size_units: u32,
}

const _: () = assert!(size_of::<Task>() == 24);

/// When a task should run, compared with all others: smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// The user's priority, negated.
    pub(crate) urgency: i32,
    /// Earlier graphs first.
    pub(crate) graph: GraphId,
    /// Depth first within a graph.
    pub(crate) order: u32,
}

/// What is known of one layer's tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LayerState {
    /// Mean run time in microseconds, weighted to the recent; negative when unknown.
    pub(crate) mean_us: f32,
    pub(crate) class: SlotClass,
    pub(crate) urgency: i32,
    pub(crate) retries: u32,
    /// Whether single tasks have an urgency and retries of their own.
    pub(crate) varied: bool,
    pub(crate) needed: u32,
    pub(crate) running: u32,
    pub(crate) done: u32,
    pub(crate) failed: u32,
}

/// Tasks, hashed by a fixed function: iteration order never depends on the process, and ids need no defence against
/// chosen collisions since the scheduler makes them itself.
pub(crate) type TaskSet = std::collections::HashSet<TaskId, foldhash::fast::FixedState>;

/// A graph with the state of its tasks.
pub(crate) struct GraphState {
    pub(crate) client: ClientId,
    pub(crate) layers: Arc<Graph>,
    pub(crate) tasks: Vec<Task>,
    /// The needed tasks in the order of running.
    pub(crate) ordered: Vec<u32>,
    pub(crate) layer_states: Vec<LayerState>,
    /// Tasks that stand for tasks of other graphs.
    pub(crate) imports: HashMap<u32, TaskId>,
    /// Tasks of other graphs that stand for tasks of this one.
    pub(crate) exports: HashMap<u32, Vec<TaskId>>,
    /// Further holders of values that are held by more than one worker.
    pub(crate) copies: HashMap<u32, Vec<WorkerId>>,
    /// How many holders users asked for.
    pub(crate) pinned: HashMap<u32, u32>,
    /// Why failed tasks failed.
    pub(crate) causes: HashMap<u32, crate::Cause>,
    /// How many workers died under a task.
    pub(crate) deaths: HashMap<u32, u32>,
    /// How often a task raised and was run again.
    pub(crate) raised: HashMap<u32, u32>,
    /// Results that the client wants.
    pub(crate) wanted: Bits,
    /// The graph of each import that was connected, which keeps its lineage for this one.
    pub(crate) sources: Vec<GraphId>,
    /// How many imports of other graphs were connected with this one: its lineage is kept for them.
    pub(crate) importers: u32,
    /// Needed tasks that are neither released nor failed.
    pub(crate) live: u32,
    /// What the tasks of each layer ask of their workers; empty if none asks anything.
    pub(crate) demands: Vec<LayerDemands>,
}

impl GraphState {
    pub(crate) fn new(client: ClientId, layers: Arc<Graph>, imports: Vec<(u32, TaskId)>, wanted: &[u32]) -> GraphState {
        let idle = Task { state: State::Unneeded, order: u32::MAX, uses: 0, attempt: 0, size_units: 0 };
        let mut tasks = vec![idle; layers.task_count() as usize];
        let ordered = order(&layers, wanted);
        let mut layer_states: Vec<LayerState> = layers
            .layers()
            .iter()
            .map(|layer| LayerState {
                mean_us: -1.0,
                class: layer.class,
                urgency: -layer.annotations.priority,
                retries: layer.annotations.retries,
                varied: layer.singled_out.is_some(),
                ..LayerState::default()
            })
            .collect();
        let mut inputs = Vec::new();
        for (position, &task) in ordered.iter().enumerate() {
            inputs.clear();
            layers.predecessors(task, &mut inputs);
            for &input in &inputs {
                tasks[input as usize].uses += 1;
            }
            let own = &mut tasks[task as usize];
            own.order = position as u32;
            own.state = State::Waiting(inputs.len() as u32);
            layer_states[layers.locate(task).0.0 as usize].needed += 1;
        }
        let mut bits = Bits::new(tasks.len());
        for &task in wanted {
            tasks[task as usize].uses += u32::from(bits.insert(task));
        }
        GraphState {
            client,
            layers,
            tasks,
            live: ordered.len() as u32,
            ordered,
            layer_states,
            imports: imports.into_iter().collect(),
            exports: HashMap::new(),
            copies: HashMap::new(),
            pinned: HashMap::new(),
            causes: HashMap::new(),
            deaths: HashMap::new(),
            raised: HashMap::new(),
            wanted: bits,
            sources: Vec::new(),
            importers: 0,
            demands: Vec::new(),
        }
    }

    /// A task that was released or given up is needed again; `revive` says what it waits for.
    pub(crate) fn awaken(&mut self, task: u32) {
        match self.tasks[task as usize].state {
            State::Released => self.layer_state(task).done -= 1,
            _ => self.layer_state(task).needed += 1,
        }
        self.tasks[task as usize].state = State::Waiting(u32::MAX);
        self.live += 1;
    }

    pub(crate) fn layer_of(&self, task: u32) -> LayerId {
        self.layers.locate(task).0
    }

    pub(crate) fn layer_state(&mut self, task: u32) -> &mut LayerState {
        let layer = self.layer_of(task);
        &mut self.layer_states[layer.0 as usize]
    }

    pub(crate) fn rank(&self, id: GraphId, task: u32) -> Rank {
        Rank { urgency: self.urgency(task), graph: id, order: self.tasks[task as usize].order }
    }

    pub(crate) fn urgency(&self, task: u32) -> i32 {
        let layer = self.layer_states[self.layer_of(task).0 as usize];
        if layer.varied { -self.layers.annotations(task).priority } else { layer.urgency }
    }

    /// How often a task that raised is run again.
    pub(crate) fn retries(&self, task: u32) -> u32 {
        let layer = self.layer_states[self.layer_of(task).0 as usize];
        if layer.varied { self.layers.annotations(task).retries } else { layer.retries }
    }

    /// What a task asks of its worker, if anything.
    pub(crate) fn demand(&self, task: u32) -> Option<DemandId> {
        if self.demands.is_empty() {
            return None;
        }
        let (layer, index) = self.layers.locate(task);
        let demands = &self.demands[layer.0 as usize];
        let own = self.layers.layer(layer).singled_out.as_ref();
        let kind = own.and_then(|own| own.kind_of.get(index as usize)).copied().unwrap_or(0);
        match kind {
            0 => demands.own,
            kind => demands.kinds.get(usize::from(kind) - 1).copied().flatten(),
        }
    }

    pub(crate) fn class(&self, task: u32) -> SlotClass {
        self.layer_states[self.layer_of(task).0 as usize].class
    }
}
