//! Random graphs: layers with formulas, and graphs drawn by hand.

use rand::rngs::StdRng;
use rand::{RngExt, seq::SliceRandom};
use raskal_graph::{Annotations, Axis, Csr, Edge, EdgeMap, Graph, GraphError, Layer, LayerId, SingledOut};
use raskal_types::SlotClass;

/// At most so many tasks in one layer: small enough for every invariant to be looked at after every step.
const LAYER_LEN_MAX: u64 = 16;

/// A graph whose first layer has `imported` tasks that stand for others, and what is wanted of it.
pub(crate) fn random(rng: &mut StdRng, imported: u32) -> Result<(Graph, Vec<u32>), GraphError> {
    let mut graph = Graph::new();
    if imported > 0 {
        graph.add(Layer::new("imported", vec![imported]))?;
    }
    for number in 0..rng.random_range(1..=4) {
        let layer = Layer::new(format!("layer-{number}"), Vec::new());
        let layer = annotated(rng, layer);
        if rng.random_bool(0.25) {
            by_hand(rng, &mut graph, layer)?;
        } else {
            let layer = by_formula(rng, &graph, layer);
            graph.add(layer)?;
        }
    }
    let wanted = wanted(rng, &graph);
    Ok((graph, wanted))
}

fn annotated(rng: &mut StdRng, layer: Layer) -> Layer {
    let class = if rng.random_bool(0.5) { SlotClass::Python } else { SlotClass::Native };
    Layer { annotations: annotations(rng), ..layer.class(class) }
}

fn annotations(rng: &mut StdRng) -> Annotations {
    let priority = if rng.random_bool(0.2) { rng.random_range(-1..=1) } else { 0 };
    let mut asked = Annotations { priority, retries: rng.random_range(0..=2), ..Annotations::default() };
    if rng.random_bool(0.15) {
        asked.workers = (0..rng.random_range(1..=2)).map(|_| name(rng)).collect();
        asked.allow_other_workers = rng.random_bool(0.5);
    }
    if rng.random_bool(0.15) {
        asked.resources = vec![(RESOURCE.to_owned(), f64::from(rng.random_range(1..=3)) * 0.5)];
    }
    asked
}

/// What workers have and tasks ask for.
pub(crate) const RESOURCE: &str = "gpu";

/// A name that several workers may share.
pub(crate) fn name(rng: &mut StdRng) -> String {
    format!("w{}", rng.random_range(0..3))
}

/// A layer that takes one earlier layer by a formula (now and then twice), or none.
fn by_formula(rng: &mut StdRng, graph: &Graph, mut layer: Layer) -> Layer {
    let count = graph.layers().len();
    if count == 0 || rng.random_bool(0.2) {
        layer.shape = if rng.random_bool(0.5) {
            vec![rng.random_range(1..=10)]
        } else {
            vec![rng.random_range(1..=3), rng.random_range(1..=4)]
        };
        return layer;
    }
    let id = LayerId(rng.random_range(0..count) as u32);
    let source = graph.layer(id).shape.clone();
    let (shape, map) = match rng.random_range(0..5) {
        0 => (vec![rng.random_range(1..=3)], EdgeMap::All),
        1 | 2 => {
            let group: Vec<u32> = source.iter().map(|_| rng.random_range(1..=4)).collect();
            let shape = source.iter().zip(&group).map(|(&extent, &group)| extent.div_ceil(group)).collect();
            (shape, EdgeMap::Tree { group })
        }
        3 => block_map(rng, &source),
        _ => (source.clone(), EdgeMap::OneToOne),
    };
    if shape.iter().map(|&extent| u64::from(extent)).product::<u64>() > LAYER_LEN_MAX {
        layer.shape = vec![1];
        return layer.edge(Edge::new(id, EdgeMap::All));
    }
    layer.shape = shape;
    if rng.random_bool(0.1) {
        layer = layer.edge(Edge::new(id, map.clone()));
    }
    layer.edge(Edge::new(id, map))
}

fn block_map(rng: &mut StdRng, source: &[u32]) -> (Vec<u32>, EdgeMap) {
    let extent = rng.random_range(1..=3);
    match *source {
        [rows] => (vec![rows, extent], EdgeMap::BlockMap { axes: vec![Axis::Same(0)] }),
        [rows, _] => (vec![rows, extent], EdgeMap::BlockMap { axes: vec![Axis::Same(0), Axis::Every] }),
        _ => (vec![extent], EdgeMap::BlockMap { axes: vec![Axis::Fixed(0); source.len()] }),
    }
}

/// A layer whose tasks take each other, numbered in no particular order.
fn by_hand(rng: &mut StdRng, graph: &mut Graph, mut layer: Layer) -> Result<LayerId, GraphError> {
    let count = rng.random_range(1..=12u32);
    let mut numbers: Vec<u32> = (0..count).collect();
    numbers.shuffle(rng);
    let mut rows = vec![Vec::new(); count as usize];
    for at in 1..count as usize {
        for _ in 0..rng.random_range(0..=3) {
            rows[numbers[at] as usize].push(numbers[rng.random_range(0..at)]);
        }
    }
    layer.shape = vec![count];
    if rng.random_bool(0.3) {
        let kinds = vec![annotations(rng), annotations(rng)];
        let kind_of = (0..count).map(|_| rng.random_range(0..=2)).collect();
        layer.singled_out = Some(SingledOut { kinds, kind_of });
    }
    if let (false, true) = (graph.layers().is_empty(), rng.random_bool(0.7)) {
        let id = LayerId(rng.random_range(0..graph.layers().len()) as u32);
        let extent = graph.layer(id).len() as u32;
        let sources: Vec<Vec<u32>> = (0..count)
            .map(|_| (0..rng.random_range(0..=2)).filter(|_| extent > 0).map(|_| rng.random_range(0..extent)).collect())
            .collect();
        layer = layer.edge(Edge::new(id, EdgeMap::Explicit(Csr::from_rows(sources.iter().map(Vec::as_slice)))));
    }
    graph.add_explicit(layer, Csr::from_rows(rows.iter().map(Vec::as_slice)))
}

/// The last layer or some of it, and now and then others (an imported task as well, or one task twice).
fn wanted(rng: &mut StdRng, graph: &Graph) -> Vec<u32> {
    let last = LayerId(graph.layers().len() as u32 - 1);
    let share = if rng.random_bool(0.5) { 1.0 } else { 0.5 };
    let mut wanted: Vec<u32> = graph.tasks(last).filter(|_| rng.random_bool(share)).collect();
    let others = if rng.random_bool(0.5) { rng.random_range(0..=4) } else { 0 };
    wanted.extend((0..others).map(|_| rng.random_range(0..graph.task_count())));
    wanted
}
