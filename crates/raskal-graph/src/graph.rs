//! The graph: layers in dependency order, and questions about single tasks.

use crate::edge::{Axis, BEYOND, Csr, Edge, EdgeMap};
use crate::layer::{Layer, LayerId, coordinates};
use bitcode::{Decode, Encode};
use raskal_types::key;

/// Why a layer can't be part of a graph.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// An edge names a layer that is not there yet.
    #[error("layer '{layer}' depends on layer number {source_layer}, but only {known} layers were added before it")]
    UnknownLayer {
        /// The layer being added.
        layer: String,
        /// The number it names.
        source_layer: u32,
        /// How many layers there are.
        known: u32,
    },
    /// An edge does not fit the shapes of its two layers.
    #[error("layer '{layer}' of shape {shape:?} can't depend on '{source_layer}' of shape {source_shape:?}: {problem}")]
    Misfit {
        /// The layer being added.
        layer: String,
        /// Its shape.
        shape: Vec<u32>,
        /// The layer it depends on.
        source_layer: String,
        /// The shape of that layer.
        source_shape: Vec<u32>,
        /// What does not fit.
        problem: String,
    },
    /// The graph would hold more tasks than can be numbered.
    #[error(
        "layer '{layer}' of shape {shape:?} would bring the graph to {tasks} tasks; at most {} fit\nhint: use larger chunks or partitions",
        u32::MAX
    )]
    TooLarge {
        /// The layer being added.
        layer: String,
        /// Its shape.
        shape: Vec<u32>,
        /// Number of tasks that the graph would have.
        tasks: u64,
    },
}

/// Layers in dependency order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    layers: Vec<Layer>,
    /// Number of the first task of each layer, then the number of all tasks.
    bases: Vec<u32>,
    /// For each layer, who depends on it: (layer, which of its edges, the turned-round list if explicit).
    consumers: Vec<Vec<Consumer>>,
}

#[derive(Clone, Debug)]
struct Consumer {
    layer: u32,
    edge: u32,
    transposed: Option<Csr>,
}

impl Graph {
    /// A graph without layers.
    pub fn new() -> Graph {
        Graph { layers: Vec::new(), bases: vec![0], consumers: Vec::new() }
    }

    /// Adds a layer behind those it depends on.
    ///
    /// # Errors
    /// If an edge names a layer that is not there, or does not fit its shape.
    pub fn add(&mut self, layer: Layer) -> Result<LayerId, GraphError> {
        let tasks = layer.len().saturating_add(u64::from(self.task_count()));
        if tasks >= u64::from(u32::MAX) {
            return Err(GraphError::TooLarge { layer: layer.prefix, shape: layer.shape, tasks });
        }
        for edge in &layer.edges {
            self.check(&layer, edge)?;
        }
        let id = self.layers.len() as u32;
        for (number, edge) in layer.edges.iter().enumerate() {
            let columns = self.layers[edge.source.0 as usize].len() as usize;
            let transposed = if let EdgeMap::Explicit(csr) = &edge.map { Some(csr.transposed(columns)) } else { None };
            self.consumers[edge.source.0 as usize].push(Consumer { layer: id, edge: number as u32, transposed });
        }
        self.layers.push(layer);
        self.bases.push(tasks as u32);
        self.consumers.push(Vec::new());
        Ok(LayerId(id))
    }

    /// Adds one layer of tasks drawn by hand: `inputs` lists, for each task, the numbers of other tasks of the same layer.
    ///
    /// The list must have no cycle; whoever draws the graph checks that, since it knows the keys to name.
    ///
    /// # Errors
    /// If an edge of `layer` names a layer that is not there or does not fit, or a number in `inputs` is out of range.
    pub fn add_explicit(&mut self, layer: Layer, inputs: Csr) -> Result<LayerId, GraphError> {
        self.add_inner(layer, EdgeMap::Explicit(inputs))
    }

    /// Adds a layer whose tasks also need others of the same layer, behind the inputs that the layer's own edges give:
    /// listed ([`EdgeMap::Explicit`]) or the one before ([`EdgeMap::Previous`]).
    ///
    /// # Errors
    /// If an edge of `layer` names a layer that is not there or does not fit, or `inner` does not.
    pub fn add_inner(&mut self, layer: Layer, inner: EdgeMap) -> Result<LayerId, GraphError> {
        let problem = match &inner {
            EdgeMap::Explicit(_) => misfit(&layer, &layer, &inner),
            EdgeMap::Previous { axis } => {
                (*axis as usize >= layer.shape.len()).then_some("the layer does not have this axis")
            }
            _ => Some("tasks of one layer need each other by a list, or each the one before"),
        };
        if let Some(problem) = problem {
            return Err(GraphError::Misfit {
                layer: layer.prefix.clone(),
                shape: layer.shape.clone(),
                source_layer: layer.prefix,
                source_shape: layer.shape,
                problem: problem.into(),
            });
        }
        let id = self.add(layer)?;
        let layer = &mut self.layers[id.0 as usize];
        let tasks = layer.len() as usize;
        let transposed = if let EdgeMap::Explicit(inputs) = &inner { Some(inputs.transposed(tasks)) } else { None };
        self.consumers[id.0 as usize].push(Consumer { layer: id.0, edge: layer.edges.len() as u32, transposed });
        layer.edges.push(Edge::new(id, inner));
        Ok(id)
    }

    fn check(&self, layer: &Layer, edge: &Edge) -> Result<(), GraphError> {
        let Some(source) = self.layers.get(edge.source.0 as usize) else {
            return Err(GraphError::UnknownLayer {
                layer: layer.prefix.clone(),
                source_layer: edge.source.0,
                known: self.layers.len() as u32,
            });
        };
        let Some(problem) = misfit(layer, source, &edge.map) else { return Ok(()) };
        Err(GraphError::Misfit {
            layer: layer.prefix.clone(),
            shape: layer.shape.clone(),
            source_layer: source.prefix.clone(),
            source_shape: source.shape.clone(),
            problem: problem.into(),
        })
    }

    /// The layers, in dependency order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// One layer.
    pub fn layer(&self, layer: LayerId) -> &Layer {
        &self.layers[layer.0 as usize]
    }

    /// Number of tasks over all layers.
    pub fn task_count(&self) -> u32 {
        self.bases[self.layers.len()]
    }

    /// Number of the task at `index` of `layer`.
    pub fn task(&self, layer: LayerId, index: u32) -> u32 {
        self.bases[layer.0 as usize] + index
    }

    /// Numbers of the tasks of `layer`.
    pub fn tasks(&self, layer: LayerId) -> std::ops::Range<u32> {
        self.bases[layer.0 as usize]..self.bases[layer.0 as usize + 1]
    }

    /// The layer of a task, and the task's index in it.
    pub fn locate(&self, task: u32) -> (LayerId, u32) {
        let layer = if self.layers.len() == 1 { 0 } else { self.bases.partition_point(|&base| base <= task) - 1 };
        (LayerId(layer as u32), task - self.bases[layer])
    }

    /// The key of a task.
    pub fn key(&self, task: u32) -> String {
        let (layer, index) = self.locate(task);
        let layer = self.layer(layer);
        key::format(&layer.prefix, &coordinates(&layer.shape, index))
    }

    /// What users asked of a task.
    pub fn annotations(&self, task: u32) -> &crate::Annotations {
        let (layer, index) = self.locate(task);
        self.layer(layer).annotations_of(index)
    }

    /// Sets what users ask of a layer, if nothing was asked of it so far.
    pub fn annotate(&mut self, layer: LayerId, annotations: &crate::Annotations) {
        let layer = &mut self.layers[layer.0 as usize];
        if layer.annotations == crate::Annotations::default() {
            layer.annotations = annotations.clone();
        }
    }

    /// Appends the tasks that `task` needs, in the order of its inputs, to `into`.
    pub fn predecessors(&self, task: u32, into: &mut Vec<u32>) {
        let (id, own) = self.locate(task);
        let layer = self.layer(id);
        for edge in &layer.edges {
            let base = self.bases[edge.source.0 as usize];
            let source = &self.layers[edge.source.0 as usize].shape;
            edge.map.predecessors(&layer.shape, own, source, |needed| into.push(base + needed));
        }
    }

    /// Appends the tasks that need `task` to `into`; one that needs it twice is listed twice.
    pub fn successors(&self, task: u32, into: &mut Vec<u32>) {
        let (id, own) = self.locate(task);
        let source = &self.layer(id).shape;
        for consumer in &self.consumers[id.0 as usize] {
            let layer = &self.layers[consumer.layer as usize];
            let base = self.bases[consumer.layer as usize];
            let map = &layer.edges[consumer.edge as usize].map;
            map.successors(&layer.shape, source, own, consumer.transposed.as_ref(), |user| into.push(base + user));
        }
    }

    /// Number of inputs of a task.
    pub fn input_count(&self, task: u32) -> u32 {
        let (id, own) = self.locate(task);
        let layer = self.layer(id);
        layer
            .edges
            .iter()
            .map(|edge| edge.map.count(&layer.shape, own, &self.layers[edge.source.0 as usize].shape))
            .sum()
    }

    /// What goes over the wire; [`Graph::from_parts`] rebuilds the rest.
    pub fn to_parts(&self) -> GraphParts {
        GraphParts { layers: self.layers.clone() }
    }

    /// Rebuilds and checks a graph that came over the wire.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn from_parts(parts: GraphParts) -> Result<Graph, GraphError> {
        let mut graph = Graph::new();
        for (number, mut layer) in parts.layers.into_iter().enumerate() {
            let own = layer.edges.iter().position(|edge| edge.source.0 as usize == number);
            match own.map(|own| layer.edges.remove(own).map) {
                None => graph.add(layer)?,
                Some(inner) => graph.add_inner(layer, inner)?,
            };
        }
        Ok(graph)
    }
}

/// What in a formula does not fit a layer and its source, if anything. Afterwards every task's inputs exist.
fn misfit(layer: &Layer, source: &Layer, map: &EdgeMap) -> Option<&'static str> {
    match map {
        EdgeMap::OneToOne => (source.len() != layer.len()).then_some("one-to-one needs the same number of tasks"),
        EdgeMap::All => None,
        EdgeMap::BlockMap { axes } => {
            if axes.len() != source.shape.len() {
                return Some("a block map needs one entry per axis of the source");
            }
            axes.iter().zip(&source.shape).find_map(|(axis, &extent)| axis_misfit(layer, *axis, extent))
        }
        EdgeMap::Stretches { axes } => {
            if axes.len() != source.shape.len() {
                return Some("stretches need one entry per axis of the source");
            }
            axes.iter().zip(&source.shape).find_map(|(stretch, &extent)| stretch.problem(&layer.shape, extent))
        }
        EdgeMap::Tree { group } => {
            if group.len() != source.shape.len() || source.shape.len() != layer.shape.len() {
                return Some("a tree needs a group length per axis and the same number of axes");
            }
            let fits = |((&n, &k), &own): ((&u32, &u32), &u32)| k > 0 && n.div_ceil(k) == own;
            let all = source.shape.iter().zip(group).zip(&layer.shape).all(fits);
            (!all).then_some("a tree's extents must be the source's, divided by the group lengths and rounded up")
        }
        EdgeMap::Explicit(csr) => {
            if csr.len() as u64 != layer.len() {
                return Some("an explicit list needs one row per task");
            }
            let beyond = csr.targets.iter().any(|&target| u64::from(target) >= source.len());
            beyond.then_some("an explicit list names a task that the source does not have")
        }
        EdgeMap::Previous { .. } => Some("only a task of the same layer can be the one before"),
    }
}

fn axis_misfit(layer: &Layer, axis: Axis, extent: u32) -> Option<&'static str> {
    let (own, offset) = match axis {
        Axis::Every => return None,
        Axis::Fixed(coordinate) => return (!layer.is_empty() && coordinate >= extent).then_some(BEYOND),
        Axis::Same(own) => (own, 0),
        Axis::Moved(own, offset) => (own, i64::from(offset)),
    };
    match layer.shape.get(own as usize) {
        None => Some("a block map names an axis that the layer does not have"),
        Some(&count) => {
            let beyond = offset < 0 || i64::from(count) + offset > i64::from(extent);
            (!layer.is_empty() && beyond).then_some(BEYOND)
        }
    }
}

/// A graph as it travels: its layers, without what can be computed from them.
#[derive(Clone, Debug, Encode, Decode)]
pub struct GraphParts {
    /// The layers, in dependency order.
    pub layers: Vec<Layer>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stretch;

    #[test]
    fn an_edge_that_does_not_fit_names_both_layers() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![4])).unwrap();
        let error = graph.add(Layer::new("sum", vec![3]).edge(Edge::new(load, EdgeMap::OneToOne))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer 'sum' of shape [3] can't depend on 'load' of shape [4]: one-to-one needs the same number of tasks"
        );
    }

    #[test]
    fn an_edge_that_reaches_beyond_its_source_is_refused_and_not_waited_for() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![4])).unwrap();
        let on = |axis| Layer::new("use", vec![3]).edge(Edge::new(load, EdgeMap::BlockMap { axes: vec![axis] }));
        for axis in [Axis::Fixed(4), Axis::Moved(0, 2), Axis::Moved(0, -1)] {
            let error = graph.add(on(axis)).unwrap_err();
            assert!(error.to_string().ends_with("it reaches beyond the grid of the source"), "{error}");
        }
        assert!(graph.add(on(Axis::Moved(0, 1))).is_ok());
        let wide = Layer::new("wide", vec![5]);
        assert!(graph.add(wide.edge(Edge::new(load, EdgeMap::BlockMap { axes: vec![Axis::Same(0)] }))).is_err());
        let near = |ranges: &[(u32, u32)]| EdgeMap::Stretches { axes: vec![Stretch::along(0, ranges.to_vec())] };
        for ranges in [&[(0, 2), (1, 3), (2, 5)][..], &[(0, 1), (0, 2)], &[(1, 2), (0, 2), (2, 3)], &[(2, 1); 3]] {
            assert!(graph.add(Layer::new("near", vec![3]).edge(Edge::new(load, near(ranges)))).is_err(), "{ranges:?}");
        }
    }

    #[test]
    fn a_running_result_needs_the_one_before_it() {
        let mut graph = Graph::new();
        let load = graph.add(Layer::new("load", vec![2, 3])).unwrap();
        let running = Layer::new("running", vec![2, 3]).edge(Edge::new(load, EdgeMap::OneToOne));
        graph.add_inner(running, EdgeMap::Previous { axis: 1 }).unwrap();
        let graph = Graph::from_parts(bitcode::decode(&bitcode::encode(&graph.to_parts())).unwrap()).unwrap();
        let (mut needs, mut users) = (Vec::new(), Vec::new());
        graph.predecessors(10, &mut needs);
        graph.predecessors(9, &mut needs);
        graph.successors(10, &mut users);
        assert_eq!((needs, users), (vec![4, 9, 3], vec![11]));
        assert_eq!(crate::order(&graph, &[8]), [0, 6, 1, 7, 2, 8]);
    }

    #[test]
    fn a_graph_drawn_by_hand_survives_the_wire() {
        let mut graph = Graph::new();
        let inputs = Csr::from_rows([&[][..], &[0], &[0, 1]]);
        graph.add_explicit(Layer::new("hand", vec![3]), inputs).unwrap();
        let graph = Graph::from_parts(bitcode::decode(&bitcode::encode(&graph.to_parts())).unwrap()).unwrap();
        let (mut needs, mut users) = (Vec::new(), Vec::new());
        graph.predecessors(2, &mut needs);
        graph.successors(0, &mut users);
        assert_eq!((needs, users), (vec![0, 1], vec![1, 2]));
    }
}
