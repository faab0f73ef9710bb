//! Only some partitions of a plan, in a given order: `df.partitions[1:3]`, `df.head()`.
//!
//! [`SelectNode`] is the step in a logical plan, [`SelectExec`] runs it. The partitions that are left out never run.

use datafusion::common::DFSchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// A choice of partitions as a step of a logical plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd)]
pub struct SelectNode {
    input: LogicalPlan,
    partitions: Vec<usize>,
    single: bool,
}

impl SelectNode {
    /// The partitions of `input` with these numbers. `single`: the input counts as one partition.
    pub fn new(input: LogicalPlan, partitions: Vec<usize>, single: bool) -> SelectNode {
        SelectNode { input, partitions, single }
    }

    pub(super) fn exec(&self, input: Arc<dyn ExecutionPlan>) -> SelectExec {
        SelectExec::new(input, self.partitions.clone(), self.single)
    }
}

impl UserDefinedLogicalNodeCore for SelectNode {
    fn name(&self) -> &str {
        "Partitions"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partitions: {:?}", self.partitions)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<SelectNode> {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("Partitions without input".into()))?;
        Ok(SelectNode { input, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

/// Runs only some partitions of its input.
#[derive(Debug)]
pub struct SelectExec {
    input: Arc<dyn ExecutionPlan>,
    partitions: Vec<usize>,
    single: bool,
    properties: Arc<PlanProperties>,
}

impl SelectExec {
    /// The partitions of `input` with these numbers, in this order.
    pub fn new(input: Arc<dyn ExecutionPlan>, partitions: Vec<usize>, single: bool) -> SelectExec {
        let properties = input.properties().as_ref().clone();
        let properties = properties.with_partitioning(Partitioning::UnknownPartitioning(partitions.len()));
        SelectExec { input, partitions, single, properties: Arc::new(properties) }
    }

    /// The input's partitions that run, in order.
    pub fn partitions(&self) -> &[usize] {
        &self.partitions
    }

    /// Whether the input counts as one partition.
    pub fn single(&self) -> bool {
        self.single
    }

    fn over(&self, input: Arc<dyn ExecutionPlan>) -> SelectExec {
        SelectExec::new(input, self.partitions.clone(), self.single)
    }
}

impl DisplayAs for SelectExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionsExec: {:?}", self.partitions)
    }
}

impl ExecutionPlan for SelectExec {
    one_input!("PartitionsExec");
    one_partition_if_single!();

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let chosen = self.partitions.get(partition).ok_or_else(|| {
            DataFusionError::Internal(format!("partition {partition} of {} chosen ones", self.partitions.len()))
        })?;
        self.input.execute(*chosen, context)
    }
}
