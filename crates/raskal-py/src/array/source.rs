//! Blocks that exist already, as sources of expressions: Python objects, or values that an engine keeps.

use crate::program::ProgramBuilder as PyProgramBuilder;
use crate::value::from_python;
use pyo3::prelude::*;
use raskal_array::Source;
use raskal_graph::LayerId;
use raskal_runtime::{Failure, ProgramBuilder};
use raskal_store::Value;
use std::sync::Arc;

/// Values that exist in this process.
pub(crate) struct Blocks {
    name: String,
    prefix: String,
    values: Vec<Value>,
}

impl Blocks {
    /// The blocks of Python objects.
    pub(crate) fn of_objects(name: String, prefix: String, objects: Vec<Bound<'_, PyAny>>) -> Arc<dyn Source> {
        Arc::new(Blocks { name, prefix, values: objects.into_iter().map(from_python).collect() })
    }

    /// The blocks of values.
    pub(crate) fn of_values(name: String, prefix: String, values: Vec<Value>) -> Arc<dyn Source> {
        Arc::new(Blocks { name, prefix, values })
    }
}

impl Source for Blocks {
    fn name(&self) -> &str {
        &self.name
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn add(&self, builder: &mut ProgramBuilder, grid: &[u32]) -> Result<LayerId, Failure> {
        builder.add_values(&self.prefix, grid.to_vec(), self.values.clone())
    }
}

/// Blocks whose tasks another collection added: found by its layer's prefix when a program is built.
pub(crate) struct Added {
    name: String,
    prefix: String,
    /// Adds the layer; called before the expression is lowered.
    pub(crate) handle: Py<PyAny>,
}

impl Added {
    /// The kept blocks behind a handle that only the program builder understands (of a cluster).
    pub(crate) fn new(name: String, prefix: String, handle: Py<PyAny>) -> Added {
        Added { name, prefix, handle }
    }

    /// Has the builder add the kept values, in a row; [`Source::add`] then gives them their grid.
    pub(crate) fn prepare(&self, py: Python<'_>, builder: &Bound<'_, PyProgramBuilder>) -> PyResult<()> {
        builder.call_method1("add_persisted", (self.row(), self.handle.bind(py))).map(|_| ())
    }

    fn row(&self) -> String {
        format!("kept-{}", self.prefix)
    }
}

impl Source for Added {
    fn name(&self) -> &str {
        &self.name
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn add(&self, builder: &mut ProgramBuilder, grid: &[u32]) -> Result<LayerId, Failure> {
        use raskal_graph::{Edge, EdgeMap, Layer};
        let row = builder.known(&self.row()).ok_or_else(|| Failure::internal("kept blocks were not added"))?;
        let layer = Layer::new(self.prefix.clone(), grid.to_vec())
            .class(raskal_types::SlotClass::Native)
            .edge(Edge::new(row, EdgeMap::OneToOne));
        builder.add(layer, Arc::new(raskal_array::blocks::Pass))
    }
}
