//! From an expression to layers of tasks.
//!
//! Start at [`Plan::of`]: elementwise chains, views and the first step of a reduction become one fused kernel each
//! ([`fuse`]); what remains is one [`Step`] per operation ([`lower`]). [`explain`] writes a plan for readers. Nothing is run
//! and no task exists until [`Plan::add_to`] adds the steps to a builder.

pub mod explain;
mod fuse;
mod lower;
mod peak;
mod pieces;
mod reduction;
mod share;

use crate::expr::Expr;
use crate::host::{HostLayout, Source};
use raskal_graph::{Edge, EdgeMap, Layer, LayerId};
use raskal_runtime::{Failure, Function, ProgramBuilder};
use raskal_types::SlotClass;
use std::sync::Arc;

/// The layers that compute an expression.
pub struct Plan {
    /// In dependency order.
    pub steps: Vec<Step>,
    /// The step that gives the expression's blocks.
    pub output: usize,
}

/// One layer.
pub struct Step {
    /// Key prefix.
    pub prefix: String,
    /// Number of tasks along each axis.
    pub grid: Vec<u32>,
    /// Where its values come from.
    pub work: Work,
    /// The steps it needs, and how their tasks correspond.
    pub inputs: Vec<(usize, EdgeMap)>,
    /// Which slots run its tasks.
    pub class: SlotClass,
    /// Whether its tasks run as soon as their inputs are there.
    pub eager: bool,
    /// Bytes that its largest task gives.
    pub block_bytes: usize,
    /// Why it runs in the host language, if it does.
    pub host_reason: Option<String>,
}

/// Where the values of a step come from.
pub enum Work {
    /// From outside.
    Source(Arc<dyn Source>),
    /// From a function.
    Function(Arc<dyn Function>),
}

impl Plan {
    /// The layers that compute `expr`; `host` does what native copies do not know.
    ///
    /// # Errors
    /// If a host function can't be made.
    pub fn of(expr: &Expr, host: &dyn HostLayout) -> Result<Plan, Failure> {
        lower::plan(expr, host, false)
    }

    /// As [`Plan::of`], with prefixes that tell layers apart in this process only: sources need not be read to be named.
    ///
    /// # Errors
    /// As [`Plan::of`].
    pub fn brief(expr: &Expr, host: &dyn HostLayout) -> Result<Plan, Failure> {
        lower::plan(expr, host, true)
    }

    /// Adds the layers; those that the builder has already are shared. Gives the layer of the expression's blocks.
    ///
    /// # Errors
    /// If an edge does not fit, which is a defect of the planner, or the graph would be too large.
    pub fn add_to(&self, builder: &mut ProgramBuilder) -> Result<LayerId, Failure> {
        let mut layers: Vec<LayerId> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let known = builder.known(&step.prefix);
            let layer = match (known, &step.work) {
                (Some(known), _) => known,
                (None, Work::Source(source)) => source.add(builder, &step.prefix, &step.grid)?,
                (None, Work::Function(function)) => {
                    let mut layer = Layer::new(step.prefix.clone(), step.grid.clone());
                    layer = layer.class(step.class).eager(step.eager);
                    for (source, map) in &step.inputs {
                        layer = layer.edge(Edge::new(layers[*source], map.clone()));
                    }
                    builder.add(layer, function.clone())?
                }
            };
            layers.push(layer);
        }
        Ok(layers[self.output])
    }
}
