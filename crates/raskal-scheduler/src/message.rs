//! What the scheduler hears and what it says.

use raskal_graph::Graph;
use raskal_types::{Attempt, ClientId, GraphId, TaskId, WorkerId};
use std::sync::Arc;

/// How many tasks a worker runs at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// Each slot runs tasks of both classes (the threads of one process).
    Shared(u32),
    /// Python and native tasks have slots of their own (a node with executor processes).
    Separate {
        /// Slots for Python tasks.
        python: u32,
        /// Slots for native tasks.
        native: u32,
    },
}

/// What a worker is called and what it has, for tasks that ask for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traits {
    /// What tasks may call it: its name, addresses, host.
    pub labels: Vec<String>,
    /// How much it has of each resource.
    pub resources: Vec<(String, f64)>,
    /// Whether it takes any task, whatever that asks for (the threads of one process).
    pub anything: bool,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A worker is ready for tasks.
    WorkerJoined {
        /// Its id, never used before.
        worker: WorkerId,
        /// What it can run at once.
        slots: Slots,
        /// What it is called and has.
        traits: Traits,
    },
    /// A worker is gone, with all it held.
    WorkerLost {
        /// Its id.
        worker: WorkerId,
    },
    /// A worker has another number of slots for Python tasks: one stepped aside, or came back.
    WorkerSlots {
        /// Which.
        worker: WorkerId,
        /// How many there are now.
        python: u32,
    },
    /// A client wants results.
    Submit {
        /// The graph's id, never used before.
        graph: GraphId,
        /// Who wants them.
        client: ClientId,
        /// The tasks.
        layers: Arc<Graph>,
        /// Tasks of this graph that stand for tasks of earlier graphs: (own index, the other task).
        imports: Vec<(u32, TaskId)>,
        /// The tasks whose results are wanted until they are released.
        wanted: Vec<u32>,
    },
    /// A worker finished a task and holds its value.
    Finished {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Size of the value.
        size_bytes: u64,
        /// Time that the task ran.
        duration_us: u32,
    },
    /// A task failed.
    Failed {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Whether the process that ran it died, rather than the task raising an error.
        died: bool,
    },
    /// A worker could not get an input of a task, which therefore did not run.
    InputMissing {
        /// Who.
        worker: WorkerId,
        /// The task that did not run.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
        /// Who should have had it.
        holder: WorkerId,
    },
    /// A worker gave back a task that it was asked for and had not begun.
    Retracted {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A worker keeps a task that it was asked for: it has begun.
    Retained {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A worker's memory is short (or no longer): it is given no roots and nothing ahead of need.
    Strained {
        /// Who.
        worker: WorkerId,
        /// Whether it is.
        strained: bool,
    },
    /// Nothing is to be given out for a while, or is again.
    Hold {
        /// Whether.
        hold: bool,
    },
    /// A worker holds a value from before its connection broke, or its scheduler was started again.
    Adopted {
        /// Who.
        worker: WorkerId,
        /// Whose value.
        task: TaskId,
        /// Its size.
        size_bytes: u64,
    },
    /// Likewise, a task that it was given and has not answered.
    AdoptedRun {
        /// Who.
        worker: WorkerId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Values are to be held by so many workers.
    Replicate {
        /// Whose.
        tasks: Vec<TaskId>,
        /// How many workers.
        copies: usize,
        /// By which; any if empty.
        among: Vec<WorkerId>,
    },
    /// Workers are to hold about as many bytes each.
    Rebalance {
        /// Which values may be moved; all if empty.
        tasks: Vec<TaskId>,
        /// Between which workers; all if empty.
        among: Vec<WorkerId>,
    },
    /// Workers are to leave: their values go to others first.
    Retire {
        /// Which.
        workers: Vec<WorkerId>,
    },
    /// Copies that nobody needs may go.
    Tidy,
    /// A copy that was ordered could not be made.
    CopyFailed {
        /// By whom.
        worker: WorkerId,
        /// Of whose value.
        task: TaskId,
    },
    /// A worker holds a further copy of a value.
    Copied {
        /// Who.
        worker: WorkerId,
        /// Whose value.
        task: TaskId,
    },
    /// A worker no longer holds a value (the process that held it died).
    Dropped {
        /// Who.
        worker: WorkerId,
        /// Whose value.
        task: TaskId,
    },
    /// A client no longer wants results.
    Release {
        /// The results.
        tasks: Vec<TaskId>,
    },
    /// A client wants nothing of a graph any more; what runs for it may be given up.
    Cancel {
        /// The graph.
        graph: GraphId,
    },
    /// A client is gone, and wants nothing any more.
    ClientLost {
        /// Which.
        client: ClientId,
    },
}

/// Why a wanted task has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This task raised an error.
    Raised(TaskId),
    /// The workers that ran this task kept dying.
    Killed(TaskId),
    /// The value of this task was lost and can't be made again.
    Lost(TaskId),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// Have a worker run a task; [`crate::Scheduler::inputs`] tells where its inputs are.
    Run {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Have a worker give up a task that it was told to run.
    Abandon {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Ask a worker to give back a task that it has not begun; another has nothing to do.
    Retract {
        /// Who.
        worker: WorkerId,
        /// What.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Have a worker get a copy of a value.
    Copy {
        /// Who.
        worker: WorkerId,
        /// Whose value.
        task: TaskId,
        /// From whom.
        from: WorkerId,
    },
    /// A worker that is to leave holds nothing any more: send it away.
    Retired {
        /// Which.
        worker: WorkerId,
    },
    /// A worker can't leave, since it holds or makes what is needed and nobody else is there.
    Stays {
        /// Which.
        worker: WorkerId,
    },
    /// Have a worker forget a value.
    Free {
        /// Who.
        worker: WorkerId,
        /// Whose value.
        task: TaskId,
    },
    /// Tell a client that a wanted result is there.
    Finished {
        /// Whom.
        client: ClientId,
        /// Which.
        task: TaskId,
    },
    /// Tell a client that a wanted result will never be there.
    Failed {
        /// Whom.
        client: ClientId,
        /// Which.
        task: TaskId,
        /// Why.
        cause: Cause,
    },
    /// Nothing of a graph is wanted or held any more: forget its functions and errors.
    Forget {
        /// Which.
        graph: GraphId,
    },
}
