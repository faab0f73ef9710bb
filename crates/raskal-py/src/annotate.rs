//! What users ask of tasks beyond their result: `raskal.annotate`.
//!
//! A node that is made inside `with annotate(...)` holds on to its [`Asked`]. Outside of any such block, asking costs the
//! look at one number.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use raskal_graph::Annotations;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many `annotate` blocks are open in all threads.
static OPEN: AtomicI64 = AtomicI64::new(0);

/// What one `annotate` block asks, together with those around it.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Asked {
    annotations: Annotations,
    /// All of it, also what the engine has no use for.
    all: Py<PyDict>,
    /// Whether something in it is a function of the task's key.
    by_key: bool,
}

#[pymethods]
impl Asked {
    #[new]
    #[pyo3(signature = (all, priority=0, retries=0, workers=Vec::new(), allow_other_workers=false, resources=Vec::new(), by_key=false))]
    fn new(
        all: Py<PyDict>,
        priority: i32,
        retries: u32,
        workers: Vec<String>,
        allow_other_workers: bool,
        resources: Vec<(String, f64)>,
        by_key: bool,
    ) -> Asked {
        let annotations = Annotations { priority, retries, workers, allow_other_workers, resources };
        Asked { annotations, all, by_key }
    }

    /// What was asked.
    #[getter]
    fn all(&self, py: Python<'_>) -> Py<PyDict> {
        self.all.clone_ref(py)
    }
}

impl Asked {
    /// What is asked of the task of this key.
    pub(crate) fn of(&self, py: Python<'_>, key: impl FnOnce() -> String) -> PyResult<Annotations> {
        if !self.by_key {
            return Ok(self.annotations.clone());
        }
        let resolve = py.import("raskal.annotations")?.getattr("resolve")?;
        let asked = resolve.call1((self.all.bind(py), key()))?.cast_into::<Asked>()?;
        Ok(asked.get().annotations.clone())
    }
}

/// Counts `annotate` blocks as they are opened (1) and closed (-1).
#[pyfunction]
fn annotating(change: i64) {
    OPEN.fetch_add(change, Ordering::Relaxed);
}

/// What the innermost `annotate` block of this context asks.
pub(crate) fn current(py: Python<'_>) -> Option<Py<Asked>> {
    if OPEN.load(Ordering::Relaxed) == 0 {
        return None;
    }
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current =
        CURRENT.get_or_try_init(py, || py.import("raskal.annotations")?.getattr("current").map(Bound::unbind)).ok()?;
    current.bind(py).call0().ok()?.cast_into::<Asked>().ok().map(Bound::unbind)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Asked>()?;
    module.add_function(wrap_pyfunction!(annotating, module)?)
}
