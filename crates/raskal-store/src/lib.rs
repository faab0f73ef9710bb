//! Values that tasks take and give: native blocks, Arrow batches, and opaque objects of a host language.
//!
//! ```
//! use raskal_store::{Block, Value};
//! let value = Value::from(Block::from_vec(vec![1.0, 2.0, 3.0], &[3]));
//! assert_eq!(value.size_bytes(), 24);
//! assert_eq!(value.as_block()?.as_slice::<f64>().unwrap(), [1.0, 2.0, 3.0]);
//! # Ok::<(), raskal_store::ValueError>(())
//! ```
//!
//! - [`value`]: [`Value`] and the trait [`Opaque`] that `raskal-py` implements for Python objects.
//! - [`block`]: n-dimensional arrays of plain numbers, owned or borrowed from whoever made them.
//! - [`frames`]: a value as bytes: a small head and raw buffers, for the wire and for disk.
//! - [`budget`]: how much memory values may take; [`spill`]: values on disk.
//! - [`content`]: which of two buffers hold the same bytes.
//! - [`shared`]: large buffers that processes of one machine share; [`slate`]: a number that they share.
//!
//! This crate never calls Python and never looks at a graph.

pub mod block;
pub mod budget;
pub mod content;
pub mod frames;
pub mod shared;
pub mod slate;
pub mod spill;
pub mod value;

pub use block::{Block, DType, Element};
pub use budget::Budget;
pub use content::ContentHash;
pub use frames::{Codec, Frames};
pub use shared::{Lender, Loan, Private};
pub use slate::Slate;
pub use value::{Batches, Opaque, Value, ValueError};
