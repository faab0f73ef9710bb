//! Requests for values, on connections of their own.

use bitcode::{Decode, Encode};
use raskal_types::TaskId;

/// The first byte of the head of a value that is lent; no codec's.
pub const LENT: u8 = 255;

/// What a peer or client asks a worker for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum DataRequest {
    /// The value of a task: the answer's head is the value's codec (one byte) and head, its buffers are the value's.
    Get(TaskId),
    /// The same, from a process of the same machine and user: the buffers of a large value are lent in shared memory. The
    /// answer's head is then [`LENT`] and the loan, without buffers.
    Borrow {
        /// Whose value.
        task: TaskId,
        /// Who asks.
        pid: u32,
        /// The machine, as [`DataRequest::Borrow`]'s two sides name it.
        machine: String,
    },
    /// A loan was mapped, and need not be held open any more.
    Taken {
        /// Its number.
        loan: u64,
    },
}
