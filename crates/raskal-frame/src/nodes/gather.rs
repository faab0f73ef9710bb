//! The partitions of a plan one after the other, as one.
//!
//! [`GatherExec`] takes the place of the engine's step that joins partitions as they come, where the order of rows
//! counts: among the rows of a join's build side that have the same key. All partitions run at once; what comes before
//! its turn waits in memory, as the build side would hold it anyway.

use crate::session::FrameOptions;
use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    replace_children_if_necessary,
};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Gives the partitions of its input in order, as one.
#[derive(Debug)]
pub struct GatherExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl GatherExec {
    /// The partitions of `input` as one.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> GatherExec {
        let properties = input.properties().as_ref().clone().with_partitioning(Partitioning::UnknownPartitioning(1));
        GatherExec { input, properties: Arc::new(properties) }
    }

    fn over(&self, input: Arc<dyn ExecutionPlan>) -> GatherExec {
        GatherExec::new(input)
    }
}

impl DisplayAs for GatherExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatherExec: partitions={}", self.input.output_partitioning().partition_count())
    }
}

impl ExecutionPlan for GatherExec {
    one_input!("GatherExec");

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut turns = Vec::new();
        for partition in 0..self.input.output_partitioning().partition_count() {
            let mut rows = self.input.execute(partition, context.clone())?;
            let (send, receive) = unbounded_channel();
            let running = SpawnedTask::spawn(async move {
                while let Some(batch) = rows.next().await {
                    if send.send(batch).is_err() {
                        return;
                    }
                }
            });
            turns.push((receive, running));
        }
        let rows = futures::stream::iter(turns).flat_map(|turn| futures::stream::unfold(Some(turn), next));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// A partition that runs, and what it gave so far.
type Turn = (UnboundedReceiver<Result<RecordBatch>>, SpawnedTask<()>);

async fn next(turn: Option<Turn>) -> Option<(Result<RecordBatch>, Option<Turn>)> {
    let (mut receive, running) = turn?;
    match receive.recv().await {
        Some(batch) => Some((batch, Some((receive, running)))),
        // A task that panicked ends its rows early: that must not look like their end.
        None => running.join().await.err().map(|panicked| {
            (Err(DataFusionError::Execution(format!("a partition's query panicked: {panicked}"))), None)
        }),
    }
}

/// Puts a [`GatherExec`] under each join that collects its build side, in place of what takes partitions as they come.
#[derive(Debug)]
pub struct GatherBuildSides;

impl PhysicalOptimizerRule for GatherBuildSides {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // Where the order does not count there is none to keep; stages gather in order anyway.
        if config.extensions.get::<FrameOptions>().is_none_or(|options| options.joins || options.staged) {
            return Ok(plan);
        }
        let gathered = plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            let build = join.left().downcast_ref::<CoalescePartitionsExec>();
            match (join.partition_mode(), build) {
                (PartitionMode::CollectLeft, Some(coalesce)) => {
                    let build: Arc<dyn ExecutionPlan> = Arc::new(GatherExec::new(coalesce.input().clone()));
                    let children = vec![build, join.right().clone()];
                    Ok(Transformed::yes(replace_children_if_necessary(node, children)?))
                }
                _ => Ok(Transformed::no(node)),
            }
        });
        gathered.data()
    }

    fn name(&self) -> &str {
        "gather_build_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
