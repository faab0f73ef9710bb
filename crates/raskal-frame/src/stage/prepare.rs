//! Makes a physical plan safe to cut, and refuses one that can't be.
//!
//! Start at [`prepare`]. What a step does within one process (share a result, keep an order through an exchange) must
//! not be lost or done twice when its partitions become tasks.

use crate::memory::MemorySource;
use crate::nodes::collected;
use crate::nodes::map::MapExec;
use crate::source::{Source, SourceExec};
use crate::stage::fetch::{Fetch, Kind};
use crate::stage::join;
use crate::stage::lower::StageOptions;
use crate::stage::restrict::{file_scan, runs_alone, unknown_leaf};
use crate::tasks::TaskSource;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning, StatisticsArgs};
use raskal_store::Batches;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// Where parts of a plan go that are not steps of a stage.
pub trait Layers {
    /// Adds a layer that holds partitions, and gives its number.
    ///
    /// # Errors
    /// If they can't be hashed.
    fn values(&mut self, partitions: Vec<Batches>) -> Result<u32>;

    /// The number of the layer that holds the partitions of a table of tasks.
    ///
    /// # Errors
    /// If it is not known.
    fn tasks(&mut self, source: &TaskSource) -> Result<u32>;

    /// Adds layers for a step that maps partitions and for all below it, and gives the number of the last.
    ///
    /// # Errors
    /// If what is below can't be cut.
    fn map(&mut self, step: &MapExec) -> Result<u32>;
}

/// The plan with tables in memory read from values, and with steps replaced that don't survive a cut.
///
/// # Errors
/// If the plan can't be cut; the message says which step and what to do.
pub fn prepare(
    plan: Arc<dyn ExecutionPlan>,
    options: &StageOptions,
    layers: &mut dyn Layers,
) -> Result<Arc<dyn ExecutionPlan>> {
    let prepared = plan.transform_up(|node| {
        refuse(&node)?;
        let node = if node.children().is_empty() { leaf(node, layers)? } else { node };
        let node = mapped(node, layers)?;
        let node = ordered_exchange(node)?;
        let node = join::whole_probe_side(node)?;
        let single = join::gives_one_partition(&node);
        let node = join::spilling(node, join::Build::Bytes(options.hash_join_bytes_max), true)?;
        Ok(Transformed::yes(if single { join::in_one_partition(node) } else { collected::mark(node)? }))
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

/// A function on partitions becomes a layer, and the step a leaf that reads it.
fn mapped(node: Arc<dyn ExecutionPlan>, layers: &mut dyn Layers) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(step) = node.downcast_ref::<MapExec>() else { return Ok(node) };
    let layer = layers.map(step)?;
    Ok(Arc::new(Fetch::new(layer, Kind::Aligned, node.schema(), node.output_partitioning().clone(), vec![])))
}

/// A table in memory becomes values of the graph; other leaves must be of a kind whose partitions can be told apart.
fn leaf(leaf: Arc<dyn ExecutionPlan>, layers: &mut dyn Layers) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = leaf.downcast_ref::<SourceExec>()
        && let Some(source) = (scan.source().as_ref() as &dyn Any).downcast_ref::<TaskSource>()
    {
        return tasks(scan, source, layers);
    }
    let Some((partitions, rows_max)) = memory(&leaf)? else {
        let known = leaf.is::<Fetch>() || file_scan(&leaf).is_some() || runs_alone(&leaf);
        return if known { Ok(leaf) } else { Err(unknown_leaf(&leaf)) };
    };
    let schema = leaf.schema();
    let partitions: Vec<_> =
        partitions.into_iter().map(|batches| Batches { schema: schema.clone(), batches }).collect();
    let partitioning = Partitioning::UnknownPartitioning(partitions.len());
    let orderings = leaf.output_ordering().cloned().into_iter().collect();
    let statistics = StatisticsContext::new().compute(leaf.as_ref(), &StatisticsArgs::new())?;
    let fetch = Fetch::new(layers.values(partitions)?, Kind::Aligned, schema, partitioning, orderings);
    let fetch = Arc::new(fetch.with_statistics(statistics));
    Ok(match rows_max {
        Some(rows) => Arc::new(LocalLimitExec::new(fetch, rows)),
        None => fetch,
    })
}

/// The values of tasks, of which the scan wants some columns.
fn tasks(scan: &SourceExec, source: &TaskSource, layers: &mut dyn Layers) -> Result<Arc<dyn ExecutionPlan>> {
    let (schema, partitioning) = (source.schema(), scan.properties().partitioning.clone());
    if partitioning.partition_count() != source.partitions() {
        return Err(DataFusionError::Internal("a table of tasks whose scan joins partitions".into()));
    }
    let fetch = Fetch::new(layers.tasks(source)?, Kind::Aligned, schema.clone(), partitioning, vec![]);
    let column = |&place: &usize| {
        let name = schema.field(place).name();
        ProjectionExpr::new(Arc::new(Column::new(name, place)), name.clone())
    };
    let columns: Vec<_> = scan.projection().iter().map(column).collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(fetch))?))
}

/// Partitions, and the number of rows after which each of them stops.
type InMemory = (Vec<Vec<RecordBatch>>, Option<usize>);

/// The rows of a leaf whose partitions are in memory, as it gives them.
fn memory(leaf: &Arc<dyn ExecutionPlan>) -> Result<Option<InMemory>> {
    if let Some(scan) = leaf.downcast_ref::<SourceExec>() {
        let source: &dyn Any = scan.source().as_ref();
        if !source.is::<MemorySource>() {
            return Ok(None);
        }
        let open = |partition| scan.source().open(partition, scan.projection())?.collect::<Result<Vec<_>>>();
        let group = |range: &Range<usize>| Ok(range.clone().map(open).collect::<Result<Vec<_>>>()?.concat());
        return Ok(Some((scan.groups().iter().map(group).collect::<Result<_>>()?, None)));
    }
    let Some(scan) = leaf.downcast_ref::<DataSourceExec>() else { return Ok(None) };
    let source: &dyn Any = scan.data_source().as_ref();
    let Some(memory) = source.downcast_ref::<MemorySourceConfig>() else { return Ok(None) };
    let project = |batch: &RecordBatch| match memory.projection() {
        Some(columns) => Ok(batch.project(columns)?),
        None => Ok(batch.clone()),
    };
    let partition = |batches: &Vec<RecordBatch>| batches.iter().map(project).collect::<Result<Vec<_>>>();
    Ok(Some((memory.partitions().iter().map(partition).collect::<Result<_>>()?, memory.fetch())))
}
