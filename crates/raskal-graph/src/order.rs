//! Which tasks a result needs, and in which order to run them.
//!
//! Depth first from the wanted tasks: a task's inputs directly before it, and one wanted task finished before the next
//! is begun, so that values are used and released soon after they are made. Culling comes with it: what is not reached
//! is not listed. Tasks of eager layers come directly behind the last of their inputs. Pure; linear in tasks and edges.

use crate::Graph;

/// The tasks that `wanted` needs (and `wanted` themselves), each once, inputs before their users.
/// A task's inputs are visited in the order in which its function receives them. The graph must have no cycle.
pub fn order(graph: &Graph, wanted: &[u32]) -> Vec<u32> {
    let count = graph.task_count() as usize;
    // 0: not seen; 1: its inputs are on the stack; 2: listed.
    let mut state = vec![0u8; count];
    let mut ordered = Vec::with_capacity(count);
    let mut stack: Vec<u32> = Vec::new();
    let mut inputs = Vec::new();
    for &wanted in wanted {
        stack.push(wanted);
        while let Some(&task) = stack.last() {
            match state[task as usize] {
                0 => {
                    state[task as usize] = 1;
                    inputs.clear();
                    graph.predecessors(task, &mut inputs);
                    // The last pushed is visited first.
                    stack.extend(inputs.iter().rev().filter(|&&input| state[input as usize] == 0));
                }
                1 => {
                    state[task as usize] = 2;
                    ordered.push(task);
                    stack.pop();
                }
                _ => {
                    stack.pop();
                }
            }
        }
    }
    if graph.layers().iter().any(|layer| layer.eager) { hasten(graph, ordered) } else { ordered }
}

/// Moves the tasks of eager layers behind the last of their inputs.
fn hasten(graph: &Graph, ordered: Vec<u32>) -> Vec<u32> {
    // Behind which place each task goes; those of one place stay in their order.
    let mut behind = vec![0u32; graph.task_count() as usize];
    let mut inputs = Vec::new();
    for (place, &task) in ordered.iter().enumerate() {
        inputs.clear();
        if graph.layer(graph.locate(task).0).eager {
            graph.predecessors(task, &mut inputs);
        }
        behind[task as usize] = inputs.iter().map(|&input| behind[input as usize]).max().unwrap_or(place as u32);
    }
    let mut ordered = ordered;
    ordered.sort_by_key(|&task| behind[task as usize]);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Csr, Edge, EdgeMap, Layer};
    use proptest::prelude::*;

    #[test]
    fn a_tree_is_reduced_branch_by_branch() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![4])).unwrap();
        let pair =
            graph.add(Layer::new("pair", vec![2]).edge(Edge::new(load, EdgeMap::Tree { group: vec![2] }))).unwrap();
        graph.add(Layer::new("total", vec![1]).edge(Edge::new(pair, EdgeMap::Tree { group: vec![2] }))).unwrap();
        let names: Vec<String> = order(&graph, &[6]).into_iter().map(|task| graph.key(task)).collect();
        insta::assert_snapshot!(names.join(" "), @"('load', 0) ('load', 1) ('pair', 0) ('load', 2) ('load', 3) ('pair', 1) ('total', 0)");
    }

    #[test]
    fn eager_tasks_come_behind_their_inputs() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![2])).unwrap();
        let split = Csr::from_rows([[0], [0], [1], [1]].iter().map(<[u32; 1]>::as_slice));
        let split = Layer::new("split", vec![4]).eager(true).edge(Edge::new(load, EdgeMap::Explicit(split)));
        let split = graph.add(split).unwrap();
        let merge = Csr::from_rows([[0, 2], [1, 3]].iter().map(<[u32; 2]>::as_slice));
        graph.add(Layer::new("merge", vec![2]).edge(Edge::new(split, EdgeMap::Explicit(merge)))).unwrap();
        let names: Vec<String> = order(&graph, &[6, 7]).into_iter().map(|task| graph.key(task)).collect();
        insta::assert_snapshot!(names.join(" "), @"('load', 0) ('split', 0) ('split', 1) ('load', 1) ('split', 2) ('split', 3) ('merge', 0) ('merge', 1)");
    }

    proptest! {
        #[test]
        fn order_lists_the_ancestors_once_and_inputs_first(
            rows in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..40),
            wanted in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<Vec<u32>> = rows
                .iter()
                .enumerate()
                .map(|(task, row)| if task == 0 { vec![] } else { row.iter().map(|at| at.index(task) as u32).collect() })
                .collect();
            let mut graph = Graph::new();
            graph.add_explicit(Layer::new("hand", vec![rows.len() as u32]), Csr::from_rows(rows.iter().map(Vec::as_slice))).unwrap();
            let wanted = wanted.index(rows.len()) as u32;

            let mut ancestors = std::collections::BTreeSet::from([wanted]);
            for task in (0..rows.len() as u32).rev() {
                if ancestors.contains(&task) {
                    ancestors.extend(&rows[task as usize]);
                }
            }
            let ordered = order(&graph, &[wanted]);
            let mut place = vec![usize::MAX; rows.len()];
            for (at, &task) in ordered.iter().enumerate() {
                prop_assert_eq!(place[task as usize], usize::MAX);
                place[task as usize] = at;
                prop_assert!(rows[task as usize].iter().all(|&input| place[input as usize] < at));
            }
            prop_assert_eq!(ordered.iter().copied().collect::<std::collections::BTreeSet<_>>(), ancestors);
        }
    }
}
