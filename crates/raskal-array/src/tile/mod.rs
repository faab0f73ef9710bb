//! Fused kernels: a typed program of elementwise operations, and at its end perhaps a reduction, run in one pass over
//! tiles that stay in the cache.
//!
//! Start at [`TileProgram`]; [`run`] is the loop over tiles, [`TileFunction`] makes it a task's function. Invariant: no
//! temporary is larger than a tile; only the output block is allocated.

mod binary;
mod function;
mod load;
mod program;
mod registers;
mod run;
mod transcendental;
mod unary;

pub use function::{CODEC, TileFunction};
pub use program::{Finish, InputAxis, InputView, Instruction, Output, Step, TileProgram};
