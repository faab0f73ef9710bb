//! A layer: a grid of tasks that share a function, a key prefix and formulas for their dependencies.

use crate::Edge;
use bitcode::{Decode, Encode};
use raskal_types::SlotClass;

/// Position of a layer in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LayerId(pub u32);

/// A grid of like tasks.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Layer {
    /// Key prefix, `name-token`. One task of the layer is `('name-token', i, j)`.
    pub prefix: String,
    /// Extent of the grid along each axis; an empty shape is a single task whose key is the prefix alone.
    pub shape: Vec<u32>,
    /// What each task needs, in the order in which the layer's function receives its inputs.
    pub edges: Vec<Edge>,
    /// Which slots run the tasks.
    pub class: SlotClass,
    /// Whether a task is to run as soon as its inputs are there, before others that came earlier in the order: it is
    /// cheap, and what it leaves is no larger than what it frees.
    pub eager: bool,
    /// What users asked of the tasks.
    pub annotations: Annotations,
    /// What users asked of single tasks, in layers whose tasks differ (graphs drawn by hand).
    pub singled_out: Option<SingledOut>,
}

/// Annotations of single tasks of a layer.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct SingledOut {
    /// The different annotations.
    pub kinds: Vec<Annotations>,
    /// For each task, one more than the place of its annotations in `kinds`; 0 means those of the layer.
    pub kind_of: Vec<u16>,
}

/// What users ask of a layer's tasks beyond their result (`raskal.annotate`).
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Annotations {
    /// Larger runs earlier.
    pub priority: i32,
    /// How often a task that raised is run again.
    pub retries: u32,
    /// Names, addresses or hosts of the only workers allowed; empty means all.
    pub workers: Vec<String>,
    /// Whether others will do while none of those is there.
    pub allow_other_workers: bool,
    /// How much of each of a worker's named resources a task takes while it runs.
    pub resources: Vec<(String, f64)>,
}

impl Layer {
    /// A layer of Python tasks without dependencies.
    pub fn new(prefix: impl Into<String>, shape: Vec<u32>) -> Layer {
        Layer {
            prefix: prefix.into(),
            shape,
            edges: Vec::new(),
            class: SlotClass::Python,
            eager: false,
            annotations: Annotations::default(),
            singled_out: None,
        }
    }

    /// What users asked of one task.
    pub fn annotations_of(&self, index: u32) -> &Annotations {
        let own = self.singled_out.as_ref().and_then(|own| {
            let kind = usize::from(*own.kind_of.get(index as usize)?);
            own.kinds.get(kind.checked_sub(1)?)
        });
        own.unwrap_or(&self.annotations)
    }

    /// Adds a dependency formula behind those already there.
    pub fn edge(mut self, edge: Edge) -> Layer {
        self.edges.push(edge);
        self
    }

    /// Chooses the slots that run the tasks.
    pub fn class(mut self, class: SlotClass) -> Layer {
        self.class = class;
        self
    }

    /// Has the tasks run as soon as their inputs are there ([`Layer::eager`]).
    pub fn eager(mut self, eager: bool) -> Layer {
        self.eager = eager;
        self
    }

    /// Number of tasks.
    pub fn len(&self) -> u64 {
        // Of a shape from outside the product may be anything.
        self.shape.iter().fold(1, |tasks: u64, &extent| tasks.saturating_mul(u64::from(extent)))
    }

    /// Whether the grid has no task at all (an axis of extent zero).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Coordinates of the task at `index` (row-major) in a grid of `shape`.
pub fn coordinates(shape: &[u32], mut index: u32) -> Vec<u32> {
    let mut coordinates = vec![0; shape.len()];
    for (axis, &extent) in shape.iter().enumerate().rev() {
        coordinates[axis] = index % extent;
        index /= extent;
    }
    coordinates
}

/// Row-major index of the task at `coordinates` in a grid of `shape`.
pub fn index(shape: &[u32], coordinates: &[u32]) -> u32 {
    shape.iter().zip(coordinates).fold(0, |index, (&extent, &coordinate)| index * extent + coordinate)
}
