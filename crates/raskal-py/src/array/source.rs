//! Blocks that exist already, as sources of expressions: Python objects, or values that an engine keeps.

use crate::program::ProgramBuilder as PyProgramBuilder;
use crate::value::from_python;
use pyo3::prelude::*;
use raskal_array::{LateName, Source};
use raskal_graph::{Csr, Edge, EdgeMap, Layer, LayerId};
use raskal_runtime::{Failure, ProgramBuilder};
use raskal_store::Value;
use std::sync::{Arc, OnceLock};

/// Values that exist in this process.
pub(crate) struct Blocks {
    name: String,
    prefix: String,
    values: Vec<Value>,
    late: Option<LateToken>,
}

/// A name that a Python callable makes when it is asked for.
pub(crate) struct LateToken {
    callable: Py<PyAny>,
    known: OnceLock<String>,
}

impl LateToken {
    /// The name that `callable()` gives.
    pub(crate) fn new(callable: Py<PyAny>) -> LateToken {
        LateToken { callable, known: OnceLock::new() }
    }
}

impl LateName for LateToken {
    fn get(&self) -> String {
        if let Some(known) = self.known.get() {
            return known.clone();
        }
        let made = Python::attach(|py| {
            let name = self.callable.call0(py).and_then(|name| name.extract::<String>(py));
            name.unwrap_or_else(|error| {
                // A name of its own is right, it only is not the same next time.
                error.write_unraisable(py, None);
                format!("unnamed-{:x}-{:x}", std::process::id(), self.callable.as_ptr() as usize)
            })
        });
        self.known.get_or_init(|| made).clone()
    }
}

impl Blocks {
    /// The blocks of Python objects; `late` gives the prefix by content if `prefix` is none.
    pub(crate) fn of_objects(
        name: String,
        prefix: String,
        objects: Vec<Bound<'_, PyAny>>,
        late: Option<LateToken>,
    ) -> Arc<dyn Source> {
        Arc::new(Blocks { name, prefix, values: objects.into_iter().map(from_python).collect(), late })
    }

    /// The blocks of values.
    pub(crate) fn of_values(name: String, prefix: String, values: Vec<Value>) -> Arc<dyn Source> {
        Arc::new(Blocks { name, prefix, values, late: None })
    }
}

impl Source for Blocks {
    fn name(&self) -> &str {
        &self.name
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn late_prefix(&self) -> Option<&dyn LateName> {
        self.late.as_ref().map(|late| late as &dyn LateName)
    }

    fn add(&self, builder: &mut ProgramBuilder, prefix: &str, grid: &[u32]) -> Result<LayerId, Failure> {
        builder.add_values(prefix, grid.to_vec(), self.values.clone())
    }
}

/// Blocks that are tasks of another collection, or kept by a cluster: added before the expression is lowered.
pub(crate) struct Added {
    name: String,
    prefix: String,
    grid: Vec<u32>,
    /// A collection, or a handle that only the program builder understands.
    handle: Py<PyAny>,
}

impl Added {
    /// A grid of blocks, each of which is one task of `handle`, in order.
    pub(crate) fn new(name: String, prefix: String, grid: Vec<u32>, handle: Py<PyAny>) -> Added {
        Added { name, prefix, grid, handle }
    }

    /// Adds the tasks, and the layer that gives them their grid.
    pub(crate) fn prepare(&self, py: Python<'_>, builder: &Bound<'_, PyProgramBuilder>) -> PyResult<()> {
        let handle = self.handle.bind(py);
        let tasks: Vec<u32> = if handle.hasattr("__raskal_lower__")? {
            handle.call_method1("__raskal_lower__", (builder,))?.extract()?
        } else {
            builder.call_method1("add_persisted", (format!("kept-{}", self.prefix), handle))?.extract()?
        };
        builder.get().edit(py, |builder| self.add_grid(builder, &tasks))
    }

    fn add_grid(&self, builder: &mut ProgramBuilder, tasks: &[u32]) -> Result<(), Failure> {
        let count: u32 = self.grid.iter().product();
        if tasks.len() as u32 != count {
            return Err(Failure::internal(format!("{} tasks stand for {count} blocks", tasks.len())));
        }
        let places: Vec<(LayerId, u32)> = tasks.iter().map(|&task| builder.graph().locate(task)).collect();
        let mut layers: Vec<LayerId> = places.iter().map(|&(layer, _)| layer).collect();
        layers.sort_unstable();
        layers.dedup();
        let mut layer = Layer::new(self.prefix.clone(), self.grid.clone()).class(raskal_types::SlotClass::Native);
        for source in layers {
            let mut rows = Csr::default();
            for &(own, index) in &places {
                rows.push(if own == source { std::slice::from_ref(&index) } else { &[] });
            }
            layer = layer.edge(Edge::new(source, EdgeMap::Explicit(rows)));
        }
        builder.add(layer, Arc::new(raskal_array::blocks::Pass)).map(|_| ())
    }
}

impl Source for Added {
    fn name(&self) -> &str {
        &self.name
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn add(&self, builder: &mut ProgramBuilder, prefix: &str, _grid: &[u32]) -> Result<LayerId, Failure> {
        builder.known(prefix).ok_or_else(|| Failure::internal("blocks of another collection were not added"))
    }
}
