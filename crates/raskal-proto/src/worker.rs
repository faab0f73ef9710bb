//! Between a worker and the scheduler.
//!
//! Start at [`ToWorker::Run`]. A layer's function is sent once to a worker, before the first of its tasks.

use crate::client::WorkerInfo;
use crate::{Called, FailureMessage, FunctionMessage, Observation, Ran, Setup};
use bitcode::{Decode, Encode};
use raskal_types::{Attempt, GraphId, SlotClass, TaskId, WorkerId};

/// Where a worker gets an input from.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum InputFrom {
    /// It holds the value itself.
    Here,
    /// Another worker holds it.
    Peer(WorkerId),
    /// The value is so small that it comes with the task.
    Inline(Vec<u8>),
}

/// What the scheduler says to a worker.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum ToWorker {
    /// Its first message.
    Welcome {
        /// Who the worker is.
        worker: WorkerId,
        /// Whether a scheduler that is started again in its place goes on with its work.
        lasting: bool,
    },
    /// Other workers came or went.
    Peers {
        /// Those that came, and where they give values.
        joined: Vec<(WorkerId, String)>,
        /// Those that went.
        left: Vec<WorkerId>,
    },
    /// The function of a layer; its payloads come with the tasks.
    Function {
        /// The graph.
        graph: GraphId,
        /// The layer's position in the graph.
        layer: u32,
        /// The layer's key prefix.
        prefix: String,
        /// The layer's grid.
        shape: Vec<u32>,
        /// Which slots run it.
        class: SlotClass,
        /// Codec and shared bytes.
        function: FunctionMessage,
    },
    /// Run a task.
    Run {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Its layer.
        layer: u32,
        /// Its index in the layer.
        index: u32,
        /// Its own part of the function.
        payload: Vec<u8>,
        /// Its inputs, in order, and where each is.
        inputs: Vec<(TaskId, InputFrom)>,
    },
    /// Get a copy of a value.
    Copy {
        /// Whose.
        task: TaskId,
        /// Who has it.
        from: WorkerId,
    },
    /// End in order: all that was held here is elsewhere.
    Leave {
        /// Why.
        reason: String,
    },
    /// End the processes that run tasks, and start others.
    Restart,
    /// Give back a task that has not begun.
    Retract {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Give up a task.
    Abandon {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Forget a value.
    Free {
        /// Whose.
        task: TaskId,
    },
    /// Forget the functions of a graph.
    Forget {
        /// Which.
        graph: GraphId,
    },
    /// Call into executors, beside the tasks.
    Call {
        /// Comes back with the answers.
        call: u64,
        /// In which executor process; in all if there is none.
        pid: Option<u32>,
        /// What to call.
        payload: Vec<u8>,
    },
    /// What executors call before their first task.
    Setup {
        /// What.
        setup: Setup,
        /// Whether those that are there do so now.
        now: bool,
    },
    /// End: the scheduler does not want this worker any more.
    Retire {
        /// Why.
        reason: String,
    },
}

/// What a worker has whose connection broke, or whose scheduler was started again.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Inventory {
    /// As of [`FromWorker::Hello`].
    pub info: WorkerInfo,
    /// Who it was.
    pub before: WorkerId,
    /// The values that it holds: whose, their size, and themselves if they are small.
    pub values: Vec<(TaskId, u64, Option<Vec<u8>>)>,
    /// The tasks that it was given and has not answered.
    pub running: Vec<(TaskId, Attempt)>,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum FromWorker {
    /// Its first message. Its number, times and loads are filled in by the scheduler.
    Hello(WorkerInfo),
    /// Its first message when it was there before.
    Rejoin(Box<Inventory>),
    /// A task finished, and its value is held here.
    Finished {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Size of the value.
        size_bytes: u64,
        /// When and where it ran.
        ran: Ran,
        /// The value itself, if it is small.
        inline: Option<Vec<u8>>,
    },
    /// A task failed.
    Failed {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Whether the process that ran it died.
        died: bool,
        /// Why.
        failure: FailureMessage,
    },
    /// A task that was asked back had not begun, and will not.
    Retracted {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A task that was asked back has begun.
    Retained {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Memory is short, or no longer: no roots and nothing ahead of need while it is.
    Strained {
        /// Whether it is.
        strained: bool,
    },
    /// An input could not be got, so a task did not run.
    InputMissing {
        /// The task.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
        /// Who should have had it.
        holder: WorkerId,
    },
    /// A copy that was ordered could not be made.
    CopyFailed {
        /// Of whose value.
        task: TaskId,
    },
    /// This worker wants to leave, once its values are elsewhere.
    Leaving,
    /// The processes that run tasks were ended, and others are ready.
    Restarted,
    /// A further copy of a value is held here.
    Copied {
        /// Whose.
        task: TaskId,
    },
    /// A value is not held here any more.
    Dropped {
        /// Whose.
        task: TaskId,
    },
    /// The answers to a call, from each process.
    Called {
        /// The number of the call.
        call: u64,
        /// The answers.
        answers: Vec<Called>,
    },
    /// The worker has another number of slots for Python tasks: tasks stepped aside, or came back.
    Slots {
        /// How many there are now.
        python: u32,
    },
    /// The worker lives.
    Heartbeat {
        /// Resident memory of its processes.
        memory_used_bytes: u64,
        /// Bytes of the values that it holds in memory.
        memory_managed_bytes: u64,
        /// Bytes of the values that it put on disk, as they were in memory.
        memory_spilled_bytes: u64,
        /// Processor time over wall time, 100 for one busy core.
        cpu_percent: f32,
        /// Tasks that run now.
        executing: u32,
    },
    /// Something for people to look at.
    Observed(Observation),
}
