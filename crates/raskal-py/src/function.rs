//! A Python callable as the function of a layer: `callable(coordinates, *inputs)`.

use crate::error::from_exception;
use crate::value::{from_python, pickle, to_python, unpickle};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raskal_runtime::{Call, EncodedFunction, Failure, Function, FunctionRegistry};
use raskal_store::{Frames, Value};
use raskal_types::ErrorKind;
use std::sync::Arc;

/// The codec of callables.
const CODEC: &str = "python.call";

/// Calls one Python object for every task of a layer, with the task's coordinates and its inputs.
pub(crate) struct PyFunction {
    callable: Py<PyAny>,
    description: String,
    origin: Option<String>,
}

impl PyFunction {
    /// `description` is what `explain()` and the dashboard show; `origin` is the user's line, `file:line`.
    pub(crate) fn new(callable: Py<PyAny>, description: String, origin: Option<String>) -> PyFunction {
        PyFunction { callable, description, origin }
    }
}

impl Function for PyFunction {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        Python::attach(|py| {
            let run = || {
                let coordinates = PyTuple::new(py, call.coordinates())?.into_any();
                let inputs = call.inputs.iter().map(|input| to_python(py, input));
                let arguments = std::iter::once(Ok(coordinates)).chain(inputs).collect::<PyResult<Vec<_>>>()?;
                self.callable.bind(py).call1(PyTuple::new(py, arguments)?).map(from_python)
            };
            run().map_err(|error| from_exception(py, error))
        })
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Python::attach(|py| {
            let object = PyTuple::new(
                py,
                [
                    self.callable.bind(py).clone(),
                    self.description.clone().into_pyobject(py).map_err(Failure::internal)?.into_any(),
                ],
            )
            .map_err(|error| from_exception(py, error))?;
            let frames = pickle(object.as_any()).map_err(|error| {
                Failure::new(ErrorKind::Type, format!("cannot serialise {}: {error}", self.description))
            })?;
            let mut shared = Vec::new();
            frames.write_to(&mut shared);
            Ok(EncodedFunction { codec: CODEC, shared: shared.into(), tasks: None })
        })
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn origin(&self, _index: u32) -> Option<String> {
        self.origin.clone()
    }
}

fn decode(shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let frames = Frames::read_from(shared).ok_or_else(|| Failure::internal("an encoded callable is cut short"))?;
    Python::attach(|py| {
        let (callable, description) = unpickle(py, &frames)
            .and_then(|object| object.extract::<(Py<PyAny>, String)>())
            .map_err(|error| from_exception(py, error))?;
        Ok(Arc::new(PyFunction { callable, description, origin: None }) as Arc<dyn Function>)
    })
}

/// Adds the decoders of Python functions.
pub(crate) fn register(registry: &mut FunctionRegistry) {
    registry.register(CODEC, decode);
    crate::array::register_decoder(registry);
    crate::chain::register_decoder(registry);
    crate::delayed::register_decoder(registry);
}
