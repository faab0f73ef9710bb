//! Decides what a node does with the tasks that the scheduler gives it.
//!
//! Start at [`Worker::step`]: an [`Event`] in, [`Instruction`]s out. Inputs that are elsewhere are fetched first, a task
//! runs where its inputs live, and whatever answers late or twice changes nothing.
//!
//! ```
//! use raskal_types::{Attempt, GraphId, SlotClass, TaskId, WorkerId};
//! use raskal_worker::{Event, Instruction, Worker};
//! let (mut worker, mut out) = (Worker::new(WorkerId(0), 1), Vec::new());
//! let (task, attempt) = (TaskId { graph: GraphId(0), index: 0 }, Attempt(1));
//! worker.step(Event::Run { task, attempt, class: SlotClass::Native, inputs: vec![] }, &mut out);
//! assert_eq!(out, [Instruction::RunNative { task, attempt }]);
//! ```
//!
//! - [`message`]: events and instructions.
//! - [`machine`]: tasks from arrival to answer; [`transfer`]: values on their way; [`executor`]: the Python processes;
//!   [`memory`]: what leaves memory first; [`validate`]: what always holds.
//!
//! Pure: no value, function, socket, process, clock or thread; time comes in as measured durations.

pub mod executor;
pub mod machine;
pub mod memory;
pub mod message;
pub mod transfer;
pub mod validate;

pub use machine::Worker;
pub use memory::Cold;
pub use message::{Delivery, Event, ExecutorId, Instruction, Source};
