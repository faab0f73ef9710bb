//! Cuts a physical plan at its exchanges, with Ballista's planner.
//!
//! Start at [`cut`]. Ballista decides where stages begin and end (also: which small join side is sent to everybody, and
//! which branches of a union need a stage of their own); the nodes with which it would write and read files are taken
//! off again. Nothing of Ballista is left in a [`Stage`] but its readers' places, which [`Stage::link`] fills.

use crate::nodes::collected;
use crate::stage::fetch::{Fetch, Kind};
use ballista_core::JobId;
use ballista_core::execution_plans::{ShuffleWriter, UnresolvedShuffleExec};
use ballista_scheduler::planner::{DefaultDistributedPlanner, DistributedPlanner};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning, replace_children_if_necessary};
use std::sync::Arc;

/// A part of a plan without exchanges.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Number by which later stages refer to it.
    pub id: usize,
    /// What it does.
    pub plan: Arc<dyn ExecutionPlan>,
    /// How its rows are dealt out; if not at all, each of its partitions is one of its readers'.
    pub exchange: Option<Partitioning>,
}

/// The stages of a plan, each behind those it reads; the last one gives the plan's result.
///
/// # Errors
/// If Ballista refuses the plan.
pub fn cut(plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Vec<Stage>> {
    // The planner checks what it cut with the engine's own rule, which must not add exchanges within stages.
    let mut config = config.clone();
    config.optimizer.enable_round_robin_repartition = false;
    config.optimizer.repartition_file_scans = false;
    let mut planner = DefaultDistributedPlanner::new();
    let writers = planner
        .plan_query_stages(&JobId::new("raskal".to_string()), plan, &config)
        .map_err(|error| DataFusionError::Plan(format!("the plan can't be cut into stages: {error}")))?;
    writers.iter().map(|writer| stage(writer.as_ref())).collect()
}

fn stage(writer: &dyn ShuffleWriter) -> Result<Stage> {
    let [plan] = writer.children()[..] else {
        return Err(DataFusionError::Internal(format!("stage {} does not have one plan", writer.stage_id())));
    };
    let plan = collected::unmark(plan.clone())?.transform_up(|node| Ok(bare_empty(node)))?.data;
    Ok(Stage { id: writer.stage_id(), plan, exchange: writer.shuffle_output_partitioning().cloned() })
}

/// A step that joins partitions as they come, when these are values that are there: it takes them in order.
fn gathered(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(step) = node.downcast_ref::<CoalescePartitionsExec>() else { return Ok(None) };
    match step.input().downcast_ref::<Fetch>().and_then(Fetch::gathered) {
        Some(fetch) => Ok(Some(replace_children_if_necessary(node.clone(), vec![Arc::new(fetch)])?)),
        None => Ok(None),
    }
}

/// Ballista wraps empty tables in an exchange for the sake of an older protocol.
fn bare_empty(node: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    match node.downcast_ref::<RepartitionExec>() {
        Some(exchange) if exchange.input().is::<EmptyExec>() => {
            let partitions = exchange.partitioning().partition_count();
            Transformed::yes(Arc::new(EmptyExec::new(node.schema()).with_partitions(partitions)))
        }
        _ => Transformed::no(node),
    }
}

impl Stage {
    /// Fills the places where the stage reads others. `layer` gives the layer of a stage and how its tasks are laid out.
    ///
    /// # Errors
    /// If a stage is read that `layer` does not know, or in a way that is not supported.
    pub fn link(&mut self, layer: impl Fn(usize) -> Option<(u32, Kind)>) -> Result<()> {
        let plan = self.plan.clone().transform_up(|node| {
            if let Some(gathered) = gathered(&node)? {
                return Ok(Transformed::yes(gathered));
            }
            let Some(reader) = node.downcast_ref::<UnresolvedShuffleExec>() else {
                return Ok(Transformed::no(node));
            };
            let (number, kind) = layer(reader.stage_id).filter(|_| reader.coalesce.is_none()).ok_or_else(|| {
                DataFusionError::Internal(format!(
                    "stage {} reads stage {}, which is not known",
                    self.id, reader.stage_id
                ))
            })?;
            let kind = match kind {
                Kind::Aligned if reader.broadcast => Kind::Gathered { tasks: reader.upstream_partition_count as u32 },
                Kind::Exchange { .. } if reader.broadcast => {
                    return Err(DataFusionError::Internal(format!(
                        "stage {} is dealt out and sent to all",
                        reader.stage_id
                    )));
                }
                kind => kind,
            };
            let partitioning = reader.properties().partitioning.clone();
            Ok(Transformed::yes(Arc::new(Fetch::new(number, kind, reader.schema.clone(), partitioning, vec![]))))
        })?;
        self.plan = plan.data;
        Ok(())
    }
}
