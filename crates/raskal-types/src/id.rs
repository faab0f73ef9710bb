//! Newtypes for the things that travel between scheduler, workers and clients.
//!
//! Invariant: an id is never a bare integer outside this module, so that a worker can't be passed for a client.

use bitcode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id!(
    /// One submitted graph. Unique in the life of a scheduler.
    GraphId
);
id!(
    /// One node runtime (a worker process) in the life of a scheduler; never reused after the worker is lost.
    WorkerId
);
id!(
    /// One connected client in the life of a scheduler.
    ClientId
);
id!(
    /// Counts the runs of one task, so that a late answer of an earlier run is recognised and dropped.
    Attempt
);

/// A task: its graph, and its index in the graph's tasks counted over all layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct TaskId {
    /// The graph that the task belongs to.
    pub graph: GraphId,
    /// Position among all tasks of the graph.
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.graph, self.index)
    }
}

/// Which kind of execution slot a task needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum SlotClass {
    /// A thread that holds a Python thread state.
    #[default]
    Python,
    /// A thread that never touches Python.
    Native,
}
