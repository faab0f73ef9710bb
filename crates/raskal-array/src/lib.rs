//! N-dimensional array expressions: built lazily, fused, lowered to layers of tasks, and computed by native kernels.
//!
//! An [`Expr`] knows its shape, chunks and element type when it is built. [`Plan::of`] fuses elementwise chains, views and
//! the first step of reductions into one pass over cache-sized tiles, and gives layers that a
//! [`raskal_runtime::ProgramBuilder`] takes. The crate knows no Python: host functions come in through the traits in
//! [`host`].
//!
//! ```
//! use raskal_array::{Chunks, Expr, NoHost, Plan, evaluate, ops::Binary};
//! use raskal_store::Block;
//!
//! // The mean of (x + 1) * 2 along the first axis, for x = 0..12 as a 4 x 3 array in blocks of 2 x 3.
//! let block = Block::from_vec((0..12).map(f64::from).collect(), &[4, 3]);
//! let x = Expr::from_block(&block, Chunks::regular(&[4, 3], &[2, 3]))?;
//! let y = x.binary(Binary::Add, 1.0)?.binary(Binary::Multiply, 2.0)?.mean(Some(&[0]))?;
//! assert_eq!(Plan::of(&y, &NoHost)?.steps.len(), 3); // the blocks, one fused pass over each, the merged result
//! assert_eq!(evaluate(&y)?.as_slice::<f64>().unwrap(), [11.0, 13.0, 15.0]);
//! # Ok::<(), raskal_runtime::Failure>(())
//! ```
//!
//! - [`expr`]: the tree; [`build`]: its constructors, one file per family; [`chunks`] and [`normalize`]: how arrays are cut.
//! - [`dtype`], [`ops`], [`scalar`]: element types, operations, numbers.
//! - [`plan`]: from an expression to layers, and [`plan::explain`].
//! - [`tile`]: fused kernels; [`reduce`]: reductions; [`assemble`], [`blocks`], [`copy`], [`runs`]: moving elements.
//! - [`host`]: what comes from outside.
//!
//! This crate starts no thread and opens no file.

pub mod assemble;
pub mod blocks;
pub mod build;
pub mod chunks;
pub mod column;
pub mod copy;
pub mod dtype;
pub mod error;
mod evaluate;
pub mod expr;
pub mod host;
pub mod normalize;
pub mod ops;
pub mod plan;
pub mod reduce;
pub mod runs;
pub mod scalar;
pub mod tile;

pub use build::{Index, Operand};
pub use chunks::Chunks;
pub use error::ArrayError;
pub use evaluate::evaluate;
pub use expr::Expr;
pub use host::{HostKernel, HostLayout, LateName, NoHost, Source};
pub use plan::Plan;
pub use reduce::Reduction;
pub use scalar::Scalar;

use raskal_runtime::FunctionRegistry;

/// Calls a function that may call itself once for each step of an expression: the stack grows where it ends.
fn deep<R>(descend: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(256 << 10, 4 << 20, descend)
}

/// Adds the decoders of all array functions.
pub fn register(registry: &mut FunctionRegistry) {
    registry.register(tile::CODEC, tile::TileFunction::decode);
    registry.register(reduce::combine::CODEC, reduce::combine::Combine::decode);
    registry.register(assemble::CODEC, assemble::Assemble::decode);
    registry.register(blocks::RESHAPE_CODEC, blocks::ReshapeBlocks::decode);
    registry.register(blocks::MIRROR_CODEC, blocks::Mirror::decode);
    registry.register(blocks::PASS_CODEC, blocks::Pass::decode);
}
