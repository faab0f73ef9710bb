//! A cluster's client: submits programs, keeps results alive, and gathers them.
//!
//! Start at [`Client::connect`] and [`Client::submit`]. All calls block, and those that may take long call `poll` every
//! 50 ms, so that an interrupt ends them. One thread talks to the scheduler and writes what it hears into a table that
//! callers wait on.
//!
//! - [`connect`]: to the scheduler, by address or file; [`submit`]: programs as messages.
//! - [`results`]: handles that count references, and waiting; [`gather`]: values.
//! - [`board`]: what clients share, and calls into executors.
//! - `line`: the way to the scheduler, which may break and be there again.
//! - [`questions`]: what the cluster is and holds.
//!
//! Nothing here knows Python.

pub mod board;
pub mod connect;
pub mod gather;
mod line;
pub mod questions;
pub mod results;
pub mod submit;
mod table;

pub use board::{Answered, Mail};
pub use connect::{Client, ClientOptions};
pub use results::{Poll, Remote, Status};
