//! What goes between the processes of a cluster, in the words of `raskal-proto`, with fingerprints in the place of values.

use raskal_scheduler::Traits;
use raskal_types::{Attempt, ClientId, SlotClass, TaskId, WorkerId};
use raskal_worker::ExecutorId;

/// One node for life, whatever numbers schedulers give it: where its peers reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// Where a worker gets an input from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputFrom {
    Here,
    Peer(WorkerId),
    Inline(u64),
}

/// What the scheduler's process says to a worker.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Welcome { worker: WorkerId },
    Peers { joined: Vec<(WorkerId, NodeId)>, left: Vec<WorkerId> },
    Run { task: TaskId, attempt: Attempt, class: SlotClass, inputs: Vec<(TaskId, InputFrom)> },
    Abandon { task: TaskId, attempt: Attempt },
    Retract { task: TaskId, attempt: Attempt },
    Copy { task: TaskId, from: WorkerId },
    Free { task: TaskId },
    Leave,
}

/// What a worker has that was there before.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    pub(crate) before: WorkerId,
    pub(crate) values: Vec<(TaskId, u64, Option<u64>)>,
    pub(crate) running: Vec<(TaskId, Attempt)>,
}

/// What a worker says to the scheduler's process.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Hello { shape: Shape, traits: Traits, inventory: Option<Box<Inventory>> },
    Finished { task: TaskId, attempt: Attempt, size_bytes: u64, duration_us: u32, inline: Option<u64> },
    Failed { task: TaskId, attempt: Attempt, died: bool },
    Retracted { task: TaskId, attempt: Attempt },
    Retained { task: TaskId, attempt: Attempt },
    Missing { task: TaskId, attempt: Attempt, input: TaskId, holder: WorkerId },
    Copied { task: TaskId },
    NotCopied { task: TaskId },
    Dropped { task: TaskId },
    Strained { strained: bool },
    Slots { python: u32 },
}

/// What a node can run at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) executors: u32,
    /// Of each executor.
    pub(crate) threads: u32,
    pub(crate) native: u32,
    /// Whether native threads run tasks of both classes, as those of one process do.
    pub(crate) shared: bool,
}

/// What a node says to one of its executor processes.
#[derive(Clone, Debug)]
pub(crate) enum ToProcess {
    Run { task: TaskId, attempt: Attempt, inputs: Vec<(TaskId, Option<u64>)> },
    Value { value: TaskId, content: u64 },
    Export { value: TaskId },
    Free { value: TaskId },
    Abandon { task: TaskId, attempt: Attempt },
}

/// What an executor process says to its node.
#[derive(Clone, Debug)]
pub(crate) enum FromProcess {
    Ready,
    Finished { task: TaskId, attempt: Attempt, size_bytes: u64, duration_us: u32, inline: Option<u64> },
    Raised { task: TaskId, attempt: Attempt },
    Unreadable { task: TaskId, attempt: Attempt, input: TaskId },
    Skipped { task: TaskId, attempt: Attempt },
    Begun { task: TaskId, attempt: Attempt },
    Value { value: TaskId, content: u64 },
    ExportFailed { value: TaskId, gone: bool },
    Threads { threads: u32 },
    Died,
}

/// How a run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Value {
        content: u64,
        size_bytes: u64,
        is_small: bool,
        duration_us: u32,
    },
    Raised,
    /// The process that ran it dies.
    Died,
    /// An input was damaged on disk.
    Unread(TaskId),
}

/// Who asks a node for a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    Node(NodeId),
    Client { client: ClientId, task: TaskId, holder: WorkerId },
}

/// The answer to such a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Content(u64),
    Refused,
    /// It is there and can't leave its process.
    Unusable,
}

/// What happens at a node.
#[derive(Clone, Debug)]
pub(crate) enum AtNode {
    Told {
        connection: WorkerId,
        order: Order,
    },
    Process {
        executor: ExecutorId,
        word: FromProcess,
    },
    NativeRan {
        task: TaskId,
        attempt: Attempt,
        outcome: Outcome,
    },
    Asked {
        asker: Asker,
        value: TaskId,
    },
    Fetched {
        value: TaskId,
        reply: Reply,
    },
    /// A message reaches one of its processes.
    InProcess {
        executor: ExecutorId,
        message: ToProcess,
    },
    /// A run in one of its processes ends.
    ProcessRan {
        executor: ExecutorId,
        task: TaskId,
        attempt: Attempt,
        outcome: Outcome,
    },
    /// A process comes to turning a value into bytes.
    Exporting {
        executor: ExecutorId,
        value: TaskId,
    },
    /// The bytes of a value for a process turned out to be damaged.
    NotSent {
        executor: ExecutorId,
        value: TaskId,
    },
    /// A task of a process steps aside, or is back.
    Aside {
        executor: ExecutorId,
        change: i32,
    },
    /// It finds that its connection has ended.
    Disconnected {
        connection: WorkerId,
    },
    /// It found the scheduler again.
    Reconnected,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Say(Word),
    Fetch {
        value: TaskId,
        from: Option<NodeId>,
    },
    Answer {
        asker: Asker,
        value: TaskId,
        reply: Reply,
    },
    Tell {
        executor: ExecutorId,
        message: ToProcess,
    },
    /// A process says something.
    Hear {
        executor: ExecutorId,
        word: FromProcess,
    },
    /// A thread of the node begins a task; an input that can't be read is named.
    RunNative {
        task: TaskId,
        attempt: Attempt,
        inputs: Result<Vec<u64>, TaskId>,
    },
    /// A thread of a process begins a task.
    RunPython {
        executor: ExecutorId,
        task: TaskId,
        attempt: Attempt,
        inputs: Vec<u64>,
    },
    /// A process takes note that it is to turn a value into bytes.
    Export {
        executor: ExecutorId,
        value: TaskId,
    },
    StartProcess {
        executor: ExecutorId,
    },
    /// A value for a process can't be read.
    NotSent {
        executor: ExecutorId,
        value: TaskId,
    },
    /// Looks for the scheduler.
    Reconnect,
}
