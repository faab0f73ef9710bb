//! What the host language (or a Rust program) puts into an expression: sources of blocks, and functions on blocks.
//!
//! The crate itself knows no Python; `raskal-py` implements these traits. [`BlockSource`] is a source of native blocks.

use crate::assemble::Assemble;
use crate::blocks::ReshapeBlocks;
use crate::chunks::Chunks;
use crate::copy::{CopyAxis, copy_region};
use crate::error::ArrayError;
use raskal_graph::layer::coordinates;
use raskal_graph::{LayerId, Token};
use raskal_runtime::{Failure, Function, ProgramBuilder};
use raskal_store::{Block, ContentHash, Value};
use raskal_types::SlotClass;
use std::sync::Arc;

/// A name by content that somebody must ask for, since all of the data has to be read to make it.
pub trait LateName: Send + Sync {
    /// The name; made once.
    fn get(&self) -> String;
}

/// Blocks that come from outside the expression.
pub trait Source: Send + Sync + 'static {
    /// Its name for readers, such as `from_array`.
    fn name(&self) -> &str;
    /// Key prefix of its layer: a name, and what tells it from other sources of this process.
    fn prefix(&self) -> &str;
    /// The prefix with a content token, if [`Source::prefix`] has none.
    fn late_prefix(&self) -> Option<&dyn LateName> {
        None
    }
    /// Adds the layer that gives the blocks, a grid of `grid` tasks, under one of the prefixes.
    ///
    /// # Errors
    /// If the layer can't be added.
    fn add(&self, builder: &mut ProgramBuilder, prefix: &str, grid: &[u32]) -> Result<LayerId, Failure>;
}

/// Makes the function of a host operation.
pub trait HostKernel: Send + Sync + 'static {
    /// The function. `transposed` holds, for each operand whose blocks come with other axes than the operation sees, the
    /// order of axes that the function must apply to each block; it is only given if [`HostKernel::takes_transposed`].
    ///
    /// # Errors
    /// If the host can't make it.
    fn function(&self, transposed: &[Option<Vec<usize>>]) -> Result<Arc<dyn Function>, Failure>;

    /// Whether the function can read transposed operands, so that they need no layer of their own.
    fn takes_transposed(&self) -> bool {
        false
    }

    /// Whether it is a matrix product. That of an array with its own transpose is symmetric: half of it is enough.
    fn is_product(&self) -> bool {
        false
    }

    /// A token of its content, if the one that the expression was made with is none.
    fn late_token(&self) -> Option<&dyn LateName> {
        None
    }

    /// Which slots run the tasks.
    fn class(&self) -> SlotClass {
        SlotClass::Python
    }

    /// Why the operation runs in the host language, for `explain()`.
    fn reason(&self) -> String;
}

/// Native blocks that exist already.
pub struct BlockSource {
    prefix: String,
    blocks: Vec<Value>,
}

impl BlockSource {
    /// The blocks of `array` cut by `chunks`; a single block shares the memory.
    pub fn cut(array: &Block, chunks: &Chunks) -> BlockSource {
        let mut content = ContentHash::new();
        content.update(array.as_bytes());
        let token = Token::of([
            array.dtype().name().as_bytes(),
            format!("{:?} {:?}", array.shape(), chunks.to_vec()).as_bytes(),
            &content.digest().to_le_bytes(),
        ]);
        let grid = chunks.numblocks();
        let bounds: Vec<Vec<usize>> = chunks.axes().map(crate::chunks::bounds).collect();
        let blocks = (0..chunks.block_count() as u32)
            .map(|number| {
                if chunks.block_count() == 1 {
                    return Value::from(array.clone());
                }
                let at = coordinates(&grid, number);
                let axes: Vec<CopyAxis> = at
                    .iter()
                    .enumerate()
                    .map(|(axis, &block)| CopyAxis::along(axis, bounds[axis][block as usize], 1))
                    .collect();
                Value::from(copy_region(array, &axes, &chunks.block_shape(&at)))
            })
            .collect();
        BlockSource { prefix: format!("from_block-{token}"), blocks }
    }
}

impl Source for BlockSource {
    fn name(&self) -> &str {
        "from_block"
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn add(&self, builder: &mut ProgramBuilder, prefix: &str, grid: &[u32]) -> Result<LayerId, Failure> {
        builder.add_values(prefix, grid.to_vec(), self.blocks.clone())
    }
}

/// Makes the functions that move elements which native copies do not know (dates, text, objects).
pub trait HostLayout {
    /// A function that puts blocks together by `plan`.
    ///
    /// # Errors
    /// If the host can't make it.
    fn assemble(&self, plan: Assemble) -> Result<Arc<dyn Function>, Failure>;

    /// A function that gives each block its shape in `plan`.
    ///
    /// # Errors
    /// If the host can't make it.
    fn reshape(&self, plan: ReshapeBlocks) -> Result<Arc<dyn Function>, Failure>;
}

/// For programs without a host language: refuses.
pub struct NoHost;

impl HostLayout for NoHost {
    fn assemble(&self, plan: Assemble) -> Result<Arc<dyn Function>, Failure> {
        Err(ArrayError::NoKernel(format!("copies of elements of type {}", plan.dtype)).into())
    }

    fn reshape(&self, plan: ReshapeBlocks) -> Result<Arc<dyn Function>, Failure> {
        Err(ArrayError::NoKernel(format!("reshaping elements of type {}", plan.dtype)).into())
    }
}
