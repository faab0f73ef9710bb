//! Stage plans as bytes.
//!
//! [`encode`] and [`decode`] use the engine's own protocol; [`StageCodec`] adds the leaf [`Fetch`]. A fetch travels as
//! an empty plan of the same schema, partitioning and ordering, so that the engine's protocol writes these, too.

use crate::stage::fetch::{Fetch, Kind};
use bitcode::{Decode, Encode};
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
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
    physical_plan_to_bytes_with_extension_codec(plan, &StageCodec)
}

/// A plan from bytes; `context` knows the functions.
///
/// # Errors
/// If the bytes are no plan, or of steps and functions that are not known here.
pub fn decode(bytes: &[u8], context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    physical_plan_from_bytes_with_extension_codec(bytes, context, &StageCodec)
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

/// Writes and reads [`Fetch`] inside the engine's plans.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageCodec;

impl PhysicalExtensionCodec for StageCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
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
        let Some(fetch) = node.downcast_ref::<Fetch>() else {
            return Err(DataFusionError::NotImplemented(format!("the step {} can't be sent to a worker", node.name())));
        };
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
}
