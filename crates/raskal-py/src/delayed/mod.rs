//! The nodes of graphs that users draw by calling functions.
//!
//! - [`node`]: a node, its arguments, and how Python arguments become either.
//! - [`object`]: the class `Delayed`, a handle to a node.
//! - [`lower`]: nodes to one layer of tasks.
//! - [`tasks`]: the function of that layer, here and on a worker.

mod lower;
mod node;
mod object;
mod tasks;

pub(crate) use tasks::register_decoder;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<object::Delayed>()?;
    module.add_function(wrap_pyfunction!(lower::lower_delayed, module)?)
}
