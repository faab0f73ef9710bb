//! Between a client and the scheduler.
//!
//! Start at [`FromClient::Submit`]. Graphs are numbered by the client, from the ranges that the scheduler gives it, so
//! that it never waits for an answer to name a task.

use crate::{FailureMessage, FunctionMessage};
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
    },
    /// Run a graph.
    Submit(Box<Submit>),
    /// These results are not wanted any more.
    Release {
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
}

/// The answers, in the order of [`Question`].
#[derive(Clone, Debug, Encode, Decode)]
pub enum Answer {
    /// The holders of each task that was asked for, in order.
    WhoHas(Vec<Vec<WorkerId>>),
    /// The keys that each worker holds.
    HasWhat(Vec<(WorkerId, Vec<String>)>),
    /// The scheduler and its workers.
    Info(ClusterInfo),
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
    /// Its memory budget; 0 where it has none.
    pub memory_limit_bytes: u64,
    /// Resident memory of its processes.
    pub memory_used_bytes: u64,
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
    },
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
    /// The answer to a question.
    Answer {
        /// The number of the question.
        request: u32,
        /// The answer.
        answer: Answer,
    },
}
