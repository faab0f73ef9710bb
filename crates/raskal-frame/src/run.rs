//! Runs a plan as one streaming query on all cores.
//!
//! Start at [`execute`]. Streams that the plan ends in are collected each for itself and joined in order, so that rows
//! keep theirs.

use crate::nodes::sees_partitions;
use crate::session::{self, Scan, engine};
use crate::{FrameError, Result};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect_partitioned, common};
use datafusion::prelude::SessionContext;
use parking_lot::Mutex;
use raskal_store::Batches;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The queries that run for one function of a layer, so that they can be stopped.
#[derive(Default)]
pub struct Queries {
    running: Mutex<Vec<AbortHandle>>,
}

impl Queries {
    /// Stops the queries; their callers get [`FrameError::Cancelled`].
    pub fn interrupt(&self) {
        self.running.lock().drain(..).for_each(|query| query.abort());
    }
}

/// How the leaves of a plan may be cut: freely if nothing in it depends on the order of rows or on partitions.
pub fn scan_for(plan: &LogicalPlan) -> Scan {
    if aggregates(plan) && !sees_partitions(plan) { Scan::Free } else { Scan::Addressed }
}

/// Whether the rows of a plan are made by an aggregate, in whatever order its input comes.
fn aggregates(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(_) => true,
        other => matches!(other.inputs().as_slice(), [one] if aggregates(one)),
    }
}

/// The plan's steps as they run, and the context they run in.
///
/// # Errors
/// If the engine refuses the plan.
pub fn physical(plan: &LogicalPlan) -> Result<(Arc<dyn ExecutionPlan>, SessionContext)> {
    let context = session::context(scan_for(plan));
    let state = context.state();
    let plan = plan.clone();
    let planned =
        block_on(
            &Queries::default(),
            async move { state.create_physical_plan(&plan).await.map_err(FrameError::from) },
        )?;
    Ok((planned, context))
}

/// Runs the plan and gives its rows in order.
///
/// # Errors
/// Whatever a step fails with; [`FrameError::Cancelled`] after [`Queries::interrupt`].
pub fn execute(plan: &LogicalPlan, queries: &Queries) -> Result<Batches> {
    let (plan, context) = physical(plan)?;
    let schema = plan.schema();
    let batches = block_on(queries, async move {
        let parts = collect_partitioned(plan, context.task_ctx()).await?;
        Ok(parts.into_iter().flatten().collect::<Vec<RecordBatch>>())
    })?;
    Ok(Batches { schema, batches })
}

/// Runs one output partition of a planned query.
///
/// # Errors
/// As [`execute`].
pub fn execute_partition(
    plan: &Arc<dyn ExecutionPlan>,
    context: &SessionContext,
    partition: usize,
    queries: &Queries,
) -> Result<Batches> {
    let count = plan.output_partitioning().partition_count();
    if partition >= count {
        return Err(FrameError::Engine(format!("partition {partition} of a plan with {count} partitions")));
    }
    let (schema, stream) = (plan.schema(), plan.execute(partition, context.task_ctx())?);
    let batches = block_on(queries, async move { Ok(common::collect(stream).await?) })?;
    Ok(Batches { schema, batches })
}

/// Waits for a query's future, which runs on the engine's threads. For threads that are not the engine's own.
pub(crate) fn block_on<T: Send + 'static>(
    queries: &Queries,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let handle = engine().runtime().spawn(future);
    let own = handle.abort_handle();
    queries.running.lock().push(handle.abort_handle());
    let (send, receive) = std::sync::mpsc::sync_channel(1);
    // A plain channel, not the runtime's own block_on: that panics on threads that belong to another runtime.
    engine().runtime().spawn(async move {
        let _ = send.send(handle.await);
    });
    let answer = receive.recv();
    queries.running.lock().retain(|query| query.id() != own.id());
    match answer {
        Ok(Ok(result)) => result,
        Ok(Err(error)) if error.is_cancelled() => Err(FrameError::Cancelled),
        Ok(Err(error)) => Err(FrameError::Engine(format!("a query panicked: {error}"))),
        Err(_) => Err(FrameError::Cancelled),
    }
}
