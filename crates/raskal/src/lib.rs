//! Parallel dataframes, arrays and task graphs from one core to a cluster, for Rust.
//!
//! This crate gathers what users of raskal from Rust need; the work is done in the crates that it re-exports.
//!
//! ```
//! use raskal::{Tasks, prelude::*};
//!
//! let mut tasks = Tasks::new();
//! let numbers: Vec<Task<u64>> = (0..10u64).map(|n| tasks.add("square", move || n * n)).collect();
//! let total = tasks.reduce("sum", &numbers, |squares: &[&u64]| squares.iter().copied().sum::<u64>());
//! let engine = Engine::with_threads(2)?;
//! assert_eq!(*tasks.compute(&engine, total)?, 285);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`array`]: n-dimensional expressions; [`frame`]: dataframes; [`tasks`]: graphs of closures.
//! - [`cluster`]: functions that workers of a cluster know by name, and their client.
//! - [`Engine`]: the threads that run them; [`prelude`]: what most programs import.

pub mod cluster;
pub mod tasks;

/// N-dimensional array expressions, fused and computed by native kernels.
pub use raskal_array as array;
/// Dataframes on a query engine.
pub use raskal_frame as frame;
/// Programs, the functions of their layers, and the engines that run them.
pub use raskal_runtime as runtime;
/// The engine of one process.
pub use raskal_runtime::LocalEngine as Engine;
pub use tasks::{Task, Tasks};

/// What most programs import.
pub mod prelude {
    pub use crate::tasks::{Task, Tasks};
    pub use crate::{Engine, array::Expr, frame::Frame};
    pub use raskal_runtime::{Failure, ProgramBuilder};
    pub use raskal_store::{Block, Value};
}
