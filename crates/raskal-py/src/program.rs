//! The Python face of [`raskal_runtime::ProgramBuilder`]: what collections lower themselves into.

use crate::annotate::Asked;
use crate::chain::Chain;
use crate::error::to_exception;
use crate::function::PyFunction;
use crate::value::from_python;
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raskal_graph::{Axis, Csr, Edge, EdgeMap, Layer, LayerId, Stretch, Token};
use raskal_runtime::{Failure, Graft, Program};
use raskal_store::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Layers of tasks, under construction.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct ProgramBuilder {
    inner: Mutex<Option<raskal_runtime::ProgramBuilder>>,
    /// Whether it is to run on a cluster: tables are then cut into stages, instead of one query on all cores.
    #[pyo3(get)]
    pub(crate) distributed: bool,
    /// Whether layers may have names that mean nothing beyond this program: data need not be read to be named.
    pub(crate) brief: bool,
    /// The results of a cluster that it begins at.
    remotes: Mutex<Vec<Arc<raskal_runtime::client::Remote>>>,
}

/// Values that were computed and kept: one per task of the layer that they came from.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Persisted {
    pub(crate) values: Vec<Value>,
}

#[pymethods]
impl Persisted {
    /// Keeps Python objects, one value each.
    #[new]
    fn new(objects: Vec<Bound<'_, PyAny>>) -> Persisted {
        Persisted { values: objects.into_iter().map(from_python).collect() }
    }

    fn __len__(&self) -> usize {
        self.values.len()
    }

    /// Bytes of all values together.
    #[getter]
    fn nbytes(&self) -> usize {
        self.values.iter().map(Value::size_bytes).sum()
    }
}

impl ProgramBuilder {
    /// Calls `body` with the builder.
    ///
    /// Code that calls Python must not do so inside `body`: Python code may use the builder again.
    pub(crate) fn edit<T>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&mut raskal_runtime::ProgramBuilder) -> Result<T, Failure>,
    ) -> PyResult<T> {
        let mut inner = self.inner.lock();
        let builder = inner.as_mut().ok_or_else(|| PyRuntimeError::new_err("this program was run already"))?;
        body(builder).map_err(|failure| to_exception(py, &failure))
    }

    /// Takes the program out, with the tasks whose results are wanted.
    pub(crate) fn finish(&self, wanted: Vec<u32>) -> PyResult<Program> {
        Ok(self.take()?.finish(wanted))
    }

    /// Asks something of the layers whose names end in a token.
    pub(crate) fn annotate_named(&self, py: Python<'_>, asked: &Bound<'_, Asked>, token: &str) -> PyResult<()> {
        let named = self.edit(py, |builder| {
            let layers = builder.graph().layers().iter().enumerate();
            let named = layers.filter(|(_, layer)| layer.prefix.ends_with(token)).map(|(number, _)| number as u32);
            Ok(named.collect::<Vec<_>>())
        })?;
        self.annotate(py, asked, Some(named))
    }

    fn take(&self) -> PyResult<raskal_runtime::ProgramBuilder> {
        let builder = self.inner.lock().take();
        builder.ok_or_else(|| PyRuntimeError::new_err("this program was run already"))
    }
}

/// Edges that give a one-task layer the values of `tasks`, in order.
fn gather_edges(builder: &raskal_runtime::ProgramBuilder, tasks: &[u32]) -> Vec<Edge> {
    let mut runs: Vec<(LayerId, Vec<u32>)> = Vec::new();
    for &task in tasks {
        let (layer, index) = builder.graph().locate(task);
        match runs.last_mut() {
            Some((last, row)) if *last == layer => row.push(index),
            _ => runs.push((layer, vec![index])),
        }
    }
    runs.into_iter().map(|(layer, row)| Edge::new(layer, EdgeMap::Explicit(Csr::from_rows([row.as_slice()])))).collect()
}

/// How the tasks of a layer depend on those of another, as Python writes it.
fn edge_map(how: &Bound<'_, PyAny>) -> PyResult<EdgeMap> {
    if let Ok(name) = how.extract::<String>() {
        return match name.as_str() {
            "one" => Ok(EdgeMap::OneToOne),
            "all" => Ok(EdgeMap::All),
            _ => Err(PyRuntimeError::new_err(format!("unknown kind of dependency '{name}'"))),
        };
    }
    let (name, numbers): (String, Bound<'_, PyAny>) = how.extract()?;
    match name.as_str() {
        "tree" => Ok(EdgeMap::Tree { group: numbers.extract()? }),
        "axes" => Ok(EdgeMap::BlockMap {
            axes: numbers
                .extract::<Vec<i64>>()?
                .into_iter()
                .map(|axis| match axis {
                    -1 => Axis::Every,
                    -2 => Axis::Fixed(0),
                    axis => Axis::Same(axis as u32),
                })
                .collect(),
        }),
        "stretches" => {
            let axes: Vec<(u32, Vec<(u32, u32)>)> = numbers.extract()?;
            Ok(EdgeMap::Stretches {
                axes: axes.into_iter().map(|(axis, ranges)| Stretch::along(axis, ranges)).collect(),
            })
        }
        "rows" => {
            let rows: Vec<Vec<u32>> = numbers.extract()?;
            Ok(EdgeMap::Explicit(Csr::from_rows(rows.iter().map(Vec::as_slice))))
        }
        _ => Err(PyRuntimeError::new_err(format!("unknown kind of dependency '{name}'"))),
    }
}

/// How the tasks of a layer depend on others of it, as Python writes it.
fn inner_map(how: &Bound<'_, PyAny>) -> PyResult<EdgeMap> {
    if how.extract::<&str>().is_ok_and(|name| name == "previous") {
        return Ok(EdgeMap::Previous { axis: 0 });
    }
    let rows: Vec<Vec<u32>> = how.extract()?;
    Ok(EdgeMap::Explicit(Csr::from_rows(rows.iter().map(Vec::as_slice))))
}

/// The edge that gives task `i` of a layer the values of `rows[i]`, in order. `prefix` ends in a content token.
fn edge_of(builder: &mut raskal_runtime::ProgramBuilder, prefix: &str, rows: &[Vec<u32>]) -> Result<Edge, Failure> {
    let mut sources: Vec<LayerId> = Vec::new();
    for &task in rows.iter().flatten() {
        let (layer, _) = builder.graph().locate(task);
        if sources.last() != Some(&layer) && !sources.contains(&layer) {
            sources.push(layer);
        }
    }
    if let [source] = sources[..] {
        let index = |&task: &u32| builder.graph().locate(task).1;
        let indices: Vec<Vec<u32>> = rows.iter().map(|row| row.iter().map(index).collect()).collect();
        let count = builder.graph().layer(source).len() as usize;
        let own = |(at, row): (usize, &Vec<u32>)| row[..] == [at as u32];
        let map = if count == rows.len() && indices.iter().enumerate().all(own) {
            EdgeMap::OneToOne
        } else if indices.iter().all(|row| row.len() == count && row.iter().copied().eq(0..count as u32)) {
            EdgeMap::All
        } else {
            EdgeMap::Explicit(Csr::from_rows(indices.iter().map(Vec::as_slice)))
        };
        return Ok(Edge::new(source, map));
    }
    // Tasks of several layers, in the order in which they are asked for.
    let mut tasks: Vec<u32> = rows.iter().flatten().copied().collect();
    tasks.sort_unstable();
    tasks.dedup();
    let source = builder.add_selection(&format!("select-{}", Token::of([prefix])), &tasks)?;
    let place = |task: &u32| tasks.binary_search(task).map_or(0, |place| place as u32);
    let indices: Vec<Vec<u32>> = rows.iter().map(|row| row.iter().map(place).collect()).collect();
    Ok(Edge::new(source, EdgeMap::Explicit(Csr::from_rows(indices.iter().map(Vec::as_slice)))))
}

#[pymethods]
impl ProgramBuilder {
    #[new]
    #[pyo3(signature = (distributed=false, brief=false))]
    fn new(distributed: bool, brief: bool) -> ProgramBuilder {
        let inner = Mutex::new(Some(raskal_runtime::ProgramBuilder::new()));
        ProgramBuilder { inner, distributed, brief, remotes: Mutex::default() }
    }

    /// Adds one task that calls `callable((), *values)` with the values of `tasks`; returns its number.
    #[pyo3(signature = (prefix, tasks, callable, description, origin=None))]
    pub(crate) fn add_gather(
        &self,
        py: Python<'_>,
        prefix: &str,
        tasks: Vec<u32>,
        callable: Py<PyAny>,
        description: String,
        origin: Option<String>,
    ) -> PyResult<u32> {
        let function = Arc::new(PyFunction::new(callable, description, origin));
        self.edit(py, |builder| {
            let mut layer = Layer::new(prefix, vec![]);
            layer.edges = gather_edges(builder, &tasks);
            let layer = builder.add(layer, function)?;
            Ok(builder.graph().task(layer, 0))
        })
    }

    /// Adds a layer of `count` tasks; task `i` calls `callable((i,), *values)` with the values of `arguments[0][i]`, then
    /// those of `arguments[1][i]`... Returns their numbers. `prefix` ends in a content token.
    /// `eager`: they run as soon as their inputs are there.
    #[pyo3(signature = (prefix, count, arguments, callable, description, origin=None, eager=false))]
    #[expect(clippy::too_many_arguments, reason = "one call site, by name")]
    fn add_calls(
        &self,
        py: Python<'_>,
        prefix: &str,
        count: u32,
        arguments: Vec<Vec<Vec<u32>>>,
        callable: Py<PyAny>,
        description: String,
        origin: Option<String>,
        eager: bool,
    ) -> PyResult<Vec<u32>> {
        let function = Arc::new(PyFunction::new(callable, description, origin));
        self.edit(py, |builder| {
            if builder.known(prefix).is_none() {
                let mut layer = Layer::new(prefix, vec![count]).eager(eager);
                for (place, rows) in arguments.iter().enumerate() {
                    let tasks = builder.graph().task_count();
                    let fits = rows.len() == count as usize && rows.iter().flatten().all(|&task| task < tasks);
                    if !fits {
                        return Err(Failure::internal(format!("argument {place} of layer '{prefix}' does not fit")));
                    }
                    if rows.iter().any(|row| !row.is_empty()) {
                        layer.edges.push(edge_of(builder, &format!("{prefix}/{place}"), rows)?);
                    }
                }
                builder.add(layer, function)?;
            }
            let layer = builder.known(prefix).ok_or_else(|| Failure::internal("a layer was not added"))?;
            Ok(builder.graph().tasks(layer).collect())
        })
    }

    /// Adds a layer of kept values, or of tasks that the handle adds; returns the numbers of its tasks.
    fn add_persisted(slf: &Bound<'_, Self>, prefix: &str, handle: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        let (this, py) = (slf.get(), slf.py());
        if handle.hasattr("__raskal_lower__")? {
            let tasks: Vec<u32> = handle.call_method1("__raskal_lower__", (slf,))?.extract()?;
            return this.edit(py, |builder| {
                let layer = match builder.known(prefix) {
                    Some(known) => known,
                    None => builder.add_selection(prefix, &tasks)?,
                };
                Ok(builder.graph().tasks(layer).collect())
            });
        }
        if let Ok(remote) = handle.cast::<crate::client::RemotePersisted>() {
            let handles = &remote.get().handles;
            let tasks: Vec<_> = handles.iter().map(|handle| handle.task()).collect();
            this.remotes.lock().extend(handles.iter().cloned());
            return this.edit(py, |builder| {
                let layer = builder.add_imports(prefix, vec![tasks.len() as u32], tasks)?;
                Ok(builder.graph().tasks(layer).collect())
            });
        }
        let values = handle.cast::<Persisted>()?.get().values.clone();
        this.edit(py, |builder| {
            let layer = builder.add_values(prefix, vec![values.len() as u32], values)?;
            Ok(builder.graph().tasks(layer).collect())
        })
    }

    /// The results of a cluster that the program begins at.
    fn remotes(&self) -> Vec<crate::client::Remote> {
        self.remotes.lock().iter().map(|handle| crate::client::Remote { handle: handle.clone() }).collect()
    }

    /// Adds copies, under other names, of the tasks that `wanted` of another program needs; returns the copies of `wanted`.
    ///
    /// The first of them wait for the task `after`. Layers that are among `kept` and in this program are not copied.
    #[pyo3(signature = (other, wanted, token, after=None, kept=HashSet::new()))]
    fn graft(
        &self,
        py: Python<'_>,
        other: &ProgramBuilder,
        wanted: Vec<u32>,
        token: &str,
        after: Option<u32>,
        kept: HashSet<String>,
    ) -> PyResult<Vec<u32>> {
        let source = other.take()?;
        self.remotes.lock().extend(other.remotes.lock().drain(..));
        self.edit(py, |builder| builder.graft(Graft { source, wanted: &wanted, token, after, kept: &kept }))
    }

    /// Adds tasks with the values of others, none before the task `after` is done; returns their numbers.
    fn add_after(&self, py: Python<'_>, prefix: &str, tasks: Vec<u32>, after: u32) -> PyResult<Vec<u32>> {
        self.edit(py, |builder| {
            let layer = builder.add_after(prefix, &tasks, after)?;
            Ok(builder.graph().tasks(layer).collect())
        })
    }

    /// The layers that `wanted` needs, as text. Takes the program out, as running it does.
    fn explain(&self, wanted: Vec<u32>) -> PyResult<String> {
        Ok(raskal_runtime::explain(self.take()?, wanted))
    }

    /// The names of the layers so far.
    fn layer_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.edit(py, |builder| Ok(builder.graph().layers().iter().map(|layer| layer.prefix.clone()).collect()))
    }

    /// Asks something of these layers, or of all, as far as nothing was asked of them so far.
    #[pyo3(signature = (asked, layers=None))]
    fn annotate(&self, py: Python<'_>, asked: &Bound<'_, Asked>, layers: Option<Vec<u32>>) -> PyResult<()> {
        let count = self.edit(py, |builder| Ok(builder.graph().layers().len() as u32))?;
        for layer in layers.unwrap_or_else(|| (0..count).collect()) {
            let layer = LayerId(layer);
            let prefix = self.edit(py, |builder| Ok(builder.graph().layer(layer).prefix.clone()))?;
            let asked = asked.get().of(py, || prefix)?;
            self.edit(py, |builder| {
                builder.annotate(layer, &asked);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Adds a layer of calls `callable(coordinates, *inputs)`, which may become one task with those before or behind it;
    /// returns its number.
    ///
    /// Each of `inputs` is the number of an earlier layer and how the tasks depend on it: `"one"`, `"all"`,
    /// `("tree", group)`, `("axes", axes)` (for each axis of the source the own axis that it follows, -1 for all of it,
    /// -2 for its first task), `("stretches", [(own axis, [(from, to), ...]), ...])` for each axis of the source, or
    /// `("rows", lists)`. With `inner`, each task also needs these others of the same layer, or, for `"previous"`, the one
    /// before along the first axis. An iterator that a task returns becomes a list if `settle`.
    #[pyo3(signature = (prefix, shape, inputs, callable, description, origin=None, settle=true, inner=None))]
    #[expect(clippy::too_many_arguments)]
    fn add_layer(
        &self,
        py: Python<'_>,
        prefix: &str,
        shape: Vec<u32>,
        inputs: Vec<(u32, Bound<'_, PyAny>)>,
        callable: Py<PyAny>,
        description: String,
        origin: Option<String>,
        settle: bool,
        inner: Option<Bound<'_, PyAny>>,
    ) -> PyResult<u32> {
        let mut layer = Layer::new(prefix, shape);
        for (source, how) in inputs {
            layer.edges.push(Edge::new(LayerId(source), edge_map(&how)?));
        }
        let mut single: Vec<bool> = layer.edges.iter().map(|edge| edge.map.is_single()).collect();
        if inner.is_some() {
            single.push(false);
        }
        if single.iter().filter(|&&single| !single).count() > 1 {
            return Err(PyRuntimeError::new_err("only one input of a layer may give more than one value to a task"));
        }
        let inner = inner.map(|inner| inner_map(&inner)).transpose()?;
        let function = Arc::new(Chain::new(callable, description, origin, settle, single));
        self.edit(py, |builder| match (builder.known(&layer.prefix), inner) {
            (Some(known), _) => Ok(known.0),
            (None, None) => Ok(builder.add(layer, function)?.0),
            (None, Some(inner)) => Ok(builder.add_inner(layer, inner, function)?.0),
        })
    }

    /// The number of the layer of this name, if there is one.
    fn known_layer(&self, py: Python<'_>, prefix: &str) -> PyResult<Option<u32>> {
        self.edit(py, |builder| Ok(builder.known(prefix).map(|layer| layer.0)))
    }

    /// The numbers of a layer's tasks.
    fn layer_tasks(&self, py: Python<'_>, layer: u32) -> PyResult<Vec<u32>> {
        self.edit(py, |builder| match builder.graph().layers().len() {
            count if layer as usize >= count => {
                Err(Failure::internal(format!("layer {layer} of {count} was asked for")))
            }
            _ => Ok(builder.graph().tasks(LayerId(layer)).collect()),
        })
    }

    /// Adds a layer whose tasks have the values of other tasks, in this order; returns its number.
    fn add_selection(&self, py: Python<'_>, prefix: &str, tasks: Vec<u32>) -> PyResult<u32> {
        self.edit(py, |builder| match builder.known(prefix) {
            Some(known) => Ok(known.0),
            None => Ok(builder.add_selection(prefix, &tasks)?.0),
        })
    }

    /// Adds a layer of objects that exist already; returns its number.
    fn add_objects(&self, py: Python<'_>, prefix: &str, objects: Vec<Bound<'_, PyAny>>) -> PyResult<u32> {
        let values: Vec<Value> = objects.into_iter().map(from_python).collect();
        self.edit(py, |builder| Ok(builder.add_values(prefix, vec![values.len() as u32], values)?.0))
    }

    /// Number of tasks so far.
    fn __len__(&self) -> usize {
        self.inner.lock().as_ref().map_or(0, |builder| builder.graph().task_count() as usize)
    }

    /// The tasks and their dependencies, for drawing: `{"nodes": [...], "edges": [(from, to), ...]}`.
    ///
    /// With `wanted`, only the tasks that those need, each with its place in the order of running.
    #[pyo3(signature = (wanted=None))]
    fn describe<'py>(&self, py: Python<'py>, wanted: Option<Vec<u32>>) -> PyResult<Bound<'py, PyDict>> {
        struct Node {
            id: u32,
            order: Option<usize>,
            key: String,
            layer: String,
            function: String,
        }
        let (nodes, edges) = self.edit(py, |builder| {
            let graph = builder.graph();
            let (mut nodes, mut edges, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
            let ordered = match &wanted {
                Some(wanted) => raskal_graph::order(graph, wanted),
                None => (0..graph.task_count()).collect(),
            };
            for (order, &task) in ordered.iter().enumerate() {
                let (layer, index) = graph.locate(task);
                let function = builder.function(layer);
                let key = function.key(index).unwrap_or_else(|| graph.key(task));
                let layer = graph.layer(layer).prefix.clone();
                let order = wanted.is_some().then_some(order);
                nodes.push(Node { id: task, order, key, layer, function: function.describe_task(index) });
                inputs.clear();
                graph.predecessors(task, &mut inputs);
                edges.extend(inputs.iter().map(|&input| (input, task)));
            }
            Ok((nodes, edges))
        })?;
        let list = PyList::empty(py);
        for node in nodes {
            let entry = PyDict::new(py);
            entry.set_item("id", node.id)?;
            if let Some(order) = node.order {
                entry.set_item("order", order)?;
            }
            entry.set_item("key", node.key)?;
            entry.set_item("layer", node.layer)?;
            entry.set_item("function", node.function)?;
            list.append(entry)?;
        }
        let description = PyDict::new(py);
        description.set_item("nodes", list)?;
        description.set_item("edges", edges)?;
        Ok(description)
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ProgramBuilder>()?;
    module.add_class::<Persisted>()
}
