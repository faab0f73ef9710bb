//! The function of a stage's tasks: one partition of a plan.
//!
//! Start at [`StageFunction`]. Every attempt of a task decodes the plan afresh, because plan nodes carry state of a run
//! (metrics, collected join sides), on the client's machine as on a worker.

use crate::nodes::own;
use crate::session::{self, Scan};
use crate::stage::exchange::Writer;
use crate::stage::{codec, restrict};
use crate::udf::MapColumns;
use crate::{FrameError, run};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ByteViewType, DataType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bitcode::{Decode, Encode};
use bytes::Bytes;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Batches, Value};
use raskal_types::{ErrorKind, SlotClass};
use std::sync::{Arc, LazyLock};

/// Name of the decoder of [`StageFunction`].
pub const CODEC: &str = "frame.stage";

/// One stage of a plan; the task `(partition)` runs one of its partitions.
#[derive(Clone, Debug, Encode, Decode)]
pub struct StageFunction {
    /// The plan; an exchange at its root says how the rows of a partition are dealt out.
    plan: Vec<u8>,
    /// Whether there is an exchange at the root.
    exchange: bool,
    /// Number of partitions, as the client counted them.
    partitions: u32,
    /// Whether it calls a function of the host language within an expression.
    python: bool,
    /// Settings of execution that differ from the engine's defaults.
    settings: Vec<(String, String)>,
    /// One line for people.
    description: String,
}

impl StageFunction {
    /// The function of a stage.
    ///
    /// # Errors
    /// If a step of the plan can't be sent to a worker.
    pub fn new(stage: &crate::stage::cut::Stage, config: &ConfigOptions) -> Result<StageFunction> {
        let partitions = stage.plan.output_partitioning().partition_count() as u32;
        let (plan, exchange) = match &stage.exchange {
            Some(exchange) => {
                (Arc::new(RepartitionExec::try_new(stage.plan.clone(), exchange.clone())?) as Arc<_>, true)
            }
            None => (stage.plan.clone(), false),
        };
        Ok(StageFunction {
            python: calls_python(&plan)?,
            description: steps(&plan).join(" < "),
            plan: codec::encode(plan)?.to_vec(),
            exchange,
            partitions,
            settings: settings(config),
        })
    }

    /// Which slots run it.
    pub fn class(&self) -> SlotClass {
        if self.python { SlotClass::Python } else { SlotClass::Native }
    }

    /// What the result of a task depends on beside its inputs.
    pub fn content(&self) -> Vec<u8> {
        bitcode::encode(self)
    }

    fn context(&self) -> Result<TaskContext> {
        static BASE: LazyLock<SessionContext> = LazyLock::new(|| session::context(Scan::Addressed, false));
        let base = BASE.task_ctx();
        let mut config = SessionConfig::new();
        for (key, value) in &self.settings {
            config.options_mut().set(key, value)?;
        }
        Ok(TaskContext::new(
            None,
            base.session_id(),
            config,
            base.scalar_functions().clone(),
            base.higher_order_functions().clone(),
            base.aggregate_functions().clone(),
            base.window_functions().clone(),
            base.runtime_env(),
        ))
    }

    async fn task(&self, partition: u32, inputs: Vec<Arc<Batches>>) -> Result<Batches> {
        let context = Arc::new(self.context()?);
        let mut plan = codec::decode(&self.plan, &context)?;
        let mut exchange = None;
        if self.exchange {
            let root = plan.downcast_ref::<RepartitionExec>();
            let root = root.ok_or_else(|| DataFusionError::Internal(format!("no exchange above {}", plan.name())))?;
            exchange = Some(root.partitioning().clone());
            plan = root.input().clone();
        }
        let partitions = plan.output_partitioning().partition_count();
        if partitions != self.partitions as usize {
            return Err(DataFusionError::Internal(format!(
                "a stage of {} partitions has {partitions} after its journey",
                self.partitions
            )));
        }
        let plan = own::own_rows(restrict::restrict(plan, partition as usize, inputs)?)?;
        let schema = plan.schema();
        let batch_rows = context.session_config().batch_size();
        let mut rows = plan.execute(partition as usize, context)?;
        match exchange {
            Some(exchange) => {
                let mut writer = Writer::new(schema, &exchange, batch_rows)?;
                while let Some(batch) = rows.try_next().await? {
                    writer.push(batch)?;
                }
                writer.finish()
            }
            None => {
                let batches = rows.map_ok(compact).try_collect().await?;
                Ok(Batches { schema, batches })
            }
        }
    }
}

impl Function for StageFunction {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let inputs = call.inputs.iter().map(Value::as_batches).collect::<Result<Vec<_>, _>>()?;
        drop(call.inputs);
        let (own, partition) = (self.clone(), call.index);
        let task = async move { own.task(partition, inputs).await };
        let rows = if self.python {
            // On this thread, which holds the language's lock: on the engine's threads it would be waited for, for ever.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let refused =
                |why| Failure::new(ErrorKind::Io, format!("the operating system refuses a task's runtime: {why}"));
            runtime.map_err(refused)?.block_on(task)
        } else {
            run::block_on(&run::Queries::default(), async move { Ok(task.await) })?
        };
        Ok(rows.map_err(failure)?.into())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: CODEC, shared: bitcode::encode(self).into(), tasks: None })
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

/// Reads a [`StageFunction`].
///
/// # Errors
/// If the bytes are not one.
pub fn decode(shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let function: StageFunction =
        bitcode::decode(shared).map_err(|error| Failure::internal(format!("a stage can't be read: {error}")))?;
    Ok(Arc::new(function))
}

/// Names of a plan's steps, from the result down its first branch.
fn steps(plan: &Arc<dyn ExecutionPlan>) -> Vec<&str> {
    let mut steps = vec![plan.name()];
    if let Some(first) = plan.children().first() {
        steps.extend(self::steps(first));
    }
    steps
}

/// Settings that decide how a task runs, where they are not the engine's defaults.
fn settings(config: &ConfigOptions) -> Vec<(String, String)> {
    let defaults: std::collections::HashMap<String, Option<String>> =
        ConfigOptions::new().entries().into_iter().map(|entry| (entry.key, entry.value)).collect();
    let own = config.entries().into_iter().filter(|entry| {
        entry.key.starts_with("datafusion.execution.")
            && !entry.key.ends_with(".target_partitions")
            && defaults.get(&entry.key) != Some(&entry.value)
    });
    let mut own: Vec<_> = own.filter_map(|entry| Some((entry.key, entry.value?))).collect();
    own.sort();
    own
}

/// A batch whose string views don't keep much more alive than they show: a value must not be larger than its rows.
fn compact(batch: RecordBatch) -> RecordBatch {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(compact_column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap_or(batch)
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => compact_views::<arrow::datatypes::StringViewType>(column),
        DataType::BinaryView => compact_views::<arrow::datatypes::BinaryViewType>(column),
        _ => column.clone(),
    }
}

fn compact_views<T: ByteViewType>(column: &ArrayRef) -> ArrayRef {
    let views = column.as_byte_view::<T>();
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    if held > 2 * views.total_buffer_bytes_used() + 4096 { Arc::new(views.gc()) } else { column.clone() }
}

/// Whether a stage calls a function of the host language within an expression.
fn calls_python(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|step| {
        let mut found = false;
        step.apply_expressions(&mut |expression| {
            found |= expression.exists(|part| {
                let function = part.downcast_ref::<ScalarFunctionExpr>();
                Ok(function.is_some_and(|function| function.fun().inner().downcast_ref::<MapColumns>().is_some()))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(found)
    })
}

/// What an error of the engine means to a user.
pub fn failure(error: DataFusionError) -> Failure {
    match error.find_root() {
        DataFusionError::Internal(why) => return Failure::internal(why),
        DataFusionError::External(inner) => {
            if let Some(failure) = inner.downcast_ref::<Failure>() {
                return failure.clone();
            }
        }
        _ => {}
    }
    FrameError::from_engine(&error).into()
}
