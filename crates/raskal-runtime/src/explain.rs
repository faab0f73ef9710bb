//! A program as text, for readers: its layers, and what their tasks need.
//!
//! Start at [`explain`]. Tests of plans compare this text.

use crate::{Function, Program, ProgramBuilder};
use raskal_graph::{Annotations, Graph, LayerId, order};
use raskal_types::SlotClass;
use raskal_types::key::tuple;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Functions of a layer of different calls that are named, the most frequent first.
const NAMED_MAX: usize = 8;

/// The layers that the wanted tasks need, as they were written and as they run.
pub fn explain(builder: ProgramBuilder, wanted: Vec<u32>) -> String {
    let before = layers("written", builder.graph(), builder.functions(), &wanted);
    let count = builder.graph().layers().len();
    let Program { graph, functions, wanted, .. } = builder.finish(wanted);
    let after = layers("runs as", &graph, &functions, &wanted);
    if graph.layers().len() == count { after } else { before + &after }
}

fn layers(title: &str, graph: &Graph, functions: &[Arc<dyn Function>], wanted: &[u32]) -> String {
    let ordered = order(graph, wanted);
    let mut heights = vec![0u32; graph.task_count() as usize];
    let mut tasks: Vec<Vec<u32>> = vec![Vec::new(); graph.layers().len()];
    let (mut inputs, mut dependencies, mut height) = (Vec::new(), 0, 0);
    for &task in &ordered {
        inputs.clear();
        graph.predecessors(task, &mut inputs);
        dependencies += inputs.len();
        let own = 1 + inputs.iter().map(|&input| heights[input as usize]).max().unwrap_or(0);
        heights[task as usize] = own;
        height = height.max(own);
        let (layer, index) = graph.locate(task);
        tasks[layer.0 as usize].push(index);
    }
    let used = tasks.iter().filter(|tasks| !tasks.is_empty()).count();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{title} {} in {}, {dependencies} dependencies, at most {height} in a row",
        many(ordered.len(), "task"),
        many(used, "layer")
    );
    for (number, tasks) in tasks.iter().enumerate().filter(|(_, tasks)| !tasks.is_empty()) {
        layer(&mut text, graph, number, &*functions[number], tasks);
    }
    text
}

fn layer(text: &mut String, graph: &Graph, number: usize, function: &dyn Function, tasks: &[u32]) {
    let layer = graph.layer(LayerId(number as u32));
    let name = layer.prefix.rsplit_once('-').map_or(layer.prefix.as_str(), |(name, _)| name);
    let total = layer.len();
    let count = if tasks.len() as u64 == total { format!("{total}") } else { format!("{} of {total}", tasks.len()) };
    let kind = if layer.class == SlotClass::Native { "" } else { " [python]" };
    let asked = asked(&layer.annotations);
    let what = function.describe();
    let _ = writeln!(text, "  {number}: {name} {} = {count} tasks{kind}{asked}: {what}", tuple(&layer.shape));
    for edge in &layer.edges {
        if edge.source.0 as usize != number {
            let _ = writeln!(text, "       from {}, {}", edge.source.0, edge.map.describe("task"));
        }
    }
    if layer.singled_out.is_some() || tasks.first().is_some_and(|&task| function.describe_task(task) != what) {
        calls(text, tasks, function, |task| self::asked(layer.annotations_of(task)));
    }
}

fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// How often each function of a layer of different calls is called.
fn calls(text: &mut String, tasks: &[u32], function: &dyn Function, asked: impl Fn(u32) -> String) {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for &task in tasks {
        *counts.entry(format!("{}{}", function.describe_task(task), asked(task))).or_default() += 1;
    }
    let mut counts: Vec<(String, u32)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rest = counts.len().saturating_sub(NAMED_MAX);
    for (name, count) in counts.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "       {count} x {name}");
    }
    if rest > 0 {
        let _ = writeln!(text, "       and {rest} other functions");
    }
}

/// What users asked of tasks, in brackets; nothing if that is nothing.
fn asked(annotations: &Annotations) -> String {
    let Annotations { priority, retries, workers, allow_other_workers, resources } = annotations;
    let mut parts = Vec::new();
    if *priority != 0 {
        parts.push(format!("priority {priority}"));
    }
    if *retries != 0 {
        parts.push(format!("retries {retries}"));
    }
    if !workers.is_empty() {
        let others = if *allow_other_workers { " or others" } else { "" };
        parts.push(format!("workers {}{others}", workers.join(", ")));
    }
    parts.extend(resources.iter().map(|(name, amount)| format!("{amount} of {name}")));
    if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Values;
    use raskal_graph::{Edge, EdgeMap, Layer};

    #[test]
    fn layers_tell_their_tasks_and_what_they_need() {
        let mut builder = ProgramBuilder::new();
        let nothing = || Arc::new(Values(Vec::new()));
        let asked = Annotations { retries: 2, resources: vec![("GPU".into(), 1.0)], ..Annotations::default() };
        let load = builder.add(Layer { annotations: asked, ..Layer::new("load-1", vec![6]) }, nothing()).unwrap();
        let pairs = Layer::new("pairs-1", vec![3]).edge(Edge::new(load, EdgeMap::Tree { group: vec![2] }));
        let pairs = builder.add(pairs.class(SlotClass::Native), nothing()).unwrap();
        let wanted = vec![builder.graph().task(pairs, 0), builder.graph().task(pairs, 2)];
        insta::assert_snapshot!(explain(builder, wanted), @r"
        runs as 6 tasks in 2 layers, 4 dependencies, at most 2 in a row
          0: load (6,) = 4 of 6 tasks [python] [retries 2; 1 of GPU]: values
          1: pairs (3,) = 2 of 3 tasks: values
               from 0, groups of (2,) tasks
        ");
    }
}
