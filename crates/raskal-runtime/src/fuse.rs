//! Joins layers that follow one another task by task into one, where their functions know how.
//!
//! Start at [`fuse`]. What is between two joined layers never becomes a value of the engine: a chain of steps over a
//! partition is one task, and can run as one stream. Invariant: wanted tasks keep their values and their keys, and only a
//! layer whose every task feeds one task of one other layer, and nothing else, disappears.

use crate::{Function, Program};
use raskal_graph::graph::GraphParts;
use raskal_graph::{EdgeMap, Graph, Layer, LayerId};
use raskal_types::TaskId;
use std::collections::HashMap;
use std::sync::Arc;

/// A layer that waits for its only user, which may take it in.
struct Held {
    layer: Layer,
    function: Arc<dyn Function>,
}

/// The layers of the joined graph; edges still name layers by their old numbers.
#[derive(Default)]
struct Joined {
    layers: Vec<Layer>,
    functions: Vec<Arc<dyn Function>>,
    /// New number of each old layer that is left.
    places: HashMap<LayerId, LayerId>,
}

impl Joined {
    fn add(&mut self, old: LayerId, layer: Layer, function: Arc<dyn Function>) {
        self.places.insert(old, LayerId(self.layers.len() as u32));
        self.layers.push(layer);
        self.functions.push(function);
    }
}

/// The program of these layers, fewer where they can be joined.
pub(crate) fn fuse(
    graph: Graph,
    functions: Vec<Arc<dyn Function>>,
    imports: HashMap<LayerId, Vec<TaskId>>,
    wanted: Vec<u32>,
) -> Program {
    let users = users(&graph, &wanted);
    let may_go = |layer: usize| users[layer] == 1 && functions[layer].joinable().is_some();
    if !(0..functions.len()).any(may_go) {
        return Program { graph: Arc::new(graph), functions, imports, wanted, recorder: None };
    }
    let (mut joined, mut held): (Joined, HashMap<LayerId, Held>) = Default::default();
    for (number, layer) in graph.layers().iter().enumerate() {
        let id = LayerId(number as u32);
        let (mut layer, mut function) = (layer.clone(), functions[number].clone());
        let mut at = 0;
        while at < layer.edges.len() {
            let source = layer.edges[at].source;
            let Some(before) = held.remove(&source) else {
                at += 1;
                continue;
            };
            // Of one shape, so that coordinates and the formulas of edges mean the same in both.
            let alike = before.layer.class == layer.class
                && before.layer.annotations == layer.annotations
                && before.layer.singled_out.is_none()
                && layer.singled_out.is_none()
                && before.layer.shape == layer.shape;
            let both = match &layer.edges[at].map {
                EdgeMap::OneToOne if alike => function.absorb(at, &*before.function),
                _ => None,
            };
            let Some(both) = both else {
                joined.add(source, before.layer, before.function);
                at += 1;
                continue;
            };
            function = both;
            layer.edges.remove(at);
            at += before.layer.edges.len();
            layer.edges.splice(0..0, before.layer.edges);
        }
        if may_go(number) {
            held.insert(id, Held { layer, function });
        } else {
            joined.add(id, layer, function);
        }
    }
    rebuild(&graph, joined, imports, wanted)
}

/// How many edges lead to each layer; one whose tasks are wanted counts as used by many.
fn users(graph: &Graph, wanted: &[u32]) -> Vec<u32> {
    let mut users = vec![0u32; graph.layers().len()];
    for edge in graph.layers().iter().flat_map(|layer| &layer.edges) {
        users[edge.source.0 as usize] += 1;
    }
    for &task in wanted {
        users[graph.locate(task).0.0 as usize] += 2;
    }
    users
}

fn rebuild(old: &Graph, joined: Joined, imports: HashMap<LayerId, Vec<TaskId>>, wanted: Vec<u32>) -> Program {
    let Joined { mut layers, functions, places } = joined;
    for edge in layers.iter_mut().flat_map(|layer| &mut layer.edges) {
        edge.source = places[&edge.source];
    }
    let graph = Graph::from_parts(GraphParts { layers }).expect("joined layers have the shapes that they had");
    let wanted = wanted
        .into_iter()
        .map(|task| {
            let (layer, index) = old.locate(task);
            graph.task(places[&layer], index)
        })
        .collect();
    let imports = imports.into_iter().map(|(layer, tasks)| (places[&layer], tasks)).collect();
    Program { graph: Arc::new(graph), functions, imports, wanted, recorder: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, EncodedFunction, Failure, ProgramBuilder};
    use proptest::prelude::*;
    use raskal_graph::Edge;
    use raskal_store::{Block, Value};
    use std::any::Any;

    /// Adds up its inputs and a number; joined, each source is run on its share of the inputs first.
    #[derive(Clone)]
    struct Sum {
        number: f64,
        /// For each edge, the function that was put in its place.
        sources: Vec<Option<Sum>>,
    }

    impl Sum {
        fn total(&self, inputs: &mut impl Iterator<Item = f64>) -> f64 {
            // Sources that were taken in later have their inputs before the others', so they are read first.
            let mut parts = vec![None; self.sources.len()];
            for (place, source) in self.sources.iter().enumerate().rev() {
                parts[place] = source.as_ref().map(|source| source.total(inputs));
            }
            self.number + parts.into_iter().map(|part| part.unwrap_or_else(|| inputs.next().unwrap())).sum::<f64>()
        }
    }

    impl Function for Sum {
        fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
            let mut inputs = call
                .inputs
                .iter()
                .map(|input| input.as_block().unwrap().as_slice::<f64>().unwrap()[0])
                .collect::<Vec<_>>()
                .into_iter();
            let total = self.total(&mut inputs);
            assert_eq!(inputs.next(), None);
            Ok(Block::from_vec(vec![total + f64::from(call.index)], &[1]).into())
        }

        fn encode(&self) -> Result<EncodedFunction, Failure> {
            Err(Failure::internal("not sent"))
        }

        fn describe(&self) -> String {
            "sum".into()
        }

        fn joinable(&self) -> Option<&dyn Any> {
            // The index is added once for a chain, so only chains that ignore it may join.
            (self.number >= 0.0).then_some(self)
        }

        fn absorb(&self, edge: usize, source: &dyn Function) -> Option<Arc<dyn Function>> {
            let source = source.joinable()?.downcast_ref::<Sum>()?;
            let mut both = self.clone();
            // The edge's number counts the inputs of those taken in before, which come first.
            let before: usize = both.sources.iter().flatten().map(Sum::width).sum();
            let place = edge.checked_sub(before)?;
            let place = (0..both.sources.len()).filter(|&n| both.sources[n].is_none()).nth(place)?;
            both.sources[place] = Some(source.clone());
            Some(Arc::new(both))
        }
    }

    impl Sum {
        fn width(&self) -> usize {
            self.sources.iter().map(|source| source.as_ref().map_or(1, Sum::width)).sum()
        }
    }

    fn value(program: &Program, task: u32, known: &mut HashMap<u32, f64>) -> f64 {
        if let Some(&value) = known.get(&task) {
            return value;
        }
        let mut needs = Vec::new();
        program.graph.predecessors(task, &mut needs);
        let inputs =
            needs.iter().map(|&need| Block::from_vec(vec![value(program, need, known)], &[1]).into()).collect();
        let (_, index) = program.graph.locate(task);
        let answer = program.call(task, inputs).unwrap().as_block().unwrap().as_slice::<f64>().unwrap()[0];
        // Without the index, which a joined chain adds once and single steps each.
        known.insert(task, answer - f64::from(index));
        answer - f64::from(index)
    }

    proptest! {
        #[test]
        fn joined_layers_give_the_same_values_under_the_same_keys(
            layers in prop::collection::vec((0u32..100, prop::collection::vec(any::<prop::sample::Index>(), 0..3), any::<bool>()), 1..9),
            wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        ) {
            let (mut plain, mut builder) = (Graph::new(), ProgramBuilder::new());
            let mut functions: Vec<Arc<dyn Function>> = Vec::new();
            for (number, (amount, sources, shifted)) in layers.iter().enumerate() {
                let mut layer = Layer::new(format!("layer-{number}"), vec![3]);
                let sources = if number == 0 { &[][..] } else { sources };
                for source in sources {
                    let source = LayerId(source.index(number) as u32);
                    let axes = vec![raskal_graph::Axis::Fixed(1)];
                    let map = if *shifted { EdgeMap::BlockMap { axes } } else { EdgeMap::OneToOne };
                    layer = layer.edge(Edge::new(source, map));
                }
                let function = Arc::new(Sum { number: f64::from(*amount), sources: vec![None; sources.len()] });
                plain.add(layer.clone()).unwrap();
                functions.push(function.clone());
                builder.add(layer, function).unwrap();
            }
            let wanted: Vec<u32> = wanted.iter().map(|index| index.index(plain.task_count() as usize) as u32).collect();
            let imports = HashMap::new();
            let plain = Program { graph: Arc::new(plain), functions, imports, wanted: wanted.clone(), recorder: None };
            let fused = builder.finish(wanted);
            prop_assert!(fused.graph.layers().len() <= plain.graph.layers().len());
            let (mut first, mut second) = (HashMap::new(), HashMap::new());
            for (&before, &after) in plain.wanted.iter().zip(&fused.wanted) {
                prop_assert_eq!(plain.key(before), fused.key(after));
                prop_assert_eq!(value(&plain, before, &mut first), value(&fused, after, &mut second));
            }
        }
    }

    #[test]
    fn a_chain_becomes_one_layer_and_a_shared_layer_stays() {
        let mut builder = ProgramBuilder::new();
        let sum = |sources| Arc::new(Sum { number: 1.0, sources: vec![None; sources] });
        let chained = |builder: &mut ProgramBuilder, name: &str, source| {
            let layer = Layer::new(name, vec![4]).edge(Edge::new(source, EdgeMap::OneToOne));
            builder.add(layer, sum(1)).unwrap()
        };
        let load = builder.add(Layer::new("load", vec![4]), sum(0)).unwrap();
        let shared = chained(&mut builder, "shared", load);
        let left = chained(&mut builder, "left", shared);
        let left = chained(&mut builder, "left-2", left);
        let right = chained(&mut builder, "right", shared);
        let wanted = [left, right].map(|layer| builder.graph().task(layer, 2)).to_vec();
        let program = builder.finish(wanted);
        let names: Vec<&str> = program.graph.layers().iter().map(|layer| layer.prefix.as_str()).collect();
        assert_eq!(names, ["shared", "left-2", "right"]);
    }
}
