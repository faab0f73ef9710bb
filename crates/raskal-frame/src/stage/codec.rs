//! Stage plans as bytes.
//!
//! [`encode`] and [`decode`] use the engine's own protocol; [`StageCodec`] adds the leaf [`Fetch`] to the nodes and
//! functions of this crate, which [`FrameCodec`] writes. A fetch travels as
//! an empty plan of the same schema, partitioning and ordering, so that the engine's protocol writes these, too.

use crate::codec::{FrameCodec, schema_from_bytes, schema_to_bytes};
use crate::stage::fetch::{Fetch, Kind};
use crate::stage::scan::{self, NumberedScan};
use arrow::datatypes::Schema;
use bitcode::{Decode, Encode};
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_from_bytes_with_proto_converter,
    physical_plan_to_bytes_with_extension_codec, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use std::sync::Arc;

/// A plan as bytes.
///
/// # Errors
/// If a step of it can't be written.
pub fn encode(plan: Arc<dyn ExecutionPlan>) -> Result<Bytes> {
    physical_plan_to_bytes_with_extension_codec(scan::wrap(plan)?, &StageCodec)
}

/// A plan from bytes; `context` knows the functions.
///
/// # Errors
/// If the bytes are no plan, or of steps and functions that are not known here.
pub fn decode(bytes: &[u8], context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    physical_plan_from_bytes_with_extension_codec(bytes, context, &StageCodec)
}

/// First byte of a [`Fetch`]; [`SCAN`] is that of a [`NumberedScan`], [`OTHER`] of a node that [`FrameCodec`] writes.
const FETCH: u8 = 0;
const OTHER: u8 = 1;
const SCAN: u8 = 2;

/// A [`NumberedScan`] as it travels.
#[derive(Encode, Decode)]
struct ScanParts {
    files: Vec<u8>,
    shape: Vec<u8>,
    made: Vec<u8>,
}

/// A [`Fetch`] as it travels.
#[derive(Encode, Decode)]
struct Encoded {
    layer: u32,
    kind: Kind,
    /// Number of partitions if they are of no known kind; an encoded empty plan can't have zero.
    unknown: Option<u32>,
    /// An empty plan with the leaf's properties.
    likeness: Vec<u8>,
}

/// Writes and reads [`Fetch`], and what [`FrameCodec`] knows, inside the engine's plans.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageCodec;

impl PhysicalExtensionCodec for StageCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (kind, bytes) =
            bytes.split_first().ok_or_else(|| DataFusionError::Internal("a step of no bytes".into()))?;
        if *kind == OTHER {
            return FrameCodec.try_decode(bytes, inputs, context, converter);
        }
        if *kind == SCAN {
            let parts: ScanParts =
                bitcode::decode(bytes).map_err(|error| DataFusionError::External(Box::new(error)))?;
            let read = |bytes: &[u8]| physical_plan_from_bytes_with_proto_converter(bytes, context, self, converter);
            let made = schema_from_bytes(&parts.made)?.fields().clone();
            return scan::join(scan::Parts { files: read(&parts.files)?, shape: read(&parts.shape)?, made });
        }
        let encoded: Encoded = bitcode::decode(bytes).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let likeness = physical_plan_from_bytes_with_proto_converter(&encoded.likeness, context, self, converter)?;
        let partitioning = match encoded.unknown {
            Some(partitions) => Partitioning::UnknownPartitioning(partitions as usize),
            None => likeness.output_partitioning().clone(),
        };
        let orderings = likeness.output_ordering().cloned().into_iter().collect();
        Ok(Arc::new(Fetch::new(encoded.layer, encoded.kind, likeness.schema(), partitioning, orderings)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(scan) = node.downcast_ref::<NumberedScan>() {
            let parts = scan.parts()?;
            let write = |plan| physical_plan_to_bytes_with_proto_converter(plan, self, converter);
            let (files, shape) = (write(parts.files)?.to_vec(), write(parts.shape)?.to_vec());
            let made = schema_to_bytes(&Arc::new(Schema::new(parts.made)))?;
            bytes.push(SCAN);
            bytes.extend(bitcode::encode(&ScanParts { files, shape, made }));
            return Ok(());
        }
        let Some(fetch) = node.downcast_ref::<Fetch>() else {
            bytes.push(OTHER);
            return FrameCodec.try_encode(node, bytes, converter);
        };
        bytes.push(FETCH);
        let mut likeness: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(fetch.schema()));
        let mut unknown = None;
        match &fetch.properties().partitioning {
            Partitioning::UnknownPartitioning(partitions) => unknown = Some(*partitions as u32),
            known => likeness = Arc::new(RepartitionExec::try_new(likeness, known.clone())?),
        }
        if let Some(ordering) = fetch.properties().output_ordering() {
            likeness = Arc::new(SortExec::new(ordering.clone(), likeness).with_preserve_partitioning(true));
        }
        let likeness = physical_plan_to_bytes_with_proto_converter(likeness, self, converter)?.to_vec();
        let encoded = Encoded { layer: fetch.layer(), kind: fetch.kind(), unknown, likeness };
        bytes.extend(bitcode::encode(&encoded));
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
        FrameCodec.try_decode_udf(name, bytes)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
        FrameCodec.try_encode_udf(function, bytes)
    }
}
