//! Dataframes over DataFusion, run as tasks of the common graph.
//!
//! - [`stage`]: cuts a physical plan into stages and makes each (stage, partition) a task.

pub mod stage;
