//! Tables whose partitions are in memory already: `from_pandas`, persisted results.

use crate::source::{BatchIterator, Source};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bitcode::{Decode, Encode};
use datafusion::common::stats::Precision;
use datafusion::error::{DataFusionError, Result};
use std::sync::Arc;

/// Name of the decoder of [`MemorySource`].
pub const CODEC: &str = "memory";

/// Partitions in memory.
#[derive(Debug)]
pub struct MemorySource {
    schema: SchemaRef,
    partitions: Vec<Vec<RecordBatch>>,
}

/// A [`MemorySource`] as it travels: one Arrow stream per partition.
#[derive(Encode, Decode)]
struct Encoded {
    schema: Vec<u8>,
    partitions: Vec<Vec<u8>>,
}

impl MemorySource {
    /// A table of these partitions, each of batches of this schema.
    pub fn new(schema: SchemaRef, partitions: Vec<Vec<RecordBatch>>) -> MemorySource {
        MemorySource { schema, partitions }
    }

    /// Reads a source back.
    ///
    /// # Errors
    /// If the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<MemorySource> {
        let encoded: Encoded = bitcode::decode(bytes).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let partitions = encoded
            .partitions
            .iter()
            .map(|bytes| Ok(StreamReader::try_new(bytes.as_slice(), None)?.collect::<Result<_, _>>()?))
            .collect::<Result<_>>()?;
        Ok(MemorySource { schema: crate::codec::schema_from_bytes(&encoded.schema)?, partitions })
    }
}

impl Source for MemorySource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn open(&self, partition: usize, projection: &[usize]) -> Result<BatchIterator> {
        let projection = projection.to_vec();
        let batches = self.partitions[partition].clone();
        Ok(Box::new(batches.into_iter().map(move |batch| Ok(batch.project(&projection)?))))
    }

    fn describe(&self) -> String {
        let rows: usize = self.partitions.iter().flatten().map(RecordBatch::num_rows).sum();
        format!("memory, {rows} rows, {} partitions", self.partitions.len())
    }

    fn rows(&self) -> Precision<usize> {
        Precision::Exact(self.partitions.iter().flatten().map(RecordBatch::num_rows).sum())
    }

    fn never_null(&self, column: &str) -> bool {
        let full = |batch: &RecordBatch| batch.column_by_name(column).is_some_and(|array| array.null_count() == 0);
        self.partitions.iter().flatten().all(full)
    }

    fn encode(&self) -> Result<(&'static str, Vec<u8>)> {
        let write = |batches: &Vec<RecordBatch>| {
            let mut bytes = Vec::new();
            let mut writer = StreamWriter::try_new(&mut bytes, &self.schema)?;
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
            drop(writer);
            Ok(bytes)
        };
        let partitions = self.partitions.iter().map(write).collect::<Result<_>>()?;
        let schema = crate::codec::schema_to_bytes(&self.schema)?;
        Ok((CODEC, bitcode::encode(&Encoded { schema, partitions })))
    }
}

/// Cuts batches into `parts` partitions of neighbouring rows, evenly long, without copying.
pub fn cut(batches: &[RecordBatch], parts: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let parts = parts.clamp(1, rows.max(1));
    let mut bounds: Vec<usize> = (0..=parts).map(|part| part * rows / parts).collect();
    bounds.dedup();
    cut_at(batches, &bounds)
}

/// Cuts batches into partitions at these row numbers, the first 0 and the last the number of rows.
pub fn cut_at(batches: &[RecordBatch], bounds: &[usize]) -> Vec<Vec<RecordBatch>> {
    let pairs: Vec<_> = bounds.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let part = |(start, end): (usize, usize)| {
        let mut first = 0;
        let mut slices = Vec::new();
        for batch in batches {
            let (from, to) = (start.max(first), end.min(first + batch.num_rows()));
            if from < to {
                slices.push(batch.slice(from - first, to - from));
            }
            first += batch.num_rows();
        }
        slices
    };
    if pairs.is_empty() { vec![Vec::new()] } else { pairs.into_iter().map(part).collect() }
}

/// Wraps a source for a plan.
pub fn shared(schema: SchemaRef, partitions: Vec<Vec<RecordBatch>>) -> Arc<dyn Source> {
    Arc::new(MemorySource::new(schema, partitions))
}
