//! Plans, lowers and runs queries: once as the engine does alone, once task by task.

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::config::ConfigOptions;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use raskal_frame::stage::{self, StageOptions};
use raskal_frame::tasks::TaskInputs;
use raskal_graph::LayerId;
use raskal_runtime::{Call, Failure, Function, FunctionRegistry, Program, ProgramBuilder};
use raskal_store::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// How joins are to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    /// As Ballista decides from sizes.
    AsPlanned,
    /// Never send one side to all: deal out both.
    DealtOut,
    /// No build side fits into memory.
    SortMerge,
}

/// Threads for planning; tests are not asynchronous because tasks block on the engine's own threads.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A context whose plans can be cut.
pub(crate) fn context(partitions: usize, joins: Joins) -> SessionContext {
    let mut config = stage::configure(SessionConfig::new().with_target_partitions(partitions));
    if joins != Joins::AsPlanned {
        let mut ballista = ballista_core::config::BallistaConfig::default();
        datafusion::config::ExtensionOptions::set(&mut ballista, "optimizer.broadcast_join_threshold_bytes", "0")
            .unwrap();
        config = config.with_option_extension(ballista);
        let optimizer = &mut config.options_mut().optimizer;
        optimizer.hash_join_single_partition_threshold = 0;
        optimizer.hash_join_single_partition_threshold_rows = 0;
    }
    SessionContext::new_with_config(config)
}

/// The physical plan of a query.
pub(crate) fn plan(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    block_on(async { context.sql(sql).await.unwrap().create_physical_plan().await.unwrap() })
}

/// The answer of the engine alone.
pub(crate) fn collect(context: &SessionContext, sql: &str) -> Vec<String> {
    rows(&block_on(async { context.sql(sql).await.unwrap().collect().await.unwrap() }))
}

/// The program of a query, and the layer of its result.
pub(crate) fn lowered(context: &SessionContext, sql: &str, joins: Joins) -> Result<(Program, LayerId), Failure> {
    let config: ConfigOptions = context.copied_config().options().as_ref().clone();
    let mut options = StageOptions::new(config);
    if joins == Joins::SortMerge {
        options.hash_join_bytes_max = 0;
    }
    let mut builder = ProgramBuilder::new();
    let layer = stage::lower(plan(context, sql), &options, &TaskInputs::new(), &mut builder)?;
    let wanted = builder.graph().tasks(layer).collect();
    Ok((builder.finish(wanted), layer))
}

/// A program that is run task by task.
pub(crate) struct Runner {
    /// The program.
    pub program: Program,
    functions: Vec<Arc<dyn Function>>,
    values: HashMap<u32, Value>,
}

impl Runner {
    /// Functions as a worker decodes them; layers of values keep theirs.
    pub(crate) fn new(program: Program) -> Runner {
        let mut registry = FunctionRegistry::new();
        stage::register(&mut registry);
        let decoded = |function: &Arc<dyn Function>| {
            let encoded = function.encode().unwrap();
            if encoded.codec == "values" {
                function.clone()
            } else {
                registry.decode(encoded.codec, &encoded.shared).unwrap()
            }
        };
        let functions = program.functions.iter().map(decoded).collect();
        Runner { program, functions, values: HashMap::new() }
    }

    /// What each layer's function says of itself.
    pub(crate) fn describe(&self) -> Vec<String> {
        self.functions.iter().map(|function| function.describe()).collect()
    }

    /// Runs one task whose inputs are there.
    pub(crate) fn attempt(&self, task: u32) -> Result<Value, Failure> {
        let graph = &self.program.graph;
        let mut inputs = Vec::new();
        graph.predecessors(task, &mut inputs);
        let inputs = inputs.iter().map(|input| self.values[input].clone()).collect();
        let (layer, index) = graph.locate(task);
        let shape = &graph.layer(layer).shape;
        let value = self.functions[layer.0 as usize].run(Call { index, shape, inputs, payload: &[] })?;
        // What a consumer on another worker would get.
        Ok(Value::from_frames(&value.to_frames()?)?)
    }

    /// Runs everything that the wanted tasks need; their batches, in order.
    pub(crate) fn run(&mut self) -> Result<Vec<RecordBatch>, Failure> {
        for task in raskal_graph::order(&self.program.graph, &self.program.wanted) {
            let value = self.attempt(task)?;
            self.values.insert(task, value);
        }
        let mut batches = Vec::new();
        for task in &self.program.wanted {
            batches.extend(self.values[task].as_batches()?.batches.iter().cloned());
        }
        Ok(batches)
    }
}

/// Rows as text, in order.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")),
        );
    }
    rows
}

/// The answer of the cut plan.
pub(crate) fn answer(context: &SessionContext, sql: &str, joins: Joins) -> Vec<String> {
    let (program, _) = lowered(context, sql, joins).unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows(&Runner::new(program).run().unwrap_or_else(|error| panic!("{sql}: {error}")))
}
