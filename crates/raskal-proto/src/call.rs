//! Calls into executor processes, beside the tasks: `run`, plug-ins, uploaded files, actors.
//!
//! A client's call goes through the scheduler and a node to the node's executors, and the answers the same way back. What
//! is called is bytes here: only clients and executors read them.

use bitcode::{Decode, Encode};
use raskal_types::WorkerId;

/// A call of a client's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CallMessage {
    /// On which worker.
    pub worker: WorkerId,
    /// In which of its executor processes; in all if there is none.
    pub pid: Option<u32>,
    /// What to call.
    pub payload: Vec<u8>,
}

/// The answer of one executor process.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Called {
    /// The process.
    pub pid: u32,
    /// What it answered, or why it did not.
    pub result: Result<Vec<u8>, String>,
}

/// A call that every executor makes before its first task, now and later.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Setup {
    /// Its name; another of this name takes its place.
    pub name: String,
    /// What to call; nothing ends it.
    pub payload: Option<Vec<u8>>,
}
