//! Functions that pass blocks on without touching their elements.

use crate::copy::{CopyAxis, copy_region};
use crate::error::tuple;
use bitcode::{Decode, Encode};
use bytes::Bytes;
use raskal_graph::layer::coordinates;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::Value;
use raskal_types::ErrorKind;
use std::sync::Arc;

/// The codec of [`ReshapeBlocks`].
pub const RESHAPE_CODEC: &str = "array.reshape";
/// The codec of [`Mirror`].
pub const MIRROR_CODEC: &str = "array.mirror";
/// The codec of [`Pass`].
pub const PASS_CODEC: &str = "array.pass";

/// Gives each block its shape in other chunks; the elements stay where they are.
#[derive(Clone, Debug, Encode, Decode)]
pub struct ReshapeBlocks {
    /// Block lengths of the result.
    pub chunks: Vec<Vec<usize>>,
    /// NumPy's name of the element type.
    pub dtype: String,
}

impl ReshapeBlocks {
    /// Shape of the block at `index`.
    pub fn block_shape(&self, index: u32) -> Vec<usize> {
        let grid: Vec<u32> = self.chunks.iter().map(|axis| axis.len() as u32).collect();
        let at = coordinates(&grid, index);
        self.chunks.iter().zip(at).map(|(axis, block)| axis[block as usize]).collect()
    }

    /// Reads what [`Function::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        let plan: ReshapeBlocks = bitcode::decode(bytes)
            .map_err(|error| Failure::internal(format!("a plan of shapes of {} bytes: {error}", bytes.len())))?;
        Ok(Arc::new(plan))
    }
}

impl Function for ReshapeBlocks {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let shape = self.block_shape(call.index);
        let input = call.inputs.first().ok_or_else(|| Failure::internal("nothing to reshape"))?.as_block()?;
        let given = tuple(input.shape());
        input.reshaped(&shape).map(Value::from).ok_or_else(|| {
            Failure::new(
                ErrorKind::Value,
                format!(
                    "a block of shape {given} can't become {}\nhint: pass chunks= to map_blocks if the function changes the shape",
                    tuple(&shape)
                ),
            )
        })
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: RESHAPE_CODEC, shared: bitcode::encode(self).into(), tasks: None })
    }

    fn describe(&self) -> String {
        "native reshape".into()
    }
}

/// Gives blocks above the diagonal of a symmetric matrix as they are, and those below it transposed.
pub struct Mirror;

impl Mirror {
    /// Reads what [`Function::encode`] wrote.
    ///
    /// # Errors
    /// Never.
    pub fn decode(_bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        Ok(Arc::new(Mirror))
    }

    /// The number, row by row, of the block on or above the diagonal that stands for block (row, column) of `extent` squared.
    pub fn half(extent: u32, row: u32, column: u32) -> u32 {
        let (row, column) = (row.min(column), row.max(column));
        // The rows above have extent, extent - 1, ... blocks.
        row * extent - row * row.saturating_sub(1) / 2 + (column - row)
    }
}

impl Function for Mirror {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let at = call.coordinates();
        let input = call.inputs.into_iter().next().ok_or_else(|| Failure::internal("nothing to mirror"))?;
        if at[0] <= at[1] {
            return Ok(input);
        }
        let block = input.as_block()?;
        let shape = [block.shape()[1], block.shape()[0]];
        Ok(copy_region(&block, &[CopyAxis::along(1, 0, 1), CopyAxis::along(0, 0, 1)], &shape).into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: MIRROR_CODEC, shared: Bytes::new(), tasks: None })
    }

    fn describe(&self) -> String {
        "native mirror of a symmetric product".into()
    }
}

/// Gives its one input.
pub struct Pass;

impl Pass {
    /// Reads what [`Function::encode`] wrote.
    ///
    /// # Errors
    /// Never.
    pub fn decode(_bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        Ok(Arc::new(Pass))
    }
}

impl Function for Pass {
    fn run(&self, mut call: Call<'_>) -> Result<Value, Failure> {
        match (call.inputs.pop(), call.inputs.is_empty()) {
            (Some(input), true) => Ok(input),
            _ => Err(Failure::internal("a task that passes its input on needs exactly one")),
        }
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: PASS_CODEC, shared: Bytes::new(), tasks: None })
    }

    fn describe(&self) -> String {
        "native pass".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_is_numbered_once_and_both_halves_alike() {
        for extent in 1..7 {
            let upper = (0..extent).flat_map(|row| (row..extent).map(move |column| (row, column)));
            for (number, (row, column)) in upper.enumerate() {
                assert_eq!(Mirror::half(extent, row, column), number as u32);
                assert_eq!(Mirror::half(extent, column, row), number as u32);
            }
        }
    }
}
