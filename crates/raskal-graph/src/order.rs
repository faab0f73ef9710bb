//! Which tasks a result needs, and in which order to run them.
//!
//! Depth first from the wanted tasks: a task's inputs directly before it, and one wanted task finished before the next
//! is begun, so that values are used and released soon after they are made; a task that can run and is the last to need
//! some value runs at once, whoever wants it ([`Release`]). Culling comes with it: what is not reached is not listed. Tasks
//! of eager layers come directly behind the last of their inputs. Pure; linear in tasks and edges.

use crate::{Edge, EdgeMap, Graph};

/// The tasks that `wanted` needs (and `wanted` themselves), each once, inputs before their users.
/// A task's inputs are visited in the order in which its function receives them; of a running result the one before first.
/// The graph must have no cycle.
pub fn order(graph: &Graph, wanted: &[u32]) -> Vec<u32> {
    let ordered = depth_first(graph, wanted);
    let ordered = match Release::new(graph, &ordered, wanted) {
        Some(release) => release.run(ordered),
        None => ordered,
    };
    if graph.layers().iter().any(|layer| layer.eager) { hasten(graph, ordered) } else { ordered }
}

fn depth_first(graph: &Graph, wanted: &[u32]) -> Vec<u32> {
    let count = graph.task_count() as usize;
    let is_running = |edge: &Edge| matches!(edge.map, EdgeMap::Previous { .. });
    let any_running = graph.layers().iter().any(|layer| layer.edges.last().is_some_and(is_running));
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
                    if any_running && graph.layer(graph.locate(task).0).edges.last().is_some_and(is_running) {
                        // From the front of a running result, not from its end with everything made already.
                        inputs.reverse();
                    }
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
    ordered
}

/// A value with more users to come than this is not looked at when one of its users might be the next to run.
const USERS_MAX: u32 = 8;
/// In place of the number of missing inputs: of tasks that nobody needs, and of those that are listed.
const NEVER: u32 = u32::MAX;

/// Moves tasks forward that can run and free a value: two results of the same blocks are made side by side, so that no
/// block waits for the second.
struct Release<'a> {
    graph: &'a Graph,
    /// Uses of each value that are to come.
    left: Vec<u32>,
    /// Inputs of each task that are not listed yet, or [`NEVER`].
    missing: Vec<u32>,
    listed: Vec<u32>,
    /// Tasks that may run next.
    next: Vec<u32>,
    inputs: Vec<u32>,
    users: Vec<u32>,
}

impl<'a> Release<'a> {
    /// None if no value has two users: then nobody but the one who comes next can free it.
    fn new(graph: &'a Graph, ordered: &[u32], wanted: &[u32]) -> Option<Release<'a>> {
        let count = graph.task_count() as usize;
        let (mut left, mut missing, mut inputs) = (vec![0u32; count], vec![NEVER; count], Vec::new());
        for &task in ordered {
            inputs.clear();
            graph.predecessors(task, &mut inputs);
            missing[task as usize] = inputs.len() as u32;
            inputs.iter().for_each(|&input| left[input as usize] += 1);
        }
        if left.iter().all(|&uses| uses <= 1) {
            return None;
        }
        // Wanted values are never freed.
        wanted.iter().for_each(|&task| left[task as usize] += 1);
        let listed = Vec::with_capacity(ordered.len());
        Some(Release { graph, left, missing, listed, next: Vec::new(), inputs, users: Vec::new() })
    }

    fn run(mut self, ordered: Vec<u32>) -> Vec<u32> {
        for task in ordered {
            if self.missing[task as usize] == NEVER {
                continue;
            }
            self.list(task);
            while let Some(task) = self.next.pop() {
                if self.missing[task as usize] == 0 && self.frees(task) {
                    self.list(task);
                }
            }
        }
        self.listed
    }

    /// Whether a task is the last user of one of its inputs.
    fn frees(&mut self, task: u32) -> bool {
        self.inputs.clear();
        self.graph.predecessors(task, &mut self.inputs);
        self.inputs.iter().any(|&input| self.left[input as usize] == 1)
    }

    fn list(&mut self, task: u32) {
        self.listed.push(task);
        self.missing[task as usize] = NEVER;
        let graph = self.graph;
        let (mut users, mut inputs) = (std::mem::take(&mut self.users), std::mem::take(&mut self.inputs));
        users.clear();
        graph.successors(task, &mut users);
        for &user in &users {
            let missing = &mut self.missing[user as usize];
            *missing -= u32::from(*missing != NEVER);
        }
        // The last pushed is looked at first: users of what may be freed before users of what was made.
        if self.left[task as usize] <= USERS_MAX {
            self.next.extend(users.iter().rev().filter(|&&user| self.missing[user as usize] == 0));
        }
        inputs.clear();
        graph.predecessors(task, &mut inputs);
        inputs.iter().for_each(|&input| self.left[input as usize] -= 1);
        for &input in inputs.iter().rev() {
            if self.left[input as usize] == 1 {
                users.clear();
                graph.successors(input, &mut users);
                self.next.extend(users.iter().rev().filter(|&&user| self.missing[user as usize] == 0));
            }
        }
        (self.users, self.inputs) = (users, inputs);
    }
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
    use crate::{Csr, Layer};
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
        insta::assert_snapshot!(names.join(" "), @"('load', 0) ('split', 0) ('split', 1) ('load', 1) ('split', 2) ('split', 3) ('merge', 1) ('merge', 0)");
    }

    #[test]
    fn two_results_of_the_same_blocks_are_made_side_by_side() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![4])).unwrap();
        for name in ["low", "high"] {
            let part = Layer::new(name, vec![4]).edge(Edge::new(load, EdgeMap::OneToOne));
            let part = graph.add(part).unwrap();
            let tree =
                Layer::new(format!("{name}est"), vec![1]).edge(Edge::new(part, EdgeMap::Tree { group: vec![4] }));
            graph.add(tree).unwrap();
        }
        let names: Vec<String> = order(&graph, &[8, 13]).into_iter().map(|task| graph.key(task)).collect();
        insta::assert_snapshot!(names.join(" "), @"('load', 0) ('low', 0) ('high', 0) ('load', 1) ('low', 1) ('high', 1) ('load', 2) ('low', 2) ('high', 2) ('load', 3) ('low', 3) ('high', 3) ('highest', 0) ('lowest', 0)");
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
