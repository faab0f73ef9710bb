//! Dataframes over DataFusion: an index, ordered partitions, pandas' missing values, pandas in the middle.
//!
//! ```
//! use raskal_frame::{Aggregate, CsvOptions, Frame, GroupOptions, Reduction};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("accounts.csv").to_string_lossy().into_owned();
//! # std::fs::write(&path, "name,balance\nAda,3\nBob,5\nAda,\n")?;
//! let frame = Frame::read_csv(&[path], CsvOptions::default())?;
//! let means = frame
//!     .group_by(&["name"], GroupOptions::default())?
//!     .aggregate(&[Aggregate::new("balance", Reduction::Mean)])?;
//! assert_eq!(means.collect()?.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`frame`]: [`Frame`], a plan with index and partitions; [`expression`]: arithmetic and comparison on columns;
//!   [`mod@aggregate`]: group-by and reductions; [`join`]; [`order`]: sorting and telling rows apart; [`call`]: functions
//!   of the engine by name; [`sql`].
//! - [`source`]: tables of ordered partitions; [`csv`], [`parquet`], [`memory`], [`tasks`]: the tables
//!   there are; [`files`].
//! - [`nodes`]: plan nodes without relational form; [`udf`]: functions the engine lacks; [`codec`]: both as bytes.
//! - [`row_order`]: where the order of rows counts; [`statistics`]: how large tables are; [`joins_that_spill`].
//! - [`session`]: threads and settings; [`pool`]: memory; [`run`]: one query on all cores; [`lower`]: a frame as tasks;
//!   [`stage`]: its plan cut into stages, for clusters; [`explain`]: plans as text.
//!
//! Nothing here knows Python: `raskal-py` gives pandas functions as [`nodes::map::Mapper`].

pub mod aggregate;
pub mod call;
pub mod codec;
pub mod csv;
pub mod error;
pub mod explain;
pub mod expression;
pub mod files;
pub mod frame;
pub mod join;
pub mod joins_that_spill;
pub mod lower;
pub mod memory;
pub mod nodes;
pub mod order;
pub mod parquet;
pub mod pool;
pub mod read;
pub mod row_order;
pub mod run;
pub mod session;
pub mod source;
pub mod sql;
pub mod stage;
pub mod statistics;
pub mod tasks;
pub mod udf;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, GroupOptions, Grouped, Reduction};
pub use csv::CsvOptions;
pub use error::{FrameError, Result};
pub use frame::Frame;
pub use join::{How, JoinOptions, Keys, Labels, Origin};
