//! A Python function on partitions, `callable(table, partition) -> table`, with pyarrow tables.
//!
//! `python/raskal/dataframe/_mapper.py` turns them into pandas objects and back.

use super::arrow::batches;
use crate::error::from_exception;
use crate::value::{pickle, to_python, unpickle};
use arrow::record_batch::RecordBatch;
use pyo3::prelude::*;
use raskal_frame::codec::register_mapper;
use raskal_frame::nodes::map::Mapper;
use raskal_runtime::Failure;
use raskal_store::{Batches, Frames, Value};
use raskal_types::ErrorKind;
use std::sync::Arc;

/// Name of the decoder.
const CODEC: &str = "python.mapper";

/// A Python function on partitions.
pub(crate) struct PyMapper {
    callable: Py<PyAny>,
    name: String,
    token: String,
}

impl PyMapper {
    pub(crate) fn new(callable: Py<PyAny>, name: String, token: String) -> PyMapper {
        PyMapper { callable, name, token }
    }
}

impl std::fmt::Debug for PyMapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PyMapper({}, {})", self.name, self.token)
    }
}

impl Mapper for PyMapper {
    fn map(&self, partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure> {
        Python::attach(|py| {
            let call = || {
                let table = to_python(py, &Value::from(input))?;
                let result = self.callable.bind(py).call1((table, partition))?;
                Ok(batches(&result)?.batches)
            };
            call().map_err(|error| from_exception(py, error))
        })
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn token(&self) -> String {
        self.token.clone()
    }

    fn encode(&self) -> Result<(&'static str, Vec<u8>), Failure> {
        Python::attach(|py| {
            let encode = || {
                let object = (self.callable.clone_ref(py), &self.name, &self.token).into_pyobject(py)?;
                pickle(object.as_any())
            };
            let frames = encode()
                .map_err(|error| Failure::new(ErrorKind::Type, format!("cannot serialise {}: {error}", self.name)))?;
            let mut bytes = Vec::new();
            frames.write_to(&mut bytes);
            Ok((CODEC, bytes))
        })
    }
}

fn decode(bytes: &[u8]) -> Result<Arc<dyn Mapper>, Failure> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let frames = Frames::read_from(&bytes).ok_or_else(|| Failure::internal("an encoded function is cut short"))?;
    Python::attach(|py| {
        let (callable, name, token) = unpickle(py, &frames)
            .and_then(|object| object.extract::<(Py<PyAny>, String, String)>())
            .map_err(|error| from_exception(py, error))?;
        Ok(Arc::new(PyMapper { callable, name, token }) as Arc<dyn Mapper>)
    })
}

/// Adds the decoder of Python functions on partitions.
pub(crate) fn register() {
    register_mapper(CODEC, decode);
}
