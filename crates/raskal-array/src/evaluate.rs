//! Computes a small expression on the calling thread, task after task, and joins its blocks.
//!
//! For tests and examples: no engine, no memory budget, no host language.

use crate::chunks::bounds;
use crate::copy::{CopyAxis, Output};
use crate::{Expr, NoHost, Plan};
use raskal_graph::layer::coordinates;
use raskal_runtime::{Call, Failure, Program, ProgramBuilder};
use raskal_store::{Block, Value};
use std::collections::HashMap;

/// The expression's elements as one block.
///
/// # Errors
/// If the expression needs a host language, or a task fails.
pub fn evaluate(expr: &Expr) -> Result<Block, Failure> {
    let mut builder = ProgramBuilder::new();
    let layer = Plan::of(expr, &NoHost)?.add_to(&mut builder)?;
    let wanted = builder.graph().tasks(layer).collect();
    let blocks = run(&builder.finish(wanted))?;
    join(expr, &blocks)
}

/// Runs a program's wanted tasks and what they need, in order.
fn run(program: &Program) -> Result<Vec<Value>, Failure> {
    let graph = &program.graph;
    let mut done: HashMap<u32, Value> = HashMap::new();
    let mut needed = Vec::new();
    for task in raskal_graph::order(graph, &program.wanted) {
        let (layer, index) = graph.locate(task);
        needed.clear();
        graph.predecessors(task, &mut needed);
        let inputs = needed.iter().map(|input| done[input].clone()).collect();
        let call = Call { index, shape: &graph.layer(layer).shape, inputs, payload: &[] };
        done.insert(task, program.functions[layer.0 as usize].run(call)?);
    }
    Ok(program.wanted.iter().map(|task| done[task].clone()).collect())
}

fn join(expr: &Expr, blocks: &[Value]) -> Result<Block, Failure> {
    let grid = expr.chunks().numblocks();
    let bounds: Vec<Vec<usize>> = expr.chunks().axes().map(bounds).collect();
    let mut out = Output::new(expr.dtype().native()?, expr.shape());
    for (number, value) in blocks.iter().enumerate() {
        let block = value.as_block()?;
        let coordinates = coordinates(&grid, number as u32);
        let at: Vec<usize> = coordinates.iter().zip(&bounds).map(|(&block, bounds)| bounds[block as usize]).collect();
        let announced = expr.chunks().block_shape(&coordinates);
        if block.shape() != announced || !out.takes(block.dtype()) {
            return Err(Failure::internal(format!("{block:?} where {announced:?} was announced")));
        }
        let axes: Vec<CopyAxis> = (0..at.len()).map(|axis| CopyAxis::along(axis, 0, 1)).collect();
        out.write(&block, &axes, &at, block.shape());
    }
    Ok(out.into_block())
}
