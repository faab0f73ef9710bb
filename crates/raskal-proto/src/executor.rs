//! Between a node runtime and one of its executor processes.
//!
//! Values that are too large for a message go as raw frames beside the messages, in order with them: a value is there
//! before the task that takes it.

use crate::{FailureMessage, Ran, observe};
use bitcode::{Decode, Encode};
use raskal_types::{Attempt, GraphId, TaskId};

/// What a node runtime says to an executor.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum ToExecutor {
    /// The function of a layer.
    Function {
        /// The graph.
        graph: GraphId,
        /// The layer's position in the graph.
        layer: u32,
        /// The layer's key prefix.
        prefix: String,
        /// The layer's grid.
        shape: Vec<u32>,
        /// Which decoder reads it.
        codec: String,
        /// The function.
        shared: Vec<u8>,
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
        /// Its inputs: the value if it is small, nothing if the executor has it already.
        inputs: Vec<(TaskId, Option<Vec<u8>>)>,
    },
    /// Give the bytes of a value that lives here.
    Export {
        /// Whose.
        task: TaskId,
    },
    /// Forget a value.
    Free {
        /// Whose.
        task: TaskId,
    },
    /// Do not begin a task, if it has not begun.
    Abandon {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// The memory that came with a value is mapped, and needs to be lent no longer.
    Taken {
        /// The loan's number.
        loan: u64,
    },
    /// Forget the functions of a graph.
    Forget {
        /// Which.
        graph: GraphId,
    },
    /// Call something, beside the tasks.
    Call {
        /// Comes back with the answer.
        call: u64,
        /// What to call.
        payload: Vec<u8>,
    },
    /// Call something, and run no task before it has ended.
    Setup {
        /// What to call.
        payload: Vec<u8>,
    },
    /// End when the running tasks are done.
    Stop,
}

/// What an executor says.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum FromExecutor {
    /// It takes tasks from now on.
    Ready,
    /// A task finished.
    Finished {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Size of the value.
        size_bytes: u64,
        /// When and where it ran.
        ran: Ran,
        /// The value, if it is small; otherwise it stays in the executor, or has come as a frame of its own before.
        inline: Option<Vec<u8>>,
    },
    /// A task failed.
    Failed {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Why.
        failure: FailureMessage,
    },
    /// A task was told to be abandoned before it had begun: it will not run here.
    Abandoned {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A task was told to be abandoned when it had begun: it is answered as ever.
    Begun {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// The memory that came with a value is mapped, and needs to be lent no longer.
    Taken {
        /// The loan's number.
        loan: u64,
    },
    /// The answer to a call.
    Called {
        /// The number of the call.
        call: u64,
        /// The answer.
        result: Vec<u8>,
    },
    /// It runs another number of tasks at once: one stepped aside, or came back.
    Threads {
        /// How many.
        threads: u32,
    },
    /// Where its threads spent their time lately.
    Profiled(observe::Profile),
    /// A task did not run, since an input does not live here.
    Unread {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
    },
    /// A value can't be given as bytes. (One that can comes as a raw frame.)
    ExportFailed {
        /// Whose.
        task: TaskId,
        /// Whether it does not live here any more.
        gone: bool,
        /// Why.
        message: String,
    },
}
