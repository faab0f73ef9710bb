//! What is expected of a submitted graph, computed the naive way.

use crate::profile::Profile;
use rand::RngExt;
use rand::rngs::StdRng;
use raskal_graph::{Graph, order};
use raskal_scheduler::Cause;
use raskal_types::{Attempt, GraphId, SlotClass, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A task that raises this often raises always.
const ALWAYS: u32 = u32::MAX;

/// A submitted graph, the values of its tasks, and how its tasks will misbehave.
pub(crate) struct Plan {
    pub(crate) layers: Arc<Graph>,
    /// Tasks that stand for others, with every intermediate stand-in resolved.
    pub(crate) imports: BTreeMap<u32, TaskId>,
    /// Imports of something that nobody may have wanted any more, under the names by which they may be missed.
    pub(crate) doubtful: BTreeMap<u32, BTreeSet<TaskId>>,
    pub(crate) expected: Vec<u64>,
    /// How many runs of each task raise, and how many of these are still to come.
    raises: Vec<u32>,
    raises_left: Vec<u32>,
    /// How many runs of each task a process died under, by what its node told.
    pub(crate) deaths: Vec<u32>,
    /// The tasks whose values can't leave the process that made them.
    unusable: Vec<bool>,
}

/// The value of a task: a fingerprint of its name and its inputs, in order.
pub(crate) fn value(task: TaskId, inputs: &[u64]) -> u64 {
    let mix = |state: u64, word: u64| {
        let state = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^ (state >> 29)
    };
    inputs.iter().fold(mix(u64::from(task.graph.0) + 1, u64::from(task.index)), |state, &input| mix(state, input))
}

/// The size of a value, which is measured and so not the same for each run.
pub(crate) fn size_bytes(content: u64, attempt: Attempt) -> u64 {
    let further = if is_small(content) { 0 } else { u64::from(attempt.0) * 300 };
    1 + content % 20_000 + further
}

/// Whether a value is so small that it travels inside messages.
pub(crate) fn is_small(content: u64) -> bool {
    content % 20_000 < 4_000
}

impl Plan {
    pub(crate) fn new(
        rng: &mut StdRng,
        profile: &Profile,
        id: GraphId,
        layers: Arc<Graph>,
        imports: BTreeMap<u32, TaskId>,
        earlier: &BTreeMap<GraphId, Plan>,
    ) -> Plan {
        let count = layers.task_count() as usize;
        let mut expected = vec![0; count];
        let every: Vec<u32> = (0..count as u32).collect();
        for index in order(&layers, &every) {
            expected[index as usize] = match imports.get(&index) {
                Some(source) => earlier[&source.graph].expected[source.index as usize],
                None => {
                    let mut inputs = Vec::new();
                    layers.predecessors(index, &mut inputs);
                    let inputs: Vec<u64> = inputs.iter().map(|&input| expected[input as usize]).collect();
                    value(TaskId { graph: id, index }, &inputs)
                }
            };
        }
        let unusable = every.iter().map(|&index| {
            let python = layers.layer(layers.locate(index).0).class == SlotClass::Python;
            python && !imports.contains_key(&index) && rng.random_bool(profile.unusable)
        });
        let unusable = unusable.collect();
        let raises: Vec<u32> = (0..count)
            .map(|_| match rng.random_bool(profile.raises) {
                false => 0,
                true if rng.random_bool(0.3) => ALWAYS,
                true => rng.random_range(1..=3),
            })
            .collect();
        let raises_left = raises.clone();
        let deaths = vec![0; count];
        Plan { layers, imports, doubtful: BTreeMap::new(), expected, raises, raises_left, deaths, unusable }
    }

    /// Whether the next run of a task raises.
    pub(crate) fn raise(&mut self, index: u32) -> bool {
        let left = &mut self.raises_left[index as usize];
        let raises = *left > 0;
        if *left != ALWAYS {
            *left = left.saturating_sub(1);
        }
        raises
    }

    fn retries(&self, index: u32) -> u32 {
        self.layers.annotations(index).retries
    }

    /// Whether the value of a task can't leave the process that made it.
    pub(crate) fn is_unusable(&self, index: u32) -> bool {
        self.unusable[index as usize]
    }

    /// The tasks that a task takes, of this graph or those that they stand for.
    fn inputs(&self, task: TaskId) -> Vec<TaskId> {
        let mut indices = Vec::new();
        self.layers.predecessors(task.index, &mut indices);
        let input = |index| self.imports.get(&index).copied().unwrap_or(TaskId { graph: task.graph, index });
        indices.into_iter().map(input).collect()
    }
}

/// Whether a wanted task may fail for this cause, given that so many workers crashed.
pub(crate) fn may_fail(plans: &BTreeMap<GraphId, Plan>, crashes: u32, wanted: TaskId, cause: Cause) -> bool {
    let mut seen = BTreeSet::from([wanted]);
    let mut stack = vec![wanted];
    let mut doubtful = BTreeSet::new();
    while let Some(task) = stack.pop() {
        let plan = &plans[&task.graph];
        let mut inputs = Vec::new();
        match plan.imports.get(&task.index) {
            Some(&source) => {
                doubtful.extend(plan.doubtful.get(&task.index).into_iter().flatten().copied());
                inputs.push(source);
            }
            None => {
                let mut indices = Vec::new();
                plan.layers.predecessors(task.index, &mut indices);
                inputs.extend(indices.into_iter().map(|index| TaskId { graph: task.graph, index }));
            }
        }
        stack.extend(inputs.into_iter().filter(|&input| seen.insert(input)));
    }
    match cause {
        Cause::Raised(task) => {
            let plan = &plans[&task.graph];
            let bound = || plan.inputs(task).iter().any(|input| plans[&input.graph].is_unusable(input.index));
            seen.contains(&task) && (plan.raises[task.index as usize] > plan.retries(task.index) || bound())
        }
        Cause::Killed(task) => seen.contains(&task) && plans[&task.graph].deaths[task.index as usize] + crashes >= 3,
        Cause::Lost(task) => doubtful.contains(&task),
    }
}
