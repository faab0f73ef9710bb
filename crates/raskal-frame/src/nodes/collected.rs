//! The side that a join collects, marked as such while a plan is cut into stages.
//!
//! A plan that counts on the order or the partitions of a join's other side has this one collected, however little is
//! known of its size. Ballista's planner would deal both sides out instead if it is not known to be small:
//! [`CollectedExec`] says that it is. [`mark`] puts one into a plan, [`unmark`] takes them out of its stages.

use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, StatisticsArgs, replace_children_if_necessary,
};
use std::fmt;
use std::sync::Arc;

/// Gives the rows of its input, and says that they are few.
#[derive(Debug)]
pub struct CollectedExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl CollectedExec {
    fn over(&self, input: Arc<dyn ExecutionPlan>) -> CollectedExec {
        CollectedExec { properties: input.properties().clone(), input }
    }
}

impl DisplayAs for CollectedExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectedExec")
    }
}

impl ExecutionPlan for CollectedExec {
    one_input!("CollectedExec");

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _wanted: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let few = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(Statistics { total_byte_size: Precision::Inexact(1), num_rows: Precision::Inexact(1), ..few }))
    }
}

/// A join that collects its left side, with that side marked; other steps as they are.
///
/// # Errors
/// If the join refuses its new input.
pub fn mark(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(plan) };
    if *join.partition_mode() != PartitionMode::CollectLeft || join.null_aware {
        return Ok(plan);
    }
    let marked = |input: Arc<dyn ExecutionPlan>| -> Arc<dyn ExecutionPlan> {
        Arc::new(CollectedExec { properties: input.properties().clone(), input })
    };
    let left = match join.left().downcast_ref::<CoalescePartitionsExec>() {
        Some(coalesce) => replace_children_if_necessary(join.left().clone(), vec![marked(coalesce.input().clone())])?,
        None => marked(join.left().clone()),
    };
    let children = vec![left, join.right().clone()];
    replace_children_if_necessary(plan, children)
}

/// The plan without marks.
///
/// # Errors
/// If a step refuses its new input.
pub fn unmark(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let input = node.downcast_ref::<CollectedExec>().map(|marked| marked.input.clone());
        Ok(input.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}
