//! Tasks as plain Python callables, for engines that are not ours: Dask, Ray, executors of `concurrent.futures`.
//!
//! Start at [`export`]. A task in the hands of such an engine is a [`TaskCall`], called with the values of its inputs. It can
//! be pickled: what a layer's tasks share is encoded once, as for a cluster of our own, and a task carries its own part.

use crate::error::to_exception;
use crate::program::ProgramBuilder;
use crate::value::{from_python, to_python};
use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raskal_runtime::{Call, Failure, Function, TaskPayloads};
use raskal_types::SlotClass;
use std::sync::Arc;

/// What the tasks of a layer share.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct LayerFunction {
    function: Arc<dyn Function>,
    shape: Vec<u32>,
    native: bool,
    /// Made when the first of its tasks is pickled, or what it was decoded from.
    encoded: Mutex<Option<Encoded>>,
}

/// A function as bytes.
#[derive(Clone)]
struct Encoded {
    codec: String,
    shared: Bytes,
    /// The tasks' own parts; none where the tasks have them already, since they were sent here.
    tasks: Option<TaskPayloads>,
}

impl LayerFunction {
    fn encoded(&self, py: Python<'_>) -> PyResult<Encoded> {
        // Not held while encoding, which calls Python: two threads may both encode, which does no harm.
        if let Some(encoded) = self.encoded.lock().clone() {
            return Ok(encoded);
        }
        let encoded = self.function.encode().map_err(|failure| to_exception(py, &failure))?;
        let encoded = Encoded { codec: encoded.codec.into(), shared: encoded.shared, tasks: encoded.tasks };
        *self.encoded.lock() = Some(encoded.clone());
        Ok(encoded)
    }
}

#[pymethods]
impl LayerFunction {
    #[staticmethod]
    fn _decode(py: Python<'_>, codec: &str, shared: Vec<u8>, shape: Vec<u32>, native: bool) -> PyResult<LayerFunction> {
        let shared = Bytes::from(shared);
        let function = crate::node::registry().decode(codec, &shared).map_err(|failure| to_exception(py, &failure))?;
        let encoded = Encoded { codec: codec.into(), shared, tasks: None };
        Ok(LayerFunction { function, shape, native, encoded: Mutex::new(Some(encoded)) })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let this = slf.get();
        let encoded = this.encoded(py)?;
        let parts = (encoded.codec, PyBytes::new(py, &encoded.shared), this.shape.clone(), this.native);
        Ok((py.import("raskal.interop.tasks")?.getattr("load_function")?, parts.into_pyobject(py)?))
    }
}

/// One task, called with the values of its inputs.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct TaskCall {
    layer: Py<LayerFunction>,
    index: u32,
    /// Its own part of an encoded function, if it was unpickled.
    payload: Bytes,
    #[pyo3(get)]
    key: String,
    /// What it calls.
    #[pyo3(get, name = "__name__")]
    name: String,
}

#[pymethods]
impl TaskCall {
    #[new]
    fn new(layer: Py<LayerFunction>, index: u32, payload: Vec<u8>, key: String, name: String) -> TaskCall {
        TaskCall { layer, index, payload: payload.into(), key, name }
    }

    /// Whether it runs without Python.
    #[getter]
    fn native(&self) -> bool {
        self.layer.get().native
    }

    #[pyo3(signature = (*inputs))]
    fn __call__<'py>(&self, py: Python<'py>, inputs: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let layer = self.layer.get();
        let inputs = inputs.iter().map(from_python).collect();
        let call = Call { index: self.index, shape: &layer.shape, inputs, payload: &self.payload };
        let answer = if layer.native { py.detach(|| layer.function.run(call)) } else { layer.function.run(call) };
        let value = answer.map_err(|mut failure: Failure| {
            failure.key.get_or_insert_with(|| self.key.clone());
            failure.origin = failure.origin.or_else(|| layer.function.origin(self.index));
            to_exception(py, &failure)
        })?;
        to_python(py, &value)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let this = slf.get();
        let payload = match this.layer.get().encoded(py)?.tasks {
            Some(tasks) => tasks.get(this.index),
            None => this.payload.clone(),
        };
        let parts =
            (this.layer.clone_ref(py), this.index, PyBytes::new(py, &payload), this.key.clone(), this.name.clone());
        Ok((slf.get_type().into_any(), parts.into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        format!("<task {}: {}>", self.key, self.name)
    }
}

/// One task of an exported program: its number, what to call, the numbers of its inputs.
type Exported = (u32, TaskCall, Vec<u32>);

/// The tasks that `wanted` needs, inputs first.
#[pyfunction]
fn export(py: Python<'_>, builder: &ProgramBuilder, wanted: Vec<u32>) -> PyResult<Vec<Exported>> {
    let program = builder.finish(wanted)?;
    if !program.imports.is_empty() {
        return Err(PyTypeError::new_err(
            "results that are on a raskal cluster can't be computed by another engine\nhint: use the client's own compute, or gather them first",
        ));
    }
    let graph = &program.graph;
    let layers = graph
        .layers()
        .iter()
        .zip(&program.functions)
        .map(|(layer, function)| {
            let native = layer.class == SlotClass::Native;
            let shape = layer.shape.clone();
            Py::new(py, LayerFunction { function: function.clone(), shape, native, encoded: Mutex::new(None) })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let mut tasks = Vec::new();
    for task in raskal_graph::order(graph, &program.wanted) {
        let (layer, index) = graph.locate(task);
        let function = &program.functions[layer.0 as usize];
        let mut inputs = Vec::new();
        graph.predecessors(task, &mut inputs);
        let call = TaskCall {
            layer: layers[layer.0 as usize].clone_ref(py),
            index,
            payload: Bytes::new(),
            key: program.key(task),
            name: function.describe_task(index),
        };
        tasks.push((task, call, inputs));
    }
    Ok(tasks)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LayerFunction>()?;
    module.add_class::<TaskCall>()?;
    module.add_function(wrap_pyfunction!(export, module)?)
}
