//! Merging the partial results of blocks, level by level.

use super::{Accumulator, Reduction};
use crate::tile::Finish;
use bitcode::{Decode, Encode};
use bytes::Bytes;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Block, DType, Value};
use std::sync::Arc;

/// The codec of [`Combine`].
pub const CODEC: &str = "array.combine";

/// Merges partial results; finishes them if `finish` says how.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Combine {
    /// The reduction.
    pub kind: Reduction,
    /// Whether its operands are floats.
    pub float: bool,
    /// The reduced axes.
    pub axes: Vec<u32>,
    /// How the result is finished; `None` on all levels but the last.
    pub finish: Option<Finish>,
}

impl Combine {
    /// Merges the blocks.
    ///
    /// # Errors
    /// If they are not partial results of this reduction, of equal shapes.
    pub fn merge(&self, partials: &[Block]) -> Result<Block, Failure> {
        let first = partials.first().ok_or_else(|| Failure::internal("a reduction has nothing to merge"))?;
        let kept = &first.shape()[1..];
        let mut accumulator = Accumulator::new(self.kind, self.float, kept.iter().product());
        for partial in partials {
            if partial.shape() != first.shape() {
                return Err(Failure::internal(format!("partial results {first:?} and {partial:?} differ in shape")));
            }
            accumulator.merge(partial)?;
        }
        let Some(Finish { dtype, count, keepdims }) = &self.finish else { return Ok(accumulator.into_partial(kept)) };
        let shape: Vec<usize> = (0..kept.len())
            .filter(|&axis| *keepdims || !self.axes.contains(&(axis as u32)))
            .map(|axis| kept[axis])
            .collect();
        let dtype =
            DType::from_name(dtype).ok_or_else(|| Failure::internal(format!("unknown result type '{dtype}'")))?;
        accumulator.finish(self.kind, *count, dtype, &shape)
    }

    /// Reads what [`Function::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        let combine: Combine = bitcode::decode(bytes)
            .map_err(|error| Failure::internal(format!("a reduction of {} bytes: {error}", bytes.len())))?;
        Ok(Arc::new(combine))
    }
}

impl Function for Combine {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let partials: Vec<Block> = call.inputs.iter().map(Value::as_block).collect::<Result<_, _>>()?;
        self.merge(&partials).map(Value::from)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: CODEC, shared: bitcode::encode(self).into(), tasks: None })
    }

    fn describe(&self) -> String {
        format!("native merge of {}{}", self.kind.name(), if self.finish.is_some() { ", finished" } else { "" })
    }
}
