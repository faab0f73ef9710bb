//! Python callables as functions on blocks.

use super::source::LateToken;
use crate::error::from_exception;
use crate::function::PyFunction;
use pyo3::prelude::*;
use raskal_array::{HostKernel, LateName};
use raskal_runtime::{Failure, Function};
use std::sync::Arc;

/// A callable `f(coordinates, *blocks)`.
pub(crate) struct PyKernel {
    /// The callable.
    pub(crate) callable: Py<PyAny>,
    /// Why it runs in Python, for `explain()`.
    pub(crate) reason: String,
    /// Whether it has a method `with_transposed(orders)` that gives a callable for blocks with other orders of axes.
    pub(crate) transposable: bool,
    /// The user's line.
    pub(crate) origin: Option<String>,
    /// Its name by content, if the expression was made with another.
    pub(crate) late: Option<LateToken>,
}

impl HostKernel for PyKernel {
    fn function(&self, transposed: &[Option<Vec<usize>>]) -> Result<Arc<dyn Function>, Failure> {
        Python::attach(|py| {
            let callable = if transposed.iter().any(Option::is_some) {
                let orders = transposed.to_vec();
                let turned = self.callable.bind(py).call_method1("with_transposed", (orders,));
                turned.map_err(|error| from_exception(py, error))?.unbind()
            } else {
                self.callable.clone_ref(py)
            };
            let function = PyFunction::new(callable, self.reason.clone(), self.origin.clone());
            Ok(Arc::new(function) as Arc<dyn Function>)
        })
    }

    fn takes_transposed(&self) -> bool {
        self.transposable
    }

    fn is_product(&self) -> bool {
        // Products are what takes transposed blocks.
        self.transposable
    }

    fn late_token(&self) -> Option<&dyn LateName> {
        self.late.as_ref().map(|late| late as &dyn LateName)
    }

    fn reason(&self) -> String {
        self.reason.clone()
    }
}
