//! Culling and order on graphs of every kind of edge: properties of random graphs, and classic shapes, drawn.
//!
//! A drawing shows each layer as a grid; the number at a task's place is when it runs, a dot is a task that was culled.

use proptest::prelude::*;
use raskal_graph::layer::{coordinates, index};
use raskal_graph::{Axis, Csr, Edge, EdgeMap, Graph, Layer, LayerId, Stretch, order};
use std::collections::BTreeSet;

/// A layer to be: its extent, whether it is eager, and for each edge a source among the layers before and a formula.
type Drawn = (u32, bool, Vec<(prop::sample::Index, u8, prop::sample::Index)>);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let edge = (any::<prop::sample::Index>(), 0u8..6, any::<prop::sample::Index>());
    prop::collection::vec((1u32..6, any::<bool>(), prop::collection::vec(edge, 0..3)), 1..7)
}

/// The formula of a kind from a layer of one extent to another's, or one that always fits.
fn formula(kind: u8, source: u32, extent: u32, at: prop::sample::Index) -> EdgeMap {
    let own = at.index(source as usize) as u32;
    match kind {
        0 if source == extent => EdgeMap::OneToOne,
        1 => EdgeMap::All,
        2 => EdgeMap::BlockMap { axes: vec![Axis::Fixed(own)] },
        3 if extent == source.div_ceil(2) => EdgeMap::Tree { group: vec![2] },
        4 => {
            let range = |task: u32| ((task * source / extent).min(source), ((task + 1) * source / extent).min(source));
            EdgeMap::Stretches { axes: vec![Stretch::along(0, (0..extent).map(range))] }
        }
        _ => {
            let rows: Vec<Vec<u32>> = (0..extent).map(|task| vec![(task + own) % source]).collect();
            EdgeMap::Explicit(Csr::from_rows(rows.iter().map(Vec::as_slice)))
        }
    }
}

fn graph_of(layers: &[Drawn]) -> Graph {
    let mut graph = Graph::new();
    for (number, (extent, eager, edges)) in layers.iter().enumerate() {
        let mut layer = Layer::new(format!("layer-{number}"), vec![*extent]).eager(*eager);
        for (source, kind, at) in edges.iter().take(if number == 0 { 0 } else { edges.len() }) {
            let source = source.index(number);
            layer = layer.edge(Edge::new(LayerId(source as u32), formula(*kind, layers[source].0, *extent, *at)));
        }
        // A running result: each task needs the one before it as well.
        let running = edges.len() == 2;
        if running { graph.add_inner(layer, EdgeMap::Previous { axis: 0 }) } else { graph.add(layer) }.unwrap();
    }
    graph
}

proptest! {
    #[test]
    fn culling_keeps_the_ancestors_and_order_lists_inputs_first(
        layers in drawn(), wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let graph = graph_of(&layers);
        let wanted: Vec<u32> = wanted.iter().map(|at| at.index(graph.task_count() as usize) as u32).collect();
        let (mut ancestors, mut found, mut inputs) = (BTreeSet::new(), wanted.clone(), Vec::new());
        while let Some(task) = found.pop() {
            if ancestors.insert(task) {
                inputs.clear();
                graph.predecessors(task, &mut inputs);
                found.extend(&inputs);
            }
        }
        let ordered = order(&graph, &wanted);
        let mut listed = BTreeSet::new();
        for &task in &ordered {
            inputs.clear();
            graph.predecessors(task, &mut inputs);
            prop_assert!(inputs.iter().all(|input| listed.contains(input)), "{} runs before an input", graph.key(task));
            prop_assert!(listed.insert(task), "{} runs twice", graph.key(task));
        }
        prop_assert_eq!(listed, ancestors);
    }
}

/// The layers as grids, with the place of each task in the order.
fn draw(graph: &Graph, wanted: &[u32]) -> String {
    let ordered = order(graph, wanted);
    let place = |task: u32| match ordered.iter().position(|&other| other == task) {
        Some(place) => format!("{place:4}"),
        None => "   .".into(),
    };
    let mut text = String::new();
    for (number, layer) in graph.layers().iter().enumerate() {
        text += &format!("{}\n", layer.prefix);
        let width = layer.shape.last().copied().unwrap_or(1) as usize;
        let tasks: Vec<u32> = graph.tasks(LayerId(number as u32)).collect();
        for row in tasks.chunks(width) {
            text += &format!("{}\n", row.iter().map(|&task| place(task)).collect::<String>());
        }
    }
    text
}

fn last(graph: &Graph) -> Vec<u32> {
    graph.tasks(LayerId(graph.layers().len() as u32 - 1)).collect()
}

#[test]
fn a_stencil_is_made_front_by_front() {
    let mut graph = Graph::new();
    let mut before = graph.add(Layer::new("load", vec![8])).unwrap();
    for step in 1..4 {
        let edge = Edge::new(before, EdgeMap::Stretches { axes: vec![Stretch::around(0, 8, 1, 1)] });
        before = graph.add(Layer::new(format!("step {step}"), vec![8]).edge(edge)).unwrap();
    }
    insta::assert_snapshot!(draw(&graph, &last(&graph)), @r"
    load
       0   1   3   6  10  14  18  22
    step 1
       2   4   7  11  15  19  23  24
    step 2
       5   8  12  16  20  25  26  27
    step 3
       9  13  17  21  28  29  30  31
    ");
}

#[test]
fn a_selection_culls_what_it_does_not_see() {
    let mut graph = Graph::new();
    let load = graph.add(Layer::new("load", vec![3, 4])).unwrap();
    let step = graph.add(Layer::new("step", vec![3, 4]).edge(Edge::new(load, EdgeMap::OneToOne))).unwrap();
    let axes = vec![Axis::Same(0), Axis::Fixed(2)];
    graph.add(Layer::new("column 2", vec![3]).edge(Edge::new(step, EdgeMap::BlockMap { axes }))).unwrap();
    insta::assert_snapshot!(draw(&graph, &last(&graph)), @r"
    load
       .   .   0   .
       .   .   3   .
       .   .   6   .
    step
       .   .   1   .
       .   .   4   .
       .   .   7   .
    column 2
       2   5   8
    ");
}

#[test]
fn a_product_of_matrices_finishes_one_sum_before_the_next() {
    let mut graph = Graph::new();
    let left = graph.add(Layer::new("a", vec![2, 3])).unwrap();
    let right = graph.add(Layer::new("b", vec![3, 2])).unwrap();
    let (row, column) = (vec![Axis::Same(0), Axis::Same(2)], vec![Axis::Same(2), Axis::Same(1)]);
    let product = Layer::new("a * b", vec![2, 2, 3])
        .edge(Edge::new(left, EdgeMap::BlockMap { axes: row }))
        .edge(Edge::new(right, EdgeMap::BlockMap { axes: column }));
    let product = graph.add(product).unwrap();
    let axes = vec![Axis::Same(0), Axis::Same(1), Axis::Every];
    graph.add(Layer::new("sum", vec![2, 2]).edge(Edge::new(product, EdgeMap::BlockMap { axes }))).unwrap();
    insta::assert_snapshot!(draw(&graph, &last(&graph)), @r"
    a
       0   3   6
      17  20  23
    b
       1  10
       4  12
       7  14
    a * b
       2   5   8
      11  13  15
      18  21  24
      19  22  25
    sum
       9  16
      27  26
    ");
}

#[test]
fn many_to_many_splits_each_source_once() {
    let mut graph = Graph::new();
    let load = graph.add(Layer::new("load", vec![3])).unwrap();
    let split = Layer::new("split", vec![3, 3]).eager(true);
    let split = graph.add(split.edge(Edge::new(load, EdgeMap::BlockMap { axes: vec![Axis::Same(0)] }))).unwrap();
    let axes = vec![Axis::Every, Axis::Same(0)];
    graph.add(Layer::new("merge", vec![3]).edge(Edge::new(split, EdgeMap::BlockMap { axes }))).unwrap();
    insta::assert_snapshot!(draw(&graph, &last(&graph)), @r"
    load
       0   4   8
    split
       1   2   3
       5   6   7
       9  10  11
    merge
      12  14  13
    ");
}

#[test]
fn coordinates_and_index_are_inverse() {
    let shape = [2, 3, 4];
    assert!((0..24).all(|task| index(&shape, &coordinates(&shape, task)) == task));
}
