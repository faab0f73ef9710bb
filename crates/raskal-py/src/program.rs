//! The Python face of [`raskal_runtime::ProgramBuilder`]: what collections lower themselves into.

use crate::annotate::Asked;
use crate::error::to_exception;
use crate::function::PyFunction;
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raskal_graph::{Csr, Edge, EdgeMap, Layer, LayerId};
use raskal_runtime::{Failure, Program};
use raskal_store::Value;
use std::sync::Arc;

/// Layers of tasks, under construction.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct ProgramBuilder {
    inner: Mutex<Option<raskal_runtime::ProgramBuilder>>,
    /// Whether it is to run on a cluster: tables are then cut into stages, instead of one query on all cores.
    #[pyo3(get)]
    pub(crate) distributed: bool,
}

/// Values that were computed and kept: one per task of the layer that they came from.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Persisted {
    pub(crate) values: Vec<Value>,
}

#[pymethods]
impl Persisted {
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
        let builder = self.inner.lock().take();
        Ok(builder.ok_or_else(|| PyRuntimeError::new_err("this program was run already"))?.finish(wanted))
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

#[pymethods]
impl ProgramBuilder {
    #[new]
    #[pyo3(signature = (distributed=false))]
    fn new(distributed: bool) -> ProgramBuilder {
        ProgramBuilder { inner: Mutex::new(Some(raskal_runtime::ProgramBuilder::new())), distributed }
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

    /// Adds a layer of kept values; returns the numbers of its tasks.
    fn add_persisted(&self, py: Python<'_>, prefix: &str, handle: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        if let Ok(remote) = handle.cast::<crate::client::RemotePersisted>() {
            let tasks: Vec<_> = remote.get().handles.iter().map(|handle| handle.task()).collect();
            return self.edit(py, |builder| {
                let layer = builder.add_imports(prefix, vec![tasks.len() as u32], tasks)?;
                Ok(builder.graph().tasks(layer).collect())
            });
        }
        let values = handle.cast::<Persisted>()?.get().values.clone();
        self.edit(py, |builder| {
            let layer = builder.add_values(prefix, vec![values.len() as u32], values)?;
            Ok(builder.graph().tasks(layer).collect())
        })
    }

    /// Asks something of all layers of which nothing was asked so far.
    fn annotate(&self, py: Python<'_>, asked: &Bound<'_, Asked>) -> PyResult<()> {
        let asked = asked.get().of(py, || "array or dataframe".into())?;
        self.edit(py, |builder| {
            builder.annotate(&asked);
            Ok(())
        })
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
