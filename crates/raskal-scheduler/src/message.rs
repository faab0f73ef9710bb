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

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A worker is ready for tasks.
    WorkerJoined {
        /// Its id, never used before.
        worker: WorkerId,
        /// What it can run at once.
        slots: Slots,
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
