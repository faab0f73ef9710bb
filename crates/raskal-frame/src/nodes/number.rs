//! The place of each row, as a column: what an order is made again from after steps that lose it.
//!
//! Start at [`row_position`]: in a logical plan it is a function without arguments, so that the optimiser drops it where
//! nobody needs it. [`NumberRows`] turns a projection that is left with one into [`NumberExec`]. Numbers grow along the
//! rows and have gaps: they only tell which of two rows comes first.

use crate::session::FrameOptions;
use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::StreamExt;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Name of the function in plans.
pub const ROW_POSITION: &str = "row_position";

/// Partitions have fewer rows than this.
pub const PARTITION_ROWS: i64 = 1 << 40;

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(RowPosition::new())));

/// The place of each row among those of its plan.
pub fn row_position() -> Expr {
    FUNCTION.call(vec![])
}

/// The function of [`row_position`].
pub fn function() -> Arc<ScalarUDF> {
    FUNCTION.clone()
}

/// Volatile, so that it stays where it was written: the numbers of other rows, after a filter, are other ones.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowPosition {
    signature: Signature,
}

impl RowPosition {
    fn new() -> RowPosition {
        RowPosition { signature: Signature::nullary(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for RowPosition {
    fn name(&self) -> &str {
        ROW_POSITION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!("{ROW_POSITION}() was not replaced by a step that counts")))
    }
}

fn is_position(expression: &Arc<dyn PhysicalExpr>) -> bool {
    expression
        .downcast_ref::<ScalarFunctionExpr>()
        .is_some_and(|function| function.fun().inner().downcast_ref::<RowPosition>().is_some())
}

/// Puts a [`NumberExec`] under each projection that asks for positions. Must come first among the rules: later ones
/// would move such a projection.
#[derive(Debug)]
pub struct NumberRows;

impl PhysicalOptimizerRule for NumberRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(numbered).data()?;
        // Joins that may choose their sides keep no order.
        let free = config.extensions.get::<FrameOptions>().is_none_or(|options| options.joins);
        if free { Ok(plan) } else { plan.transform_up(ordered_join).data() }
    }

    fn name(&self) -> &str {
        "number_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn numbered(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(project) = node.downcast_ref::<ProjectionExec>() else { return Ok(Transformed::no(node)) };
    let asked = |one: &ProjectionExpr| one.expr.exists(|part| Ok(is_position(part)));
    if !project.expr().iter().map(asked).collect::<Result<Vec<_>>>()?.contains(&true) {
        return Ok(Transformed::no(node));
    }
    let input = project.input().clone();
    let place = input.schema().fields().len();
    let replaced = |one: &ProjectionExpr| {
        let column = |part: Arc<dyn PhysicalExpr>| {
            Ok(if is_position(&part) {
                Transformed::yes(Arc::new(Column::new(ROW_POSITION, place)) as Arc<dyn PhysicalExpr>)
            } else {
                Transformed::no(part)
            })
        };
        Ok(ProjectionExpr { expr: one.expr.clone().transform_up(column)?.data, alias: one.alias.clone() })
    };
    let columns = project.expr().iter().map(replaced).collect::<Result<Vec<_>>>()?;
    let (single, ordering) = (input.output_partitioning().partition_count() == 1, input.output_ordering().cloned());
    let number = Arc::new(NumberExec::new(input, single, ordering));
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns, number)?) as Arc<dyn ExecutionPlan>))
}

/// A join that keeps all rows that it goes through puts those without partner behind the others of their batch, unless it
/// sees that they are in an order: their places are one.
fn ordered_join(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
    let known = join.right().output_ordering().is_some();
    if *join.join_type() != JoinType::Right || *join.partition_mode() != PartitionMode::CollectLeft || known {
        return Ok(Transformed::no(node));
    }
    let count = join.left().schema().fields().len() + join.right().schema().fields().len();
    let columns = join.projection.as_ref().map_or_else(|| (0..count).collect(), |columns| columns.to_vec());
    let single = join.right().output_partitioning().partition_count() == 1;
    let ordered = HashJoinExec::try_new(
        join.left().clone(),
        Arc::new(NumberExec::new(join.right().clone(), single, None)),
        join.on().to_vec(),
        join.filter().cloned(),
        join.join_type(),
        Some(columns),
        *join.partition_mode(),
        join.null_equality(),
        join.null_aware,
    )?;
    Ok(Transformed::yes(Arc::new(ordered) as Arc<dyn ExecutionPlan>))
}

/// Adds a column with the place of each row.
#[derive(Debug)]
pub struct NumberExec {
    input: Arc<dyn ExecutionPlan>,
    /// Whether the numbers go over all rows, which come as one partition.
    single: bool,
    /// The order that the input had when the plan was made: later rules must not take it away.
    ordering: Option<LexOrdering>,
    properties: Arc<PlanProperties>,
}

impl NumberExec {
    /// Numbers the rows of `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>, single: bool, ordering: Option<LexOrdering>) -> NumberExec {
        let mut fields = input.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(ROW_POSITION, DataType::Int64, false)));
        let schema = Arc::new(Schema::new_with_metadata(fields, input.schema().metadata().clone()));
        let place: Arc<dyn PhysicalExpr> = Arc::new(Column::new(ROW_POSITION, schema.fields().len() - 1));
        let places = LexOrdering::new([PhysicalSortExpr::new(place, SortOptions::new(false, false))]);
        let orderings = input.output_ordering().cloned().into_iter().chain(places);
        let equivalences = EquivalenceProperties::new_with_orderings(schema, orderings);
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        NumberExec { input, single, ordering, properties: Arc::new(properties) }
    }

    /// Whether the rows must come as one partition.
    pub fn single(&self) -> bool {
        self.single
    }

    fn over(&self, input: Arc<dyn ExecutionPlan>) -> NumberExec {
        NumberExec::new(input, self.single, self.ordering.clone())
    }
}

impl DisplayAs for NumberExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NumberExec")
    }
}

impl ExecutionPlan for NumberExec {
    one_input!("NumberExec");
    one_partition_if_single!();

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.ordering.clone().map(OrderingRequirements::from)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = self.schema();
        let (expected, mut next) = (schema.clone(), partition as i64 * PARTITION_ROWS);
        let rows = input.map(move |batch| {
            let batch = batch?;
            let count = batch.num_rows() as i64;
            let positions: ArrayRef = Arc::new(Int64Array::from_iter_values(next..next + count));
            next += count;
            let columns = batch.columns().iter().cloned().chain([positions]).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(expected.clone(), columns, &options)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
