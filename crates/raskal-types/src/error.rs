//! The kinds of failure. `raskal-py` maps each to the exception type that NumPy, pandas and Dask users already catch.

use bitcode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What sort of failure an error is, whoever met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum ErrorKind {
    /// A user's function raised: the exception itself travels beside the error.
    User,
    /// A value is out of its range or does not fit another (`ValueError`).
    Value,
    /// A value has the wrong type (`TypeError`).
    Type,
    /// A name or label does not exist (`KeyError`).
    Key,
    /// A file does not exist (`FileNotFoundError`).
    FileNotFound,
    /// Reading, writing or a connection failed (`OSError`).
    Io,
    /// A step needs more memory than the limit leaves it (`MemoryError`).
    Memory,
    /// Something is not supported, and the message says what to do instead (`NotImplementedError`).
    Unsupported,
    /// The workers that ran a task kept dying (`raskal.distributed.KilledWorker`).
    Killed,
    /// The work was cancelled (`CancelledError`).
    Cancelled,
    /// A result was lost and can't be made again.
    Lost,
    /// A defect of raskal itself; the message says so.
    Internal,
    /// A task asks to be run anew, on whatever worker (`raskal.distributed.Reschedule`).
    Rescheduled,
}
