//! A function of the host language on every partition of a plan.
//!
//! Start at [`Mapper`]: `raskal-py` implements it with pandas functions. [`MapNode`] is the step in a logical plan,
//! [`MapExec`] runs it: one call per partition, on a thread that may block.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::TryStreamExt;
use raskal_runtime::Failure;
use raskal_store::Batches;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function on partitions, given from outside this crate.
pub trait Mapper: fmt::Debug + Send + Sync + 'static {
    /// The partition that `input`, which is partition number `partition`, becomes.
    ///
    /// # Errors
    /// Whatever the function fails with.
    fn map(&self, partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure>;
    /// The function's name for `explain()`.
    fn describe(&self) -> String;
    /// Content hash: equal tokens, equal functions.
    fn token(&self) -> String;
    /// Name of the decoder, and the function as bytes, for another process.
    ///
    /// # Errors
    /// If it can't be serialised; the message names it.
    fn encode(&self) -> Result<(&'static str, Vec<u8>), Failure>;
}

/// A [`Mapper`] as a step of a logical plan.
#[derive(Clone, Debug)]
pub struct MapNode {
    input: LogicalPlan,
    mapper: Arc<dyn Mapper>,
    schema: DFSchemaRef,
    single: bool,
}

impl MapNode {
    /// Maps the partitions of `input`, giving rows of `schema`. `single`: the input counts as one partition.
    ///
    /// # Errors
    /// If two fields of the schema have the same name.
    pub fn new(input: LogicalPlan, mapper: Arc<dyn Mapper>, schema: SchemaRef, single: bool) -> Result<MapNode> {
        let schema = Arc::new(DFSchema::try_from(schema)?);
        Ok(MapNode { input, mapper, schema, single })
    }

    pub(super) fn exec(&self, input: Arc<dyn ExecutionPlan>) -> MapExec {
        MapExec::new(input, self.mapper.clone(), self.schema.inner().clone(), self.single)
    }
}

impl PartialEq for MapNode {
    fn eq(&self, other: &MapNode) -> bool {
        self.mapper.token() == other.mapper.token() && self.input == other.input && self.schema == other.schema
    }
}

impl Eq for MapNode {}

impl PartialOrd for MapNode {
    fn partial_cmp(&self, other: &MapNode) -> Option<Ordering> {
        match self.mapper.token().cmp(&other.mapper.token()) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            order => Some(order),
        }
    }
}

impl Hash for MapNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mapper.token().hash(state);
        self.input.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for MapNode {
    fn name(&self) -> &str {
        "PyMap"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PyMap: {} #{}", self.mapper.describe(), short(&self.mapper.token()))
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<MapNode> {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("PyMap without input".into()))?;
        Ok(MapNode { input, ..self.clone() })
    }
}

fn short(token: &str) -> &str {
    token.get(..8).unwrap_or(token)
}

/// Runs a [`Mapper`] on each partition.
#[derive(Debug)]
pub struct MapExec {
    input: Arc<dyn ExecutionPlan>,
    mapper: Arc<dyn Mapper>,
    single: bool,
    properties: Arc<PlanProperties>,
}

impl MapExec {
    /// Maps the partitions of `input`, giving rows of `schema`.
    pub fn new(input: Arc<dyn ExecutionPlan>, mapper: Arc<dyn Mapper>, schema: SchemaRef, single: bool) -> MapExec {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Final,
            input.boundedness(),
        );
        MapExec { input, mapper, single, properties: Arc::new(properties) }
    }

    /// The function.
    pub fn mapper(&self) -> &Arc<dyn Mapper> {
        &self.mapper
    }

    /// Whether the input counts as one partition.
    pub fn single(&self) -> bool {
        self.single
    }

    fn over(&self, input: Arc<dyn ExecutionPlan>) -> MapExec {
        MapExec::new(input, self.mapper.clone(), self.schema(), self.single)
    }
}

impl DisplayAs for MapExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PyMapExec: {}", self.mapper.describe())
    }
}

impl ExecutionPlan for MapExec {
    one_input!("PyMapExec");
    one_partition_if_single!();

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (mapper, input_schema, schema) = (self.mapper.clone(), self.input.schema(), self.schema());
        let expected = schema.clone();
        let mapped = async move {
            let batches: Vec<RecordBatch> = input.try_collect().await?;
            let input = Batches { schema: input_schema, batches };
            // The function may wait for a lock of its language: not on a thread that drives other streams.
            let mapped = tokio::task::spawn_blocking(move || mapper.map(partition, input))
                .await
                .map_err(|error| DataFusionError::Execution(format!("a partition's function panicked: {error}")))?
                .map_err(crate::FrameError::Function)?;
            let batches = mapped.into_iter().map(move |batch| {
                RecordBatch::try_new(expected.clone(), batch.columns().to_vec()).map_err(DataFusionError::from)
            });
            Ok::<_, DataFusionError>(futures::stream::iter(batches))
        };
        let stream = futures::stream::once(mapped).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
