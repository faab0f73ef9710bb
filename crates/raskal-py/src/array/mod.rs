//! The Python face of [`raskal_array`]: expressions, host functions on blocks, and kept blocks as sources.
//!
//! Start at [`expr::ArrayExpr`]. [`convert`] reads chunks, types and operands; [`kernel`] runs Python callables on blocks;
//! [`layout`] moves elements that native copies do not know; [`source`] brings blocks in.

mod convert;
mod expr;
mod kernel;
mod layout;
mod source;

use pyo3::prelude::*;
use raskal_runtime::FunctionRegistry;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<expr::ArrayExpr>()?;
    module.add("NoKernel", module.py().get_type::<convert::NoKernel>())?;
    module.add_function(wrap_pyfunction!(expr::normalize_array_chunks, module)?)
}

/// Adds the decoders of array functions, native and in Python.
pub(crate) fn register_decoder(registry: &mut FunctionRegistry) {
    raskal_array::register(registry);
    layout::register(registry);
}
