//! The extension module `raskal._raskal`: the only crate that knows Python.

use pyo3::prelude::*;

#[pymodule]
mod _raskal {}
