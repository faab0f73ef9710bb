//! The messages between scheduler, workers, clients and the executor processes of a worker.
//!
//! Each direction is one enum; what travels is a `Vec` of it (bitcode), many messages per frame. User values and
//! functions are opaque bytes here: only workers and clients read them.
//!
//! ```
//! use raskal_proto::{Ran, worker::FromWorker};
//! use raskal_types::{Attempt, GraphId, TaskId};
//! let task = TaskId { graph: GraphId(1), index: 7 };
//! let finished = FromWorker::Finished { task, attempt: Attempt(1), size_bytes: 28, ran: Ran::default(), inline: None };
//! let bytes = bitcode::encode(&vec![finished]);
//! assert!(bitcode::decode::<Vec<FromWorker>>(&bytes).is_ok());
//! ```
//!
//! - [`client`]: between a client and the scheduler.
//! - [`worker`]: between a worker and the scheduler.
//! - [`executor`]: between a node runtime and its executor processes.
//! - [`board`]: named things that clients share; [`call`]: calls into executors beside the tasks.
//! - [`data`]: requests for values, on connections of their own.
//! - [`function`], [`failure`]: encoded functions and failures, which all of them carry.
//! - [`observe`]: what is told of tasks and processes for people to look at.
//!
//! This crate does no I/O and knows no value.

pub mod board;
pub mod call;
pub mod client;
pub mod data;
pub mod executor;
pub mod failure;
pub mod function;
pub mod observe;
pub mod worker;

pub use board::{BoardAnswer, BoardRequest, Note};
pub use call::{CallMessage, Called, Setup};
pub use client::{FromClient, ToClient};
pub use data::DataRequest;
pub use executor::{FromExecutor, ToExecutor};
pub use failure::FailureMessage;
pub use function::{FunctionMessage, TaskNames};
pub use observe::{Observation, Ran};
pub use worker::{FromWorker, InputFrom, ToWorker};

/// Values up to this size travel inside messages; larger ones are fetched when somebody needs them.
pub const INLINE_BYTES_MAX: usize = 1024;

/// The largest frame of messages between a scheduler and its workers and clients: functions and scattered values are in
/// them.
pub const FRAME_BYTES_MAX: usize = 2 << 30;
