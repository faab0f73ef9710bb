//! Runs a plan as one streaming query on all cores.
//!
//! Start at [`execute`]. Streams that the plan ends in are collected each for itself and joined in order, so that rows
//! keep theirs.

use crate::nodes::sees_partitions;
use crate::session::{self, Scan, engine};
use crate::{FrameError, Result, row_order};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect_partitioned, common};
use datafusion::prelude::{SessionConfig, SessionContext};
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

/// How the leaves of an optimised plan may be cut, and whether its joins are free to choose their sides. `whole`: whether
/// its rows are wanted as a whole, rather than partition by partition.
pub fn freedom(plan: &LogicalPlan, whole: bool) -> (Scan, bool) {
    let counts = row_order::counts(plan, true);
    let scan = match (sees_partitions(plan), counts.scans) {
        (false, false) => Scan::Free,
        (false, true) if whole => Scan::Ordered,
        _ => Scan::Addressed,
    };
    (scan, !counts.joins)
}

/// A plan on its way to the steps that run.
pub struct Planned {
    /// As the optimiser left it.
    pub optimised: LogicalPlan,
    /// The steps.
    pub steps: Arc<dyn ExecutionPlan>,
    /// What they run in.
    pub context: SessionContext,
}

/// Plans under the settings that `configure` makes of how leaves may be cut and whether joins are free.
///
/// # Errors
/// If the engine refuses the plan.
pub fn plan_under(
    plan: &LogicalPlan,
    whole: bool,
    configure: impl Fn(Scan, bool) -> SessionConfig + Send + 'static,
) -> Result<Planned> {
    let plan = row_order::forget(plan.clone(), true)?;
    block_on(&Queries::default(), async move {
        // The optimiser's rules do not depend on how leaves are cut, but how they may be cut depends on what is left.
        let optimised = session::context_with(configure(Scan::Free, true)).state().optimize(&plan)?;
        let (scan, joins) = freedom(&optimised, whole);
        let context = session::context_with(configure(scan, joins));
        let state = context.state();
        let steps = state.query_planner().create_physical_plan(&optimised, &state).await?;
        Ok(Planned { optimised, steps, context })
    })
}

/// The plan's steps as they run here. `whole`: as in [`freedom`].
///
/// # Errors
/// If the engine refuses the plan.
pub fn physical(plan: &LogicalPlan, whole: bool) -> Result<Planned> {
    plan_under(plan, whole, |scan, joins| session::config(scan, joins, engine().cores()))
}

/// The plan's steps such that none of them holds what it can't spill: for a query that has run out of memory.
///
/// # Errors
/// If the engine refuses the plan.
pub fn physical_spilling(plan: &LogicalPlan) -> Result<Planned> {
    let plan = row_order::placed(row_order::forget(plan.clone(), true)?, true)?;
    plan_under(&plan, true, |scan, joins| session::spilling(session::config(scan, joins, engine().cores())))
}

/// Runs the plan and gives its rows in order. If a step turns out to be larger than the sizes of tables let expect, and
/// there is no memory for it, the query runs once more with steps that spill: slower, but no join holds a side then.
///
/// # Errors
/// Whatever a step fails with; [`FrameError::Cancelled`] after [`Queries::interrupt`].
pub fn execute(plan: &LogicalPlan, queries: &Queries) -> Result<Batches> {
    match collect(physical(plan, true)?, queries) {
        Err(FrameError::Memory(_)) if spills_otherwise(plan) => collect(physical_spilling(plan)?, queries),
        result => result,
    }
}

/// Whether a plan has a step that may be made in a way that spills.
fn spills_otherwise(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(_) | LogicalPlan::Window(_)) || plan.inputs().into_iter().any(spills_otherwise)
}

fn collect(planned: Planned, queries: &Queries) -> Result<Batches> {
    let Planned { steps: plan, context, .. } = planned;
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
    let (schema, plan, tasks) = (plan.schema(), plan.clone(), context.task_ctx());
    // Steps may start tasks as soon as they are asked for their rows.
    let batches = block_on(queries, async move { Ok(common::collect(plan.execute(partition, tasks)?).await?) })?;
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
