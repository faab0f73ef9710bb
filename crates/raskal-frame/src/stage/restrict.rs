//! Keeps of a plan's leaves what one partition reads, and hands the task's inputs to the leaves that fetch them.
//!
//! Start at [`restrict`]. Partitions keep their numbers: those that are not read are emptied, not removed, so that the
//! plan's shape (partition counts, hash partitioning, the arithmetic of unions) stays true. Emptying matters even though
//! only one partition is run: a file scan's partitions take work from each other.

use crate::source::SourceExec;
use crate::stage::demand::demands;
use crate::stage::fetch::Fetch;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use raskal_store::Batches;
use std::any::Any;
use std::sync::Arc;

/// The plan of the task that runs partition `partition` and was given `inputs`, in the order of the plan's leaves.
///
/// # Errors
/// If the inputs do not fit, or a leaf is of a kind that can't be restricted.
pub fn restrict(
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    inputs: Vec<Arc<Batches>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut demands = demands(&plan, partition)?.into_iter();
    let mut inputs = inputs.into_iter();
    let plan = rewrite(plan, &mut demands, &mut inputs)?;
    match inputs.count() {
        0 => Ok(plan),
        left => Err(DataFusionError::Internal(format!("{left} inputs of a task are read by no leaf"))),
    }
}

fn rewrite(
    plan: Arc<dyn ExecutionPlan>,
    demands: &mut impl Iterator<Item = Vec<usize>>,
    inputs: &mut impl Iterator<Item = Arc<Batches>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children();
    if children.is_empty() {
        let wanted = demands.next().unwrap_or_default();
        return restrict_leaf(plan, &wanted, inputs);
    }
    let children: Vec<_> = children.into_iter().cloned().collect();
    let children = children.into_iter().map(|child| rewrite(child, demands, inputs)).collect::<Result<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}

fn restrict_leaf(
    leaf: Arc<dyn ExecutionPlan>,
    wanted: &[usize],
    inputs: &mut impl Iterator<Item = Arc<Batches>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(fetch) = leaf.downcast_ref::<Fetch>() {
        let tasks = fetch.kind().tasks(wanted, fetch.partitions()).len();
        return Ok(Arc::new(fetch.with_supply(wanted, inputs.take(tasks).collect())?));
    }
    if let Some(files) = file_scan(&leaf) {
        let keep = |(number, group): (usize, &FileGroup)| {
            if wanted.contains(&number) { group.clone() } else { FileGroup::default() }
        };
        let groups = files.file_groups.iter().enumerate().map(keep).collect();
        let files = FileScanConfigBuilder::from(files.clone()).with_file_groups(groups).build();
        return Ok(DataSourceExec::from_data_source(files));
    }
    if runs_alone(&leaf) { Ok(leaf) } else { Err(unknown_leaf(&leaf)) }
}

/// The files of a scan of files.
pub fn file_scan(leaf: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let source: &dyn Any = leaf.downcast_ref::<DataSourceExec>()?.data_source().as_ref();
    source.downcast_ref()
}

/// Whether each partition of a leaf gives its own rows, whatever happens to the others.
pub fn runs_alone(leaf: &Arc<dyn ExecutionPlan>) -> bool {
    leaf.is::<SourceExec>() || leaf.is::<EmptyExec>() || leaf.is::<PlaceholderRowExec>()
}

/// What to say about a leaf of another kind.
pub fn unknown_leaf(leaf: &Arc<dyn ExecutionPlan>) -> DataFusionError {
    DataFusionError::NotImplemented(format!(
        "a table read by {} can't be cut into tasks\nhint: compute() it first, or read it from files",
        leaf.name()
    ))
}
