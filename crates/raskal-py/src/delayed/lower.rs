//! Nodes to one layer of tasks.
//!
//! Start at [`lower_delayed`]. Linear in nodes and arguments; without recursion, whatever the depth.

use super::node::{Kind, Node};
use super::object::Delayed;
use super::tasks::Tasks;
use crate::program::ProgramBuilder;
use crate::value::from_python;
use foldhash::fast::FixedState;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskal_graph::{Csr, Edge, EdgeMap, Layer, SingledOut};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The nodes that are needed, inputs before their users.
#[derive(Default)]
struct Found {
    nodes: Vec<Arc<Node>>,
    places: HashMap<*const Node, u32, FixedState>,
    /// Nodes of one key are one task.
    keys: HashMap<String, u32>,
}

impl Found {
    /// Finds what `wanted` needs, but nothing behind a node whose value is `known` by its key.
    fn find(&mut self, wanted: &Arc<Node>, known: Option<&Bound<'_, PyDict>>) -> PyResult<u32> {
        let mut stack: Vec<(&Arc<Node>, bool)> = vec![(wanted, false)];
        while let Some((node, visited)) = stack.pop() {
            let address = Arc::as_ptr(node);
            if self.places.contains_key(&address) {
                continue;
            }
            if !visited
                && let Some(known) = known
                && let Some(value) = known.get_item(node.key(known.py()))?
            {
                let key = Some(node.key(known.py()));
                self.places.insert(address, self.nodes.len() as u32);
                self.nodes.push(Node::new(known.py(), Kind::Value(from_python(value)), key));
                continue;
            }
            if !visited {
                let before = stack.len();
                stack.push((node, true));
                node.visit(&mut |input| {
                    if !self.places.contains_key(&Arc::as_ptr(input)) {
                        stack.push((input, false));
                    }
                });
                if stack.len() > before + 1 {
                    // Left to right.
                    stack[before + 1..].reverse();
                    continue;
                }
                stack.pop();
            }
            let next = self.nodes.len() as u32;
            let place = match &node.key {
                Some(key) => *self.keys.entry(key.clone()).or_insert(next),
                None => next,
            };
            self.places.insert(address, place);
            if place == next {
                self.nodes.push(node.clone());
            }
        }
        Ok(self.places[&Arc::as_ptr(wanted)])
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Adds one layer with a task for each node that the given ones need; returns the numbers of their tasks. Values that are
/// `known`, by key, are not computed again.
#[pyfunction]
#[pyo3(signature = (builder, objects, known=None))]
pub(super) fn lower_delayed(
    py: Python<'_>,
    builder: &Bound<'_, ProgramBuilder>,
    objects: Vec<Bound<'_, Delayed>>,
    known: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<u32>> {
    let mut found = Found::default();
    let wanted: Vec<u32> =
        objects.iter().map(|object| found.find(&object.get().node, known)).collect::<PyResult<_>>()?;
    let Found { nodes, places, .. } = found;

    // Results of other collections come in through one layer that selects their tasks.
    let mut outside = Vec::new();
    let (mut inputs, mut outer, mut row) = (Csr::default(), Csr::default(), Vec::new());
    for node in &nodes {
        row.clear();
        node.visit(&mut |input| row.push(places[&Arc::as_ptr(input)]));
        inputs.push(&row);
        match &node.kind {
            Kind::Collection(object) => {
                outer.push(&[outside.len() as u32]);
                outside.push(lower_collection(builder, object.bind(py), &node.key(py))?);
            }
            _ => outer.push(&[]),
        }
    }
    let count = nodes.len() as u32;
    let singled_out = singled_out(py, &nodes)?;
    let tasks = Arc::new(Tasks::new(nodes));
    builder.get().edit(py, |builder| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut layer = Layer::new(format!("delayed-{number:032x}"), vec![count]);
        layer.singled_out = singled_out;
        if !outside.is_empty() {
            let selection = builder.add_selection(&format!("inputs-{number:032x}"), &outside)?;
            layer = layer.edge(Edge::new(selection, EdgeMap::Explicit(outer)));
        }
        let layer = builder.add_explicit(layer, inputs, tasks)?;
        Ok(wanted.iter().map(|&place| builder.graph().task(layer, place)).collect())
    })
}

/// What was asked of single nodes, if anything was.
fn singled_out(py: Python<'_>, nodes: &[Arc<Node>]) -> PyResult<Option<SingledOut>> {
    if nodes.iter().all(|node| node.asked.is_none()) {
        return Ok(None);
    }
    let mut out = SingledOut { kinds: Vec::new(), kind_of: vec![0; nodes.len()] };
    for (node, kind_of) in nodes.iter().zip(&mut out.kind_of) {
        let Some(asked) = &node.asked else { continue };
        let annotations = asked.get().of(py, || node.key(py))?;
        // Few differ; the last ones are the likeliest.
        let place = out.kinds.iter().rposition(|kind| *kind == annotations).unwrap_or_else(|| {
            out.kinds.push(annotations);
            out.kinds.len() - 1
        });
        *kind_of = u16::try_from(place + 1).map_err(|_| {
            PyValueError::new_err("more than 65534 different annotations in one graph\nhint: compute it in parts")
        })?;
    }
    Ok(Some(out))
}

/// Adds the tasks of another collection, and one that puts their values together; returns its number.
fn lower_collection(builder: &Bound<'_, ProgramBuilder>, object: &Bound<'_, PyAny>, key: &str) -> PyResult<u32> {
    let tasks: Vec<u32> = object.call_method1("__raskal_lower__", (builder,))?.extract()?;
    if let ([task], true) = (tasks.as_slice(), object.hasattr("__raskal_single__")?) {
        // Its result is the task's value as it is (a future, a persisted value).
        return Ok(*task);
    }
    let finalize = object.getattr("__raskal_finalize__")?;
    let gather = object.py().import("raskal.base")?.getattr("_Gather")?.call1((finalize,))?;
    builder.get().add_gather(object.py(), &format!("finalize-{key}"), tasks, gather.unbind(), "finalize".into(), None)
}
