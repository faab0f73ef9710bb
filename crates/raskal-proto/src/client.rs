//! Between a client and the scheduler.
//!
//! Start at [`FromClient::Submit`]. Graphs are numbered by the client, from the ranges that the scheduler gives it, so
//! that it never waits for an answer to name a task.

use crate::{BoardAnswer, BoardRequest, CallMessage, Called, FailureMessage, FunctionMessage, Note, Setup};
use bitcode::{Decode, Encode};
use raskal_graph::graph::GraphParts;
use raskal_types::{ClientId, GraphId, TaskId, WorkerId};

/// A graph, its functions, and what the client wants of it.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Submit {
    /// Its number, from a range that the scheduler gave to this client.
    pub graph: GraphId,
    /// The layers.
    pub layers: GraphParts,
    /// One function per layer.
    pub functions: Vec<FunctionMessage>,
    /// Tasks of this graph that stand for tasks of earlier graphs: (own index, the other task).
    pub imports: Vec<(u32, TaskId)>,
    /// The tasks whose results are wanted.
    pub wanted: Vec<u32>,
}

/// What a client says.
#[derive(Clone, Debug, Encode, Decode)]
pub enum FromClient {
    /// Its first message.
    Hello {
        /// A name for people.
        name: String,
        /// A random number, by which the scheduler knows it again.
        session: u128,
    },
    /// The first message on a new connection of a client that was there before.
    Resume {
        /// Its number of then.
        session: u128,
    },
    /// Tell again how these results stand.
    Recall {
        /// The results.
        tasks: Vec<TaskId>,
    },
    /// Run a graph.
    Submit(Box<Submit>),
    /// These results are not wanted any more.
    Release {
        /// The results.
        tasks: Vec<TaskId>,
    },
    /// These results are given up, for everybody who has them.
    CancelForAll {
        /// The results.
        tasks: Vec<TaskId>,
    },
    /// Nothing of a graph is wanted any more; what runs for it may be given up.
    Cancel {
        /// The graph.
        graph: GraphId,
    },
    /// Most of the graph numbers are used up.
    MoreGraphs,
    /// A question about the cluster.
    Ask {
        /// Comes back with the answer.
        request: u32,
        /// The question.
        question: Question,
    },
    /// A request to the board.
    Board {
        /// Comes back with the answer.
        request: u32,
        /// The request.
        ask: BoardRequest,
    },
    /// A request to the board need not be answered any more. It is, if it was done already.
    GiveUp {
        /// Its number.
        request: u32,
    },
    /// A call into a worker's executors.
    Call {
        /// Comes back with the answers.
        request: u32,
        /// The call.
        call: CallMessage,
    },
    /// What executors that come later call first. Those that are there are called by the client.
    Setup(Setup),
}

/// What a client may ask.
#[derive(Clone, Debug, Encode, Decode)]
pub enum Question {
    /// Who holds the values of these tasks?
    WhoHas(Vec<TaskId>),
    /// What does each worker hold?
    HasWhat,
    /// What is known of the cluster?
    Info,
    /// How much is to be done?
    Backlog,
    /// Have values held by so many workers; answered when they are, or can't be.
    Replicate {
        /// Whose.
        tasks: Vec<TaskId>,
        /// How many workers; 0 for all.
        copies: u32,
        /// Names or addresses of the workers to choose from; any if empty.
        workers: Vec<String>,
    },
    /// Have workers hold about as many bytes each; answered when the values have moved.
    Rebalance {
        /// The values that may move; all if empty.
        tasks: Vec<TaskId>,
        /// Names or addresses of the workers to move between; all if empty.
        workers: Vec<String>,
    },
    /// Have workers leave, once their values are elsewhere; answered when they have left, or can't.
    Retire {
        /// Names or addresses of the workers.
        workers: Vec<String>,
        /// Whether they end; otherwise they stay without work and values.
        close: bool,
    },
    /// Give up everything of every client, and restart the processes that run tasks; answered when they are ready.
    Restart,
    /// What the dashboard shows at this address, such as `tasks?count=100`, without a browser.
    View(String),
}

/// The answers, in the order of [`Question`].
#[derive(Clone, Debug, Encode, Decode)]
pub enum Answer {
    /// The holders of each task that was asked for, in order.
    WhoHas(Vec<Vec<WorkerId>>),
    /// The values that each worker holds.
    HasWhat(Vec<(WorkerId, Vec<Holding>)>),
    /// The scheduler and its workers.
    Info(ClusterInfo),
    /// The dashboard's JSON, or why there is none.
    View(Result<String, String>),
    /// Numbers of tasks that wanted results need, over all graphs.
    Backlog {
        /// Those that have not ended.
        unfinished: u64,
        /// Those of them that workers have.
        running: u64,
    },
    /// It is done.
    Done,
    /// These workers have left.
    Retired(Vec<WorkerInfo>),
    /// It can't be done, and why.
    Refused(String),
}

/// A value that a worker holds.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Holding {
    /// Whose.
    pub task: TaskId,
    /// Its key, as made from its layer.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct ClusterInfo {
    /// Where the scheduler listens.
    pub addresses: Vec<String>,
    /// Where the dashboard is, if there is one.
    pub dashboard: Option<String>,
    /// The scheduler's version.
    pub version: String,
    /// When it started, in microseconds since the Unix epoch.
    pub started_us: u64,
    /// The workers.
    pub workers: Vec<WorkerInfo>,
}

/// What is known of one worker.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct WorkerInfo {
    /// Its number.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// Where it gives values.
    pub address: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Slots for Python tasks.
    pub python_slots: u32,
    /// Slots for native tasks.
    pub native_slots: u32,
    /// How much it has of each named resource.
    pub resources: Vec<(String, f64)>,
    /// Its memory budget; 0 where it has none.
    pub memory_limit_bytes: u64,
    /// Resident memory of its processes.
    pub memory_used_bytes: u64,
    /// Bytes of the values that it holds in memory.
    pub memory_managed_bytes: u64,
    /// Bytes of the values that it put on disk, as they were in memory.
    pub memory_spilled_bytes: u64,
    /// When it was last heard of, in microseconds since the Unix epoch.
    pub last_seen_us: u64,
    /// Tasks that it was given and has not answered.
    pub assigned: u32,
    /// Values that it holds.
    pub holds: u32,
}

/// What the scheduler says to a client.
#[derive(Clone, Debug, Encode, Decode)]
pub enum ToClient {
    /// Its first message.
    Welcome {
        /// Who the client is.
        client: ClientId,
        /// Where the dashboard is, if there is one.
        dashboard: Option<String>,
        /// Whether a scheduler that is started again in its place goes on with its work.
        lasting: bool,
    },
    /// A submission arrived.
    Accepted {
        /// The graph.
        graph: GraphId,
    },
    /// The client that resumes is not known any more.
    Forgotten,
    /// The scheduler ends in order.
    Ended,
    /// The client may use these graph numbers.
    Graphs {
        /// The first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A wanted result is there.
    Finished {
        /// Which.
        task: TaskId,
        /// The task that really has the value: an imported task stands for one of another graph.
        source: TaskId,
        /// Who holds it.
        holder: WorkerId,
        /// Its size.
        size_bytes: u64,
        /// The value itself, if it is small.
        inline: Option<Vec<u8>>,
    },
    /// Wanted results will never be there.
    Failed {
        /// Which.
        tasks: Vec<TaskId>,
        /// Why.
        failure: FailureMessage,
    },
    /// Workers came or went.
    Workers {
        /// Those that came.
        joined: Vec<WorkerInfo>,
        /// Those that went.
        left: Vec<WorkerId>,
    },
    /// Another client gave results up for everybody.
    Cancelled {
        /// Which.
        tasks: Vec<TaskId>,
    },
    /// Everything of every client was given up.
    Restarted,
    /// The answer to a question.
    Answer {
        /// The number of the question.
        request: u32,
        /// The answer.
        answer: Answer,
    },
    /// The board's answer to a request. References are tasks of the client's own by now.
    Board {
        /// The number of the request.
        request: u32,
        /// The answer.
        answer: BoardAnswer,
    },
    /// A topic that the client listens to.
    Topic {
        /// Which.
        topic: String,
        /// When it was said, in microseconds since the Unix epoch.
        at_us: u64,
        /// What was said.
        note: Note,
    },
    /// The answers to a call, from each process.
    Called {
        /// The number of the call.
        request: u32,
        /// The answers.
        answers: Vec<Called>,
    },
}
