//! What a worker's machine hears and what it says.

use raskal_types::{Attempt, SlotClass, TaskId, WorkerId};

/// One executor process in the life of a node; a restarted one has a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorId(pub u32);

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This node holds it.
    Here,
    /// Another worker holds it.
    Peer(WorkerId),
    /// It came with the task, and is in the node's store.
    Inline,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The scheduler gives a task.
    Run {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Which slots run it.
        class: SlotClass,
        /// Its inputs, in order.
        inputs: Vec<(TaskId, Source)>,
    },
    /// Memory is short: a value is to leave the executors for the node's store.
    Evict {
        /// Whose.
        value: TaskId,
    },
    /// The scheduler wants a copy of a value here.
    Copy {
        /// Whose.
        value: TaskId,
        /// Who has it.
        peer: WorkerId,
    },
    /// The scheduler asks for a task back, if it has not begun.
    Retract {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// The scheduler takes a task back.
    Abandon {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// The scheduler wants a value forgotten.
    Free {
        /// Whose.
        value: TaskId,
    },
    /// A value from a peer is in the node's store.
    Fetched {
        /// Whose.
        value: TaskId,
        /// Its size.
        size_bytes: u64,
    },
    /// A value could not be got from a peer.
    FetchFailed {
        /// Whose.
        value: TaskId,
        /// Whether it is there and can't be turned into bytes, so that making it again would not help.
        unusable: bool,
    },
    /// The bytes of an executor's value are in the node's store.
    Exported {
        /// Who gave them.
        executor: ExecutorId,
        /// Whose.
        value: TaskId,
    },
    /// An executor's value can't be turned into bytes.
    ExportFailed {
        /// Who refused.
        executor: ExecutorId,
        /// Whose.
        value: TaskId,
        /// Whether it does not live there any more.
        gone: bool,
    },
    /// A value of the node's store can't be read: its file is damaged.
    Damaged {
        /// Whose.
        value: TaskId,
    },
    /// Likewise, when it was to be sent to an executor, where it therefore does not live.
    NotSent {
        /// To whom.
        executor: ExecutorId,
        /// Whose.
        value: TaskId,
    },
    /// Somebody outside asks for a value.
    Requested {
        /// Comes back with the answer.
        request: u64,
        /// Whose.
        value: TaskId,
    },
    /// A task ended well on a thread of the node; its value is in the node's store.
    NativeFinished {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Size of its value.
        size_bytes: u64,
    },
    /// A task ended well in an executor.
    PythonFinished {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Size of its value.
        size_bytes: u64,
        /// Time that it ran.
        duration_us: u32,
        /// Whether its value came along and is in the node's store; otherwise it lives in the executor.
        inline: bool,
    },
    /// A task failed on a thread of the node.
    NativeFailed {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// A task did not run on a thread of the node, since an input could not be read.
    NativeUnread {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
    },
    /// A task did not run in an executor, since an input does not live there.
    PythonUnread {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
    },
    /// A task failed in an executor, which lives on.
    PythonFailed {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// An executor took an abandoned task out of its queue before it ran: it has room for another.
    PythonSkipped {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// An executor could not abandon a task: it runs, or was answered.
    PythonBegun {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// An executor takes tasks from now on.
    ExecutorReady {
        /// Its number, never used before.
        executor: ExecutorId,
        /// How many tasks it runs at once.
        threads: u32,
    },
    /// An executor runs another number of tasks at once: one stepped aside, or came back.
    ExecutorThreads {
        /// Which.
        executor: ExecutorId,
        /// How many.
        threads: u32,
    },
    /// An executor is gone, with all that lived there.
    ExecutorDied {
        /// Which.
        executor: ExecutorId,
        /// The tasks that it was running, if that is known.
        running: Option<Vec<TaskId>>,
    },
}

/// How an input reaches an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It lives there already.
    Live,
    /// Its bytes go along with the task, and are forgotten with it.
    Inline,
    /// Its bytes are sent before the task, and live there from then on.
    Sent,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Get a value from a peer into the node's store.
    Fetch {
        /// Whose.
        value: TaskId,
        /// From whom.
        peer: WorkerId,
    },
    /// Get the bytes of an executor's value into the node's store.
    Export {
        /// From whom.
        executor: ExecutorId,
        /// Whose.
        value: TaskId,
    },
    /// Run a task on a thread of the node.
    RunNative {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Run a task in an executor.
    RunPython {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// Its inputs, in order.
        inputs: Vec<(TaskId, Delivery)>,
    },
    /// Have an executor not begin a task.
    AbandonIn {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Have an executor forget a value.
    FreeIn {
        /// Where.
        executor: ExecutorId,
        /// Whose.
        value: TaskId,
    },
    /// Remove a value from the node's store.
    Drop {
        /// Whose.
        value: TaskId,
    },
    /// The answer that just came in counts: tell the scheduler.
    Report {
        /// Which task.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Tell the scheduler that a task which it asked back has not begun and will not.
    ReportRetracted {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Tell the scheduler that a task which it asked back has begun.
    ReportRetained {
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Tell the scheduler that an executor died under a task.
    ReportDeath {
        /// Where.
        executor: ExecutorId,
        /// Which.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
    },
    /// Tell the scheduler that an input could not be got.
    ReportMissing {
        /// The task that does not run.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
        /// Who should have had it.
        holder: WorkerId,
    },
    /// Tell the scheduler that a task fails, since an input can't leave the process that it lives in.
    ReportUnusable {
        /// The task that does not run.
        task: TaskId,
        /// Which run of it.
        attempt: Attempt,
        /// The input.
        input: TaskId,
    },
    /// Tell the scheduler that a further copy of a value is here.
    ReportCopied {
        /// Whose.
        value: TaskId,
    },
    /// Tell the scheduler that a copy which it ordered could not be got.
    ReportNotCopied {
        /// Whose.
        value: TaskId,
    },
    /// Tell the scheduler that a value is not here any more.
    ReportDropped {
        /// Whose.
        value: TaskId,
    },
    /// Answer a request with a value of the node's store.
    Serve {
        /// Which request.
        request: u64,
        /// Whose value.
        value: TaskId,
    },
    /// Answer a request: the value is not here.
    Refuse {
        /// Which request.
        request: u64,
        /// Whose value.
        value: TaskId,
    },
}
