//! Records of the tasks of a local run, for Python's profilers and callbacks.
//!
//! Start at [`Recorder`]. Times are seconds of `time.perf_counter`, which is the clock of this crate's instants.

use crate::error::from_exception;
use crate::value::to_python;
use parking_lot::Mutex;
use pyo3::prelude::*;
use raskal_graph::Graph;
use raskal_runtime::local::{Observer, Recorder as Inner};
use raskal_runtime::{Failure, Function, Program};
use raskal_store::Value;
use std::sync::Arc;

/// A graph and its layers' functions.
type Ran = (Arc<Graph>, Vec<Arc<dyn Function>>);

/// Notes which task ran when, and where.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Recorder {
    inner: Arc<Inner>,
    /// `time.perf_counter()` when it was made.
    epoch_s: f64,
    /// What was run, to name its tasks.
    ran: Mutex<Option<Ran>>,
}

/// Calls Python before and after each task.
struct Calls {
    before: Option<Py<PyAny>>,
    after: Option<Py<PyAny>>,
}

impl Observer for Calls {
    fn before(&self, task: u32, thread: u32) -> Result<(), Failure> {
        let Some(before) = &self.before else { return Ok(()) };
        Python::attach(|py| before.call1(py, (task, thread)).map(|_| ()).map_err(|error| from_exception(py, error)))
    }

    fn after(&self, task: u32, thread: u32, value: &Value) -> Result<(), Failure> {
        let Some(after) = &self.after else { return Ok(()) };
        Python::attach(|py| {
            let call = || after.call1(py, (task, thread, to_python(py, value)?)).map(|_| ());
            call().map_err(|error| from_exception(py, error))
        })
    }
}

/// One record: task, thread, begin and end in seconds, bytes of the value, whether it failed.
type Row = (u32, u32, f64, f64, u64, bool);

#[pymethods]
impl Recorder {
    /// `before(task, thread)` and `after(task, thread, value)` are called on the threads that run the tasks.
    #[new]
    #[pyo3(signature = (before=None, after=None))]
    fn new(py: Python<'_>, before: Option<Py<PyAny>>, after: Option<Py<PyAny>>) -> PyResult<Recorder> {
        let observed = before.is_some() || after.is_some();
        let observer = observed.then(|| Box::new(Calls { before, after }) as Box<dyn Observer>);
        let epoch_s = py.import("time")?.call_method0("perf_counter")?.extract()?;
        Ok(Recorder { inner: Arc::new(Inner::new(observer)), epoch_s, ran: Mutex::new(None) })
    }

    /// The records since the last call, in the order in which tasks ended.
    fn take(&self) -> Vec<Row> {
        let records = self.inner.take();
        let at = |time: std::time::Duration| self.epoch_s + time.as_secs_f64();
        let row = |record: raskal_runtime::local::Record| {
            (record.task, record.thread, at(record.begun), at(record.ended), record.size_bytes, record.failed)
        };
        records.into_iter().map(row).collect()
    }

    /// Key, layer and function of each of these tasks of the program that was run.
    fn names(&self, tasks: Vec<u32>) -> Vec<(String, String, String)> {
        let ran = self.ran.lock();
        let Some((graph, functions)) = ran.as_ref() else { return Vec::new() };
        let name = |task: u32| {
            let (layer, index) = graph.locate(task);
            let function = &functions[layer.0 as usize];
            let key = function.key(index).unwrap_or_else(|| graph.key(task));
            (key, graph.layer(layer).prefix.clone(), function.describe_task(index))
        };
        tasks.into_iter().map(name).collect()
    }
}

impl Recorder {
    /// Has the tasks of a program noted.
    pub(crate) fn attach(&self, program: &mut Program) {
        *self.ran.lock() = Some((program.graph.clone(), program.functions.clone()));
        program.recorder = Some(self.inner.clone());
    }
}

/// The dashboard's module that draws flame graphs, for reports that are one file.
#[pyfunction]
fn flame_script() -> &'static str {
    include_str!("../../raskal-dashboard/src/static/flame.js")
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(flame_script, module)?)?;
    module.add_class::<Recorder>()
}
