//! The scheduler process: sockets around the pure [`raskal_scheduler::Scheduler`].
//!
//! Start at [`run()`]. Connections turn frames into messages, one task owns the scheduler and turns messages into events and
//! instructions into messages, and the dashboard asks it for snapshots.
//!
//! - [`options`]: where to listen, with which credentials, how long to wait for silent workers.
//! - [`run()`](mod@run): from options to a running process.
//! - `connection`: one peer's frames, in and out.
//! - `core`: the task that owns the scheduler; `submit`, `deliver`, `answer` and `orders` are its parts; `tables` is what it knows
//!   beside the scheduler: peers, functions, small values, failures.
//! - `board`: named things that clients share, pure; `share`: it and calls into executors under the core.
//! - `idle`: ends a scheduler that has nothing to do.
//! - `journal`: what is needed after a restart; `recover`: peers that come back.
//! - `history`: what happened lately; `profile`: samples of where Python spent its time; `report`: both and the scheduler
//!   as the dashboard and clients are shown them.
//!
//! This process never reads a user's value or function, and links neither Python nor DataFusion.

mod answer;
mod board;
mod connection;
mod core;
mod deliver;
mod history;
mod idle;
mod journal;
pub mod options;
mod orders;
mod outbox;
mod profile;
mod recover;
mod report;
pub mod run;
mod share;
mod submit;
mod tables;

pub use options::{ServerOptions, Started};
pub use run::{Ending, ServerError, run, serve};
