//! Functions that pass blocks on without touching their elements.

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
