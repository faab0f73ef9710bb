//! Makes a physical plan safe to cut, and refuses one that can't be.
//!
//! Start at [`prepare`]. What a step does within one process (share a result, keep an order through an exchange) must
//! not be lost or done twice when its partitions become tasks.

use crate::stage::fetch::{Fetch, Kind};
use crate::stage::join;
use crate::stage::lower::StageOptions;
use crate::stage::restrict::{file_scan, runs_alone, unknown_leaf};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning, StatisticsArgs};
use raskal_store::Batches;
use std::any::Any;
use std::sync::Arc;

/// The plan with tables in memory read from values, and with steps replaced that don't survive a cut.
///
/// `values` adds a layer that holds partitions, and gives its number.
///
/// # Errors
/// If the plan can't be cut; the message says which step and what to do.
pub fn prepare(
    plan: Arc<dyn ExecutionPlan>,
    options: &StageOptions,
    values: &mut dyn FnMut(Vec<Batches>) -> Result<u32>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let prepared = plan.transform_up(|node| {
        refuse(&node)?;
        let node = if node.children().is_empty() { leaf(node, values)? } else { node };
        let node = ordered_exchange(node)?;
        let node = join::whole_probe_side(node)?;
        Ok(Transformed::yes(join::spilling(node, options)?))
    })?;
    Ok(prepared.data)
}

/// Refuses steps that work within one process only.
fn refuse(node: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let refused = |what: &str| {
        Err(DataFusionError::NotImplemented(format!(
            "a plan with {what} can't be cut into tasks\nhint: plan it under raskal_frame::stage::configure"
        )))
    };
    if node.is::<ScalarSubqueryExec>() {
        return refused("the result of a scalar subquery shared between its steps");
    }
    if reads_dynamic_filter(node)? {
        return refused("filters that are made while it runs");
    }
    match node.downcast_ref::<RepartitionExec>().map(RepartitionExec::partitioning) {
        Some(Partitioning::Range(_)) => refused("an exchange by ranges"),
        _ => Ok(()),
    }
}

/// Whether a step reads a filter that another step makes.
fn reads_dynamic_filter(node: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let own: Vec<_> = node.dynamic_expressions_produced().iter().map(|made| made.expression_id()).collect();
    let mut found = false;
    node.apply_expressions(&mut |expression| {
        found |= expression
            .exists(|part| Ok(part.is::<DynamicFilterPhysicalExpr>() && !own.contains(&part.expression_id())))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// An exchange that merges sorted inputs, as an exchange and a sort: values of other tasks come as they come.
fn ordered_exchange(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match (node.downcast_ref::<RepartitionExec>(), node.output_ordering()) {
        (Some(exchange), Some(ordering)) if exchange.preserve_order() => {
            let plain = RepartitionExec::try_new(exchange.input().clone(), exchange.partitioning().clone())?;
            let sorted = SortExec::new(ordering.clone(), Arc::new(plain)).with_preserve_partitioning(true);
            Ok(Arc::new(sorted))
        }
        _ => Ok(node),
    }
}

/// A table in memory becomes values of the graph; other leaves must be of a kind whose partitions can be told apart.
fn leaf(
    leaf: Arc<dyn ExecutionPlan>,
    values: &mut dyn FnMut(Vec<Batches>) -> Result<u32>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(memory) = memory(&leaf) {
        let schema = leaf.schema();
        let project = |batch: &arrow::record_batch::RecordBatch| match memory.projection() {
            Some(columns) => Ok(batch.project(columns)?),
            None => Ok(batch.clone()),
        };
        let partition = |batches: &Vec<_>| {
            let batches = batches.iter().map(project).collect::<Result<_>>()?;
            Ok(Batches { schema: schema.clone(), batches })
        };
        let partitions = memory.partitions().iter().map(partition).collect::<Result<Vec<_>>>()?;
        let partitioning = Partitioning::UnknownPartitioning(partitions.len());
        let orderings = leaf.output_ordering().cloned().into_iter().collect();
        let layer = values(partitions)?;
        let statistics = StatisticsContext::new().compute(leaf.as_ref(), &StatisticsArgs::new())?;
        let fetch = Fetch::new(layer, Kind::Aligned, schema.clone(), partitioning, orderings);
        let fetch = Arc::new(fetch.with_statistics(statistics));
        return Ok(match memory.fetch() {
            Some(rows) => Arc::new(LocalLimitExec::new(fetch, rows)),
            None => fetch,
        });
    }
    if leaf.is::<Fetch>() || file_scan(&leaf).is_some() || runs_alone(&leaf) {
        return Ok(leaf);
    }
    Err(unknown_leaf(&leaf))
}

fn memory(leaf: &Arc<dyn ExecutionPlan>) -> Option<&MemorySourceConfig> {
    let source: &dyn Any = leaf.downcast_ref::<DataSourceExec>()?.data_source().as_ref();
    source.downcast_ref()
}
