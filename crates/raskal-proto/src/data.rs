//! Requests for values, on connections of their own.

use bitcode::{Decode, Encode};
use raskal_types::TaskId;

/// What a peer or client asks a worker for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum DataRequest {
    /// The value of a task: the answer's head is the value's codec (one byte) and head, its buffers are the value's.
    Get(TaskId),
}
