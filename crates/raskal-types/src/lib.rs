//! Ids, keys and error kinds that every other crate shares.
//!
//! ```
//! use raskal_types::{GraphId, TaskId};
//! let task = TaskId { graph: GraphId(3), index: 7 };
//! assert_eq!(task.to_string(), "3:7");
//! ```
//!
//! - [`id`]: newtypes for graphs, tasks, workers, clients and attempts.
//! - [`key`]: the text form of a task's name, `('sum-3f2a', 0, 1)`, made and parsed on demand.
//! - [`error`]: the kinds of failure, which decide the exception a Python user sees.
//!
//! This crate holds no behaviour and knows no other crate of the workspace.

pub mod error;
pub mod id;
pub mod key;

pub use error::ErrorKind;
pub use id::{Attempt, ClientId, GraphId, SlotClass, TaskId, WorkerId};
