//! A function of the host language between two stages.
//!
//! The step that maps partitions ([`MapExec`]) always is a layer of its own, of Python tasks: it needs its whole input at
//! once anyway, and the stages around it stay native. Inside a stage it would have to wait for the language's lock on a
//! thread that others wait for.

use crate::nodes::map::{MapExec, Mapper};
use crate::stage::fetch::with_schema;
use crate::stage::function::failure;
use crate::{FrameError, codec};
use arrow::datatypes::SchemaRef;
use bitcode::{Decode, Encode};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Batches, Value};
use std::sync::Arc;

/// Name of the decoder of [`MapFunction`].
pub const CODEC: &str = "frame.map";

/// The task `(partition)` maps one partition, its only input.
#[derive(Debug)]
pub struct MapFunction {
    mapper: Arc<dyn Mapper>,
    input: SchemaRef,
    output: SchemaRef,
}

/// A [`MapFunction`] as it travels.
#[derive(Encode, Decode)]
struct Encoded {
    codec: String,
    mapper: Vec<u8>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl MapFunction {
    /// The function of a step of a plan.
    pub fn new(step: &MapExec) -> MapFunction {
        let input = step.children().first().map_or_else(|| step.schema(), |child| child.schema());
        MapFunction { mapper: step.mapper().clone(), input, output: step.schema() }
    }

    /// What the result of a task depends on beside its input.
    ///
    /// # Errors
    /// If a schema can't be written.
    pub fn content(&self) -> Result<Vec<u8>, DataFusionError> {
        let schemas = [codec::schema_to_bytes(&self.input)?, codec::schema_to_bytes(&self.output)?];
        Ok(bitcode::encode(&(self.mapper.token(), schemas)))
    }
}

impl Function for MapFunction {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let [value] = call.inputs.as_slice() else {
            return Err(Failure::internal(format!("a map of one partition was given {} inputs", call.inputs.len())));
        };
        let rows = value.as_batches()?;
        let under = |schema: &SchemaRef, batches: &[_]| {
            batches.iter().map(|batch| with_schema(batch, schema)).collect::<Result<Vec<_>, _>>().map_err(failure)
        };
        let input = Batches { schema: self.input.clone(), batches: under(&self.input, &rows.batches)? };
        let mapped = self.mapper.map(call.index as usize, input)?;
        let batches = under(&self.output, &mapped)?;
        Ok(Batches { schema: self.output.clone(), batches }.into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let (codec, mapper) = self.mapper.encode()?;
        let schema = |schema| codec::schema_to_bytes(schema).map_err(failure);
        let (input, output) = (schema(&self.input)?, schema(&self.output)?);
        let shared = bitcode::encode(&Encoded { codec: codec.into(), mapper, input, output });
        Ok(EncodedFunction { codec: CODEC, shared: shared.into(), tasks: None })
    }

    fn describe(&self) -> String {
        format!("PyMapExec: {}", self.mapper.describe())
    }
}

/// Reads a [`MapFunction`].
///
/// # Errors
/// If the bytes are not one, or the function of the host language can't be read here.
pub fn decode(shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let broken = |why: String| Failure::internal(format!("a map of partitions can't be read: {why}"));
    let encoded: Encoded = bitcode::decode(shared).map_err(|error| broken(error.to_string()))?;
    let schema = |bytes: &[u8]| codec::schema_from_bytes(bytes).map_err(|error| broken(error.to_string()));
    let mapper = codec::mapper(&encoded.codec, &encoded.mapper).map_err(|error| FrameError::from_engine(&error))?;
    Ok(Arc::new(MapFunction { mapper, input: schema(&encoded.input)?, output: schema(&encoded.output)? }))
}
