//! A frame as tasks of the common graph.
//!
//! Start at [`lower_query`]: the whole plan as one native task, which streams on all cores of this machine. Where
//! partitions must be addressable, [`lower_partitions`] makes one task per partition instead.

use crate::run::{self, Queries};
use crate::{Frame, FrameError};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionContext;
use raskal_graph::{Layer, LayerId};
use raskal_runtime::{Call, EncodedFunction, Failure, Function, ProgramBuilder};
use raskal_store::Value;
use raskal_types::{ErrorKind, SlotClass};
use std::sync::{Arc, OnceLock};

/// Adds the frame as one task that runs the whole query and gives its rows.
///
/// # Errors
/// If the engine refuses the plan.
pub fn lower_query(frame: &Frame, builder: &mut ProgramBuilder) -> Result<LayerId, Failure> {
    let layer = Layer::new(format!("frame.query-{}", frame.token()?), vec![1]).class(SlotClass::Native);
    builder.add(layer, Arc::new(Query { plan: frame.plan()?, queries: Queries::default() }))
}

/// Adds the frame as one task per partition.
///
/// # Errors
/// If the engine refuses the plan.
pub fn lower_partitions(frame: &Frame, builder: &mut ProgramBuilder) -> Result<LayerId, Failure> {
    if frame.partitions() == 1 {
        return lower_query(frame, builder);
    }
    let prefix = format!("frame.partition-{}", frame.token()?);
    let layer = Layer::new(prefix, vec![frame.partitions() as u32]).class(SlotClass::Native);
    let plan = frame.plan()?;
    let (partitions, planned, queries) = (frame.partitions(), OnceLock::new(), Queries::default());
    builder.add(layer, Arc::new(Partitions { plan, partitions, planned, queries }))
}

/// Why a function of this module does not travel: clusters get a plan's stages.
fn encode_refused(what: &str) -> Failure {
    Failure::internal(format!("{what} runs in this process; a cluster is given the plan's stages"))
}

/// The function of one task that runs a whole query.
struct Query {
    plan: LogicalPlan,
    queries: Queries,
}

impl Function for Query {
    fn run(&self, _call: Call<'_>) -> Result<Value, Failure> {
        Ok(run::execute(&self.plan, &self.queries)?.into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(encode_refused("a whole query"))
    }

    fn describe(&self) -> String {
        "frame.query".into()
    }

    fn interrupt(&self) {
        self.queries.interrupt();
    }
}

/// A physical plan and what it runs in.
type Planned = (Arc<dyn ExecutionPlan>, SessionContext);

/// The function of tasks that run one partition each.
struct Partitions {
    plan: LogicalPlan,
    partitions: usize,
    /// Planned by the first task that runs. Steps of row-wise plans keep no state between partitions.
    planned: OnceLock<Result<Planned, FrameError>>,
    queries: Queries,
}

impl Function for Partitions {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let plan = || run::physical(&self.plan, false).map(|planned| (planned.steps, planned.context));
        let planned = self.planned.get_or_init(plan);
        let (plan, context) = planned.as_ref().map_err(|error| Failure::from(error.clone()))?;
        let count = plan.output_partitioning().partition_count();
        if count != self.partitions {
            let wanted = self.partitions;
            return Err(Failure::internal(format!("a plan of {wanted} partitions gives {count} streams")));
        }
        Ok(run::execute_partition(plan, context, call.index as usize, &self.queries)?.into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(encode_refused("a partition of a local query"))
    }

    fn describe(&self) -> String {
        "frame.partition".into()
    }

    fn interrupt(&self) {
        self.queries.interrupt();
    }
}

/// A task's value as rows.
///
/// # Errors
/// If it is something else.
pub fn rows(value: &Value) -> Result<Arc<raskal_store::Batches>, Failure> {
    value.as_batches().map_err(|error| Failure::new(ErrorKind::Type, error.to_string()))
}
