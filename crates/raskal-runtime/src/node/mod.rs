//! The node runtime: what `raskal worker` runs on each host.
//!
//! Start at [`run`]. One task, the shell, owns the pure machine of [`raskal_worker`] and the store; everything else sends it
//! events: the connection to the scheduler, the native threads, the executor processes, and the data plane, which has
//! threads of its own so that large transfers hold up no message.
//!
//! - [`options`]: what a node is told; `start`: from options to a running node.
//! - `shell`: events in, messages out; `store`: the values of the node; `layer`: the functions it was sent.
//! - `native`: threads for native tasks; `process`: executor processes, their start, end and restart; [`nursery`]: what
//!   forks them.
//! - [`pipe`]: the frames between node and executor; [`executor`]: the other end of it.
//! - `calls`: calls into executors beside the tasks.
//! - `memory`: the limit, and values on disk; `rejoin`: a scheduler that is gone and there again.
//! - `data`: the server that gives values to peers and clients; `vitals`: memory and processor time; `traffic`:
//!   what goes in and out.
//!
//! This module calls no Python: executors do, in processes of their own.

mod calls;
mod data;
pub mod executor;
mod layer;
mod memory;
mod native;
pub mod nursery;
pub mod options;
pub mod pipe;
pub(crate) mod process;
mod rejoin;
mod shell;
mod start;
mod store;
mod traffic;
mod vitals;

pub use executor::{Executor, ExecutorHost, ExecutorOptions, Running};
pub use options::NodeOptions;
pub use start::run;
