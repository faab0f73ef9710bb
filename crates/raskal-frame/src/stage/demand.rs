//! Which partitions of which leaf one partition of a plan reads.
//!
//! Start at [`demands`]. The graph's edges and the running task both ask here. Ballista has such a function for the
//! leaves it knows, and leaves all partitions to those that it does not; ours refuses a step whose partitions it
//! can't follow.

use crate::nodes::select::SelectExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::Distribution;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use std::sync::Arc;

/// For each leaf, depth first from the left: the partitions that partition `partition` of `plan` reads, ascending.
///
/// # Errors
/// If the plan has a step of which it is not known what its partitions read.
pub fn demands(plan: &Arc<dyn ExecutionPlan>, partition: usize) -> Result<Vec<Vec<usize>>> {
    let mut demands = Vec::new();
    walk(plan, &[partition], &mut demands)?;
    Ok(demands)
}

fn count(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

fn walk(plan: &Arc<dyn ExecutionPlan>, wanted: &[usize], demands: &mut Vec<Vec<usize>>) -> Result<()> {
    let children = plan.children();
    if children.is_empty() {
        demands.push(wanted.to_vec());
        return Ok(());
    }
    if plan.is::<UnionExec>() {
        let mut first = 0;
        for child in children {
            let own = first..first + count(child);
            let wanted: Vec<usize> = wanted.iter().filter(|at| own.contains(at)).map(|at| at - first).collect();
            walk(child, &wanted, demands)?;
            first = own.end;
        }
        return Ok(());
    }
    if let (Some(select), [child]) = (plan.downcast_ref::<SelectExec>(), children.as_slice()) {
        let mut chosen: Vec<usize> = wanted.iter().map(|&at| select.partitions()[at]).collect();
        chosen.sort_unstable();
        chosen.dedup();
        return walk(child, &chosen, demands);
    }
    let gathers = plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>();
    let required = plan.input_distribution_requirements();
    for (child, required) in children.into_iter().zip(required.per_child_distributions()) {
        // A task that runs no partition of this step needs nothing below it either (a branch of a union).
        let whole = !wanted.is_empty() && (gathers || matches!(required, Distribution::SinglePartition));
        if whole {
            walk(child, &(0..count(child)).collect::<Vec<_>>(), demands)?;
        } else if wanted.is_empty() || (count(child) == count(plan) && !plan.is::<RepartitionExec>()) {
            walk(child, wanted, demands)?;
        } else {
            return Err(DataFusionError::NotImplemented(format!(
                "the step {} makes {} partitions out of {} within a stage; which of them a task reads is not known",
                plan.name(),
                count(plan),
                count(child)
            )));
        }
    }
    Ok(())
}
