//! Joins that a cut plan can't run as they are.
//!
//! - [`whole_probe_side`]: a nested-loop join that emits unmatched rows of its collected side counts its probing
//!   partitions within one process; as separate tasks each would emit them. Its probe side becomes one partition.
//! - [`spilling`]: a hash join keeps its build side in memory. Where that is known to be too large, a sort-merge join,
//!   which spills, takes its place. An order that the join kept is made anew.

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, JoinType};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExprRef, PhysicalSortExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, StatisticsArgs, replace_children_if_necessary,
};
use std::sync::Arc;

/// Whether a join gives rows of its left side that no single probing partition can decide about.
fn decides_at_the_end(join: JoinType) -> bool {
    matches!(join, JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark)
}

/// A nested-loop join with its probe side in one partition where it must be.
///
/// # Errors
/// If the join refuses its new input.
pub fn whole_probe_side(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() else { return Ok(plan) };
    if !decides_at_the_end(*join.join_type()) || join.right().output_partitioning().partition_count() == 1 {
        return Ok(plan);
    }
    let right = Arc::new(CoalescePartitionsExec::new(join.right().clone()));
    let children = vec![join.left().clone(), right];
    replace_children_if_necessary(plan, children)
}

/// What a hash join may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// A build side of at most so many bytes, as far as its size is known.
    Bytes(usize),
    /// Nothing, known or not.
    Nothing,
}

impl Build {
    /// What one of so many partitions may hold.
    pub fn of_one(self, partitions: usize) -> Build {
        match self {
            Build::Bytes(bytes) => Build::Bytes(bytes / partitions.max(1)),
            Build::Nothing => Build::Nothing,
        }
    }
}

/// A hash join as it is, or a sort-merge join in its place if its build side is known to be too large for memory.
///
/// A hash join keeps the order of its probe side, and steps above may rely on it. A sort-merge join does not, and
/// Ballista may swap the sides or deal out the probe side (`moved`): where there is an order, a sort makes it anew.
///
/// # Errors
/// If the new join refuses its inputs.
pub fn spilling(plan: Arc<dyn ExecutionPlan>, max: Build, moved: bool) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(plan) };
    let single = [join.left(), join.right()].iter().all(|side| side.output_partitioning().partition_count() == 1);
    let paired = *join.partition_mode() == PartitionMode::Partitioned || single;
    let too_large = paired
        && !join.null_aware
        && match max {
            Build::Bytes(max) => build_bytes(join).is_some_and(|bytes| bytes > max),
            Build::Nothing => true,
        };
    let joined = if too_large { sort_merge(join)? } else { plan.clone() };
    Ok(match plan.output_ordering() {
        Some(ordering) if moved || too_large => {
            Arc::new(SortExec::new(ordering.clone(), joined).with_preserve_partitioning(true))
        }
        _ => joined,
    })
}

/// Whether a join that collects its left side gives a single partition. Ballista may deal both sides out instead, and
/// what is above (a sort, say) would take the first partition for all of it.
pub fn gives_one_partition(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let collects = |join: &HashJoinExec| *join.partition_mode() == PartitionMode::CollectLeft;
    plan.downcast_ref::<HashJoinExec>().is_some_and(collects) && plan.output_partitioning().partition_count() == 1
}

/// All of a plan's rows in one partition, however many Ballista makes of it; in their order, if they have one.
pub fn in_one_partition(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.output_ordering().cloned() {
        Some(ordering) => Arc::new(SortPreservingMergeExec::new(ordering, plan)),
        None => Arc::new(CoalescePartitionsExec::new(plan)),
    }
}

fn sort_merge(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let sort_options = vec![SortOptions::default(); join.on().len()];
    let (left_keys, right_keys) = join.on().iter().cloned().unzip();
    let merged = SortMergeJoinExec::try_new(
        sorted(join.left(), left_keys),
        sorted(join.right(), right_keys),
        join.on().to_vec(),
        join.filter().map(left_first).transpose()?,
        *join.join_type(),
        sort_options,
        join.null_equality(),
    )?;
    projected(Arc::new(merged), join.projection.as_deref())
}

/// Only these columns of a plan, if any are named.
fn projected(plan: Arc<dyn ExecutionPlan>, columns: Option<&[usize]>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(columns) = columns else { return Ok(plan) };
    let schema = plan.schema();
    let columns = columns.iter().map(|&column| {
        let name = schema.field(column).name();
        ProjectionExpr::new(Arc::new(Column::new(name, column)), name.clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
}

/// The filter with its left columns before its right ones. A hash join takes any order (swapping its sides leaves the
/// right ones first); a sort-merge join hands the columns over in this order, whatever the filter says.
fn left_first(filter: &JoinFilter) -> Result<JoinFilter> {
    let columns = filter.column_indices();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|&old| columns[old].side != JoinSide::Left);
    let renumbered = filter.expression().clone().transform(|part| {
        let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
        let new = order.iter().position(|&old| old == column.index()).unwrap_or(column.index());
        Ok(Transformed::yes(Arc::new(Column::new(column.name(), new)) as PhysicalExprRef))
    })?;
    let fields: Vec<_> = order.iter().map(|&old| filter.schema().field(old).clone()).collect();
    let columns = order.iter().map(|&old| columns[old].clone()).collect();
    Ok(JoinFilter::new(renumbered.data, columns, Arc::new(Schema::new(fields))))
}

/// Each partition sorted by the join's keys.
fn sorted(input: &Arc<dyn ExecutionPlan>, keys: Vec<PhysicalExprRef>) -> Arc<dyn ExecutionPlan> {
    let keys = keys.into_iter().map(|key| PhysicalSortExpr::new(key, SortOptions::default()));
    match LexOrdering::new(keys) {
        Some(ordering) => Arc::new(SortExec::new(ordering, input.clone()).with_preserve_partitioning(true)),
        None => input.clone(),
    }
}

/// Estimated size of one partition of the build side, in bytes, if the sources tell.
fn build_bytes(join: &HashJoinExec) -> Option<usize> {
    debug_assert_eq!(HashJoinExec::probe_side(), JoinSide::Right);
    let statistics = StatisticsContext::new().compute(join.left().as_ref(), &StatisticsArgs::new()).ok()?;
    let bytes = *statistics.total_byte_size.get_value()?;
    Some(bytes / join.left().output_partitioning().partition_count().max(1))
}
