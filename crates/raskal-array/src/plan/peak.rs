//! How much memory a plan's results will take.
//!
//! Start at [`peak_bytes`]. It walks the tasks in the order in which one thread would run them.

use super::{Plan, Work};
use raskal_graph::{Edge, Graph, Layer, LayerId, order};
use raskal_runtime::Failure;

/// More tasks are not walked: `explain()` is to answer at once.
const TASKS_MAX: u64 = 1 << 18;

/// The most bytes of results that exist at once when one thread runs the plan, blocks that exist already not counted; none
/// if there are too many tasks to tell. Blocks count as the largest of their layer.
pub(super) fn peak_bytes(plan: &Plan) -> Result<Option<u64>, Failure> {
    let tasks = |grid: &[u32]| grid.iter().map(|&extent| u64::from(extent)).product::<u64>();
    if plan.steps.iter().map(|step| tasks(&step.grid)).sum::<u64>() > TASKS_MAX {
        return Ok(None);
    }
    let mut graph = Graph::new();
    let mut layers: Vec<LayerId> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let mut layer = Layer::new(step.prefix.clone(), step.grid.clone()).eager(step.eager);
        for (source, map) in &step.inputs {
            layer = layer.edge(Edge::new(layers[*source], map.clone()));
        }
        layers.push(graph.add(layer).map_err(|error| Failure::internal(error.to_string()))?);
    }
    let wanted: Vec<u32> = graph.tasks(layers[plan.output]).collect();
    let ordered = order(&graph, &wanted);
    let mut readers = vec![0u32; graph.task_count() as usize];
    wanted.iter().for_each(|&task| readers[task as usize] = 1);
    let mut inputs = Vec::new();
    for &task in &ordered {
        inputs.clear();
        graph.predecessors(task, &mut inputs);
        inputs.iter().for_each(|&input| readers[input as usize] += 1);
    }
    let size = |task: u32| match &plan.steps[graph.locate(task).0.0 as usize] {
        step if matches!(step.work, Work::Source(_)) => 0,
        step => step.block_bytes as u64,
    };
    let (mut held, mut peak) = (0u64, 0u64);
    for task in ordered {
        held += size(task);
        peak = peak.max(held);
        inputs.clear();
        graph.predecessors(task, &mut inputs);
        for &input in &inputs {
            readers[input as usize] -= 1;
            if readers[input as usize] == 0 {
                held -= size(input);
            }
        }
    }
    Ok(Some(peak))
}
