//! Makes the layers of a plan's stages.
//!
//! Start at [`lower_frame`], or [`lower`] for any plan of the engine. Edges are read off [`demands`]: what a task is given is, by construction, what it reads.

use crate::nodes::map::MapExec;
use crate::stage::configure;
use crate::stage::cut::{Stage, cut};
use crate::stage::demand::demands;
use crate::stage::exchange::Split;
use crate::stage::fetch::{Fetch, Kind};
use crate::stage::function::{StageFunction, failure};
use crate::stage::map::MapFunction;
use crate::stage::prepare::{Layers, prepare};
use crate::tasks::{TaskInputs, TaskSource};
use crate::{Frame, run, session};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use raskal_graph::{Axis, Csr, Edge, EdgeMap, Layer, LayerId, Token};
use raskal_runtime::{Failure, ProgramBuilder};
use raskal_store::{Batches, Value};
use raskal_types::SlotClass;
use std::collections::HashMap;
use std::sync::Arc;

/// How a plan is cut and run.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// The settings that the plan was made with ([`crate::stage::configure`]).
    pub config: ConfigOptions,
    /// Largest build side of a hash join in one task, in bytes; beyond it a sort-merge join is used, which spills.
    pub hash_join_bytes_max: usize,
}

impl StageOptions {
    /// The default options under these settings.
    pub fn new(config: ConfigOptions) -> StageOptions {
        StageOptions { config, hash_join_bytes_max: 512 << 20 }
    }
}

/// Adds the layers of a physical plan's stages to a program. The layer given back has one task per partition of the
/// plan's result, in order; each gives record batches. `inputs` are the tasks of tables that tasks make.
///
/// # Errors
/// If the plan has a step that can't be cut or sent to a worker; the message names it and says what to do.
pub fn lower(
    plan: Arc<dyn ExecutionPlan>,
    options: &StageOptions,
    inputs: &TaskInputs,
    builder: &mut ProgramBuilder,
) -> Result<LayerId, Failure> {
    let mut lowering = Lowering { options, inputs, builder };
    let plan = prepare(plan, options, &mut lowering).map_err(failure)?;
    lowering.stages(plan)
}

/// Adds the layers of a frame's stages to a program: one task per partition of the frame, in order. `partitions` is how
/// many parts exchanges have; a few per slot of the cluster.
///
/// # Errors
/// As [`lower`].
pub fn lower_frame(
    frame: &Frame,
    partitions: usize,
    inputs: &TaskInputs,
    builder: &mut ProgramBuilder,
) -> Result<LayerId, Failure> {
    let planned =
        run::plan_under(&frame.plan()?, false, move |scan, joins| configure(session::config(scan, joins, partitions)))?;
    let options = StageOptions::new(planned.context.copied_config().options().as_ref().clone());
    let plan = planned.steps;
    let schema = plan.schema();
    let layer = lower(plan, &options, inputs, builder)?;
    let got = builder.graph().layer(layer).len() as u32;
    match (frame.partitions() as u32, got) {
        (wanted, got) if wanted == got => Ok(layer),
        // Rows that are made by an exchange but count as one partition.
        (1, _) => {
            let all =
                Fetch::new(layer.0, Kind::Aligned, schema, Partitioning::UnknownPartitioning(got as usize), vec![]);
            let plan: Option<Arc<dyn ExecutionPlan>> = all.gathered().map(|fetch| Arc::new(fetch) as _);
            let plan = plan.ok_or_else(|| Failure::internal("values of tasks can't be gathered"))?;
            Ok(add_stage(builder, Stage { id: 0, plan, exchange: None }, &options.config)?.0)
        }
        (wanted, got) => Err(Failure::internal(format!("a frame of {wanted} partitions has {got} after it was cut"))),
    }
}

/// A plan on its way into a program.
struct Lowering<'a> {
    options: &'a StageOptions,
    inputs: &'a TaskInputs,
    builder: &'a mut ProgramBuilder,
}

impl Lowering<'_> {
    /// Adds the layers of a prepared plan.
    fn stages(&mut self, plan: Arc<dyn ExecutionPlan>) -> Result<LayerId, Failure> {
        let mut layers: HashMap<usize, (u32, Kind)> = HashMap::new();
        let mut last = None;
        for mut stage in cut(plan, &self.options.config).map_err(failure)? {
            stage.link(|id| layers.get(&id).copied()).map_err(failure)?;
            let (layer, kind) = add_stage(self.builder, stage.clone(), &self.options.config)?;
            layers.insert(stage.id, (layer.0, kind));
            last = Some(layer);
        }
        last.ok_or_else(|| Failure::internal("a plan without stages"))
    }
}

impl Layers for Lowering<'_> {
    fn values(&mut self, partitions: Vec<Batches>) -> Result<u32> {
        let values: Vec<Value> = partitions.into_iter().map(Value::from).collect();
        let mut parts = Vec::new();
        for value in &values {
            let frames = value.to_frames().map_err(|error| external(error.into()))?;
            parts.push(Token::of(&frames.buffers).to_string());
        }
        let prefix = format!("memory-{}", Token::of(&parts));
        Ok(self.builder.add_values(&prefix, vec![values.len() as u32], values).map_err(external)?.0)
    }

    fn tasks(&mut self, source: &TaskSource) -> Result<u32> {
        let token = source.token();
        let tasks = self.inputs.get(&token);
        let tasks =
            tasks.ok_or_else(|| DataFusionError::Internal(format!("the tasks of table {token} are not known")))?;
        Ok(self.builder.layer_of(&format!("tasks-{token}"), tasks).map_err(external)?.0)
    }

    fn map(&mut self, step: &MapExec) -> Result<u32> {
        let [input] = step.children()[..] else {
            return Err(DataFusionError::Internal("a map of partitions without input".into()));
        };
        let partitions = input.output_partitioning().partition_count() as u32;
        let source = self.stages(input.clone()).map_err(external)?;
        let function = MapFunction::new(step);
        let content = [function.content()?, self.builder.graph().layer(source).prefix.clone().into_bytes()];
        // Python tasks, which is what a layer is unless it says otherwise.
        let layer = Layer::new(format!("map-{}", Token::of(content)), vec![partitions]);
        let layer = layer.edge(Edge::new(source, EdgeMap::OneToOne));
        Ok(self.builder.add(layer, Arc::new(function)).map_err(external)?.0)
    }
}

fn external(failure: Failure) -> DataFusionError {
    DataFusionError::External(Box::new(failure))
}

/// The layers of a stage, and how readers find their partitions in the last of them.
fn add_stage(builder: &mut ProgramBuilder, stage: Stage, config: &ConfigOptions) -> Result<(LayerId, Kind), Failure> {
    if let (Some(fetch), None) = (stage.plan.downcast_ref::<Fetch>(), &stage.exchange)
        && fetch.kind() == Kind::Aligned
    {
        // A stage that only hands on what it reads (a table in memory under a union) needs no tasks.
        return Ok((LayerId(fetch.layer()), Kind::Aligned));
    }
    let (stage, edges) = with_edges(stage).map_err(failure)?;
    let partitions = stage.plan.output_partitioning().partition_count() as u32;
    let function = StageFunction::new(&stage, config).map_err(failure)?;
    let mut content = vec![function.content()];
    for edge in &edges {
        content.push(builder.graph().layer(edge.source).prefix.clone().into_bytes());
    }
    let token = Token::of(content);
    let layer = Layer {
        edges,
        ..Layer::new(format!("{}-{token}", name(&stage.plan)), vec![partitions]).class(function.class())
    };
    let layer = builder.add(layer, Arc::new(function))?;
    let Some(exchange) = stage.exchange else { return Ok((layer, Kind::Aligned)) };
    // Consumers depend on their part alone, not on the whole of what every producer made.
    let shape = vec![partitions, exchange.partition_count() as u32];
    let split = Layer::new(format!("split-{token}"), shape)
        .class(SlotClass::Native)
        .edge(Edge::new(layer, EdgeMap::BlockMap { axes: vec![Axis::Same(0)] }));
    let split = builder.add(split, Arc::new(Split))?;
    Ok((split, Kind::Exchange { producers: partitions }))
}

/// The stage with its leaves numbered by edge, and an edge for each of them.
fn with_edges(mut stage: Stage) -> Result<(Stage, Vec<Edge>)> {
    let partitions = stage.plan.output_partitioning().partition_count();
    let wanted = (0..partitions).map(|at| demands(&stage.plan, at)).collect::<Result<Vec<_>>>()?;
    let mut leaves = Vec::new();
    stage.plan.apply(|node| {
        if node.children().is_empty() {
            leaves.push(node.downcast_ref::<Fetch>().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut edges = Vec::new();
    for (leaf, fetch) in leaves.iter().enumerate() {
        if let Some(fetch) = fetch {
            let rows = wanted.iter().map(|demands| fetch.kind().tasks(&demands[leaf], fetch.partitions())).collect();
            edges.push(Edge::new(LayerId(fetch.layer()), edge_map(fetch, rows)));
        }
    }
    // Plan bytes must not depend on what else is in the program: leaves are numbered within the stage.
    let mut next = 0;
    let renumbered = stage.plan.transform_down(|node| {
        let Some(fetch) = node.downcast_ref::<Fetch>() else { return Ok(Transformed::no(node)) };
        next += 1;
        Ok(Transformed::yes(Arc::new(fetch.with_layer(next - 1)) as Arc<dyn ExecutionPlan>))
    })?;
    stage.plan = renumbered.data;
    Ok((stage, edges))
}

/// The shortest formula for what each task reads of a layer.
fn edge_map(fetch: &Fetch, rows: Vec<Vec<u32>>) -> EdgeMap {
    let count = fetch.partitions();
    let all = fetch.kind().tasks(&(0..count).collect::<Vec<_>>(), count);
    if rows.iter().all(|row| *row == all) {
        return EdgeMap::All;
    }
    let own = |(at, row): (usize, &Vec<u32>)| *row == fetch.kind().tasks(&[at], count);
    if rows.len() == count && rows.iter().enumerate().all(own) {
        match fetch.kind() {
            Kind::Aligned => return EdgeMap::OneToOne,
            Kind::Exchange { .. } => return EdgeMap::BlockMap { axes: vec![Axis::Every, Axis::Same(0)] },
            Kind::Gathered { .. } => {}
        }
    }
    EdgeMap::Explicit(Csr::from_rows(rows.iter().map(Vec::as_slice)))
}

/// What a stage is called in keys: its most telling step.
fn name(plan: &Arc<dyn ExecutionPlan>) -> &'static str {
    const NAMES: [(&str, &str); 8] = [
        ("Join", "join"),
        ("Aggregate", "aggregate"),
        ("Window", "window"),
        ("Sort", "sort"),
        ("Union", "union"),
        ("Filter", "filter"),
        ("DataSource", "read"),
        ("Source", "read"),
    ];
    let mut best = NAMES.len();
    let _ = plan.apply(|node| {
        let found = NAMES.iter().position(|(part, _)| node.name().contains(part));
        best = best.min(found.unwrap_or(best));
        Ok(TreeNodeRecursion::Continue)
    });
    NAMES.get(best).map_or("stage", |name| name.1)
}
