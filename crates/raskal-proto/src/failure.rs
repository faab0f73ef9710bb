//! Why a task failed, as it travels.

use crate::Ran;
use bitcode::{Decode, Encode};
use raskal_types::{ErrorKind, TaskId};

/// Why a task failed. The scheduler passes it on without reading it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FailureMessage {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// What failed, with which value, and what to do.
    pub message: String,
    /// The exception that a user's function raised, with its traceback, as bytes of its language.
    pub exception: Option<Vec<u8>>,
    /// The failing task, once the scheduler passed it on.
    pub task: Option<TaskId>,
    /// The failing task's key, once known.
    pub key: Option<String>,
    /// The user's line that made the layer, `file:line`, once known.
    pub origin: Option<String>,
    /// The traceback as text, for the dashboard; empty for native functions.
    pub traceback: String,
    /// When and where the task ran, if it did.
    pub ran: Option<Ran>,
}

impl FailureMessage {
    /// A failure without exception.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> FailureMessage {
        FailureMessage {
            kind,
            message: message.into(),
            exception: None,
            task: None,
            key: None,
            origin: None,
            traceback: String::new(),
            ran: None,
        }
    }
}
