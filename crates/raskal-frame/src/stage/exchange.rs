//! The value between two stages: rows dealt out by hash, partition-major.
//!
//! [`Writer`] makes it, [`pick`] takes one part out, and [`Split`] is the function of the tasks that do so. The parts
//! are runs of whole batches and share memory with the value. How many batches each part has stands in the schema's
//! metadata, so that the value is plain record batches for the store and the wire.

use crate::stage::fetch::with_schema;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::BatchPartitioner;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Batches, Value};
use std::sync::Arc;

/// Name of the decoder of [`Split`].
pub const CODEC: &str = "frame.split";

/// Key of the schema's metadata that tells how many batches each part has.
const PARTS: &str = "raskal.parts";

/// Deals rows out to the parts of an exchange.
pub struct Writer {
    schema: SchemaRef,
    partitioner: BatchPartitioner,
    parts: Vec<BatchCoalescer>,
}

impl Writer {
    /// A writer of `partitioning` that joins rows to batches of `batch_rows`.
    ///
    /// # Errors
    /// If rows can't be dealt out this way.
    pub fn new(schema: SchemaRef, partitioning: &Partitioning, batch_rows: usize) -> Result<Writer> {
        let partitioner = BatchPartitioner::try_new(partitioning.clone(), Time::default(), 0, 1)?;
        let part = || BatchCoalescer::new(schema.clone(), batch_rows);
        let parts = (0..partitioning.partition_count()).map(|_| part()).collect();
        Ok(Writer { schema, partitioner, parts })
    }

    /// Deals out the rows of one batch.
    ///
    /// # Errors
    /// If the key can't be computed.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        // Copying into a coalescer also drops what short string views keep alive of their batch.
        self.partitioner.partition(batch, |part, rows| Ok(self.parts[part].push_batch(rows)?))
    }

    /// All parts, one after the other.
    ///
    /// # Errors
    /// If the last rows can't be joined.
    pub fn finish(self) -> Result<Batches> {
        let mut batches = Vec::new();
        let mut lengths = Vec::new();
        for mut part in self.parts {
            part.finish_buffered_batch()?;
            let before = batches.len();
            batches.extend(std::iter::from_fn(|| part.next_completed_batch()));
            lengths.push((batches.len() - before).to_string());
        }
        let mut metadata = self.schema.metadata().clone();
        metadata.insert(PARTS.into(), lengths.join(","));
        let schema = Arc::new(Schema::new_with_metadata(self.schema.fields().clone(), metadata));
        let batches = batches.iter().map(|batch| with_schema(batch, &schema)).collect::<Result<_>>()?;
        Ok(Batches { schema, batches })
    }
}

/// One part of an exchange's value.
///
/// # Errors
/// If the value is not an exchange's, or has no such part.
pub fn pick(value: &Batches, part: usize) -> Result<Batches> {
    let broken = |why: &str| DataFusionError::Internal(format!("part {part} of an exchange: {why}"));
    let mut metadata = value.schema.metadata().clone();
    let lengths = metadata.remove(PARTS).ok_or_else(|| broken("the value has no parts"))?;
    let lengths = lengths
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<usize>, _>>()
        .map_err(|_| broken(&format!("bad lengths '{lengths}'")))?;
    let first: usize = lengths.iter().take(part).sum();
    let length = lengths.get(part).ok_or_else(|| broken(&format!("there are only {}", lengths.len())))?;
    let batches = value.batches.get(first..first + length).ok_or_else(|| broken("batches are missing"))?;
    let schema = Arc::new(Schema::new_with_metadata(value.schema.fields().clone(), metadata));
    let batches = batches.iter().map(|batch| with_schema(batch, &schema)).collect::<Result<_>>()?;
    Ok(Batches { schema, batches })
}

/// The task `(producer, consumer)` gives the consumer's part of the producer's value.
#[derive(Clone, Copy, Debug)]
pub struct Split;

impl Function for Split {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let part = call.coordinates().last().copied().unwrap_or_default();
        let [value] = call.inputs.as_slice() else {
            return Err(Failure::internal(format!("a split task was given {} inputs", call.inputs.len())));
        };
        let picked = pick(&*value.as_batches()?, part as usize).map_err(crate::stage::function::failure)?;
        Ok(picked.into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: CODEC, shared: Bytes::new(), tasks: None })
    }

    fn describe(&self) -> String {
        "one part of an exchange".into()
    }
}

/// Reads a [`Split`].
///
/// # Errors
/// Never: there is nothing to read.
pub fn decode(_shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    Ok(Arc::new(Split))
}
