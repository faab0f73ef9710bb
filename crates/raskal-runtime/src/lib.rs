//! Running graphs: functions, programs, and the engines that run them.
//!
//! - [`function`]: what a layer's tasks do ([`Function`]), and how a function travels to a worker.
//! - [`program`]: a graph together with its functions ([`Program`]), as collections build it; its layers are joined
//!   where one only feeds the next. A [`Graft`] is a copy of one within another.
//! - [`local`]: the engine of one process ([`LocalEngine`]): the scheduler, and threads that run what it says.
//! - [`node`]: the node runtime, which a worker process runs; [`client`]: a cluster's client.
//! - [`mod@explain`]: a program as text. [`fetch`], [`wire`]: values between processes.
//! - [`failure`]: why a task failed ([`Failure`]).
//!
//! Nothing here knows Python: `raskal-py` implements [`Function`] and [`raskal_store::Opaque`] for it.

pub mod client;
pub mod explain;
pub mod failure;
pub mod fetch;
pub mod function;
mod fuse;
mod graft;
pub mod local;
pub mod node;
pub mod program;
pub mod wire;

pub use explain::explain;
pub use failure::Failure;
pub use function::{Call, EncodedFunction, Function, FunctionRegistry, TaskPayloads};
pub use graft::Graft;
pub use local::{LocalEngine, Progress, ThreadHost};
pub use program::{Program, ProgramBuilder};
