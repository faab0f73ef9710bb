//! Decides which task runs where and when, and what may be forgotten.
//!
//! Start at [`Scheduler::step`]: an [`Event`] in, [`Instruction`]s out. The same machine drives the threads of one process
//! and the workers of a cluster. It handles ids, sizes and durations; never values, functions or error texts.
//!
//! ```
//! use raskal_graph::{Graph, Layer};
//! use raskal_scheduler::{Event, Instruction, Scheduler, Slots, Traits};
//! use raskal_types::{ClientId, GraphId, TaskId, WorkerId};
//! use std::sync::Arc;
//!
//! let mut graph = Graph::new();
//! graph.add(Layer::new("load", vec![1]))?;
//! let (mut scheduler, mut out) = (Scheduler::new(), Vec::new());
//! let worker = WorkerId(0);
//! scheduler.step(Event::WorkerJoined { worker, slots: Slots::Shared(2), traits: Traits::default() }, &mut out);
//! let submit = Event::Submit { graph: GraphId(0), client: ClientId(0), layers: Arc::new(graph), imports: vec![], wanted: vec![0] };
//! scheduler.step(submit, &mut out);
//! let task = TaskId { graph: GraphId(0), index: 0 };
//! assert!(matches!(out[..], [Instruction::Run { task: run, .. }] if run == task));
//! # Ok::<(), raskal_graph::GraphError>(())
//! ```
//!
//! - [`message`]: events and instructions.
//! - [`scheduler`]: the machine; [`task`] and [`worker`] hold its state; [`placement`] chooses workers,
//!   [`demand`] those of tasks that only some can run, `balance` moves what waits, `custody` values;
//!   [`lineage`] answers losses,
//!   `adopt` takes over what workers had before.
//!
//! Pure: no clock, socket, thread or random source; time comes in as measured durations.

mod adopt;
mod balance;
mod bits;
mod custody;
mod demand;
mod lineage;
pub mod message;
mod placement;
pub mod scheduler;
mod task;
mod validate;
mod worker;

pub use message::{Cause, Event, Instruction, Slots, Traits};
pub use scheduler::{Input, LayerCounts, Scheduler};
