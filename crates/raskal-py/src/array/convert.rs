//! Python arguments of array expressions: chunks, element types, operands, indices; and errors as exceptions.

use super::expr::ArrayExpr;
use numpy::PyReadonlyArray2;
use numpy::ndarray::ArrayView1;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PySlice, PyString, PyTuple};
use raskal_array::dtype::ElementType;
use raskal_array::normalize::AxisSpec;
use raskal_array::runs::Run;
use raskal_array::{ArrayError, Chunks, Index, Operand, Scalar};
use raskal_store::DType;

pyo3::create_exception!(_raskal, NoKernel, PyTypeError, "No native kernel does this; NumPy may, on the block.");

/// The exception of an error in an expression.
pub(crate) fn raise(error: ArrayError) -> PyErr {
    let message = error.to_string();
    match error {
        ArrayError::Value(_) => PyValueError::new_err(message),
        ArrayError::Index(_) => PyIndexError::new_err(message),
        ArrayError::Type(_) => PyTypeError::new_err(message),
        ArrayError::NoKernel(_) => NoKernel::new_err(message),
    }
}

/// The element type of NumPy's name and size.
pub(crate) fn element_type(name: &str, size_bytes: usize) -> ElementType {
    match DType::from_name(name) {
        Some(dtype) => dtype.into(),
        None => ElementType::Host { name: name.into(), size_bytes },
    }
}

/// A type that native kernels know.
pub(crate) fn native(name: &str) -> PyResult<DType> {
    DType::from_name(name).ok_or_else(|| raise(ArrayError::NoKernel(format!("elements of type {name}"))))
}

/// Explicit chunks.
pub(crate) fn chunks(lengths: Vec<Vec<usize>>) -> Chunks {
    Chunks::new(lengths)
}

/// A plain number.
pub(crate) fn scalar(object: &Bound<'_, PyAny>) -> PyResult<Scalar> {
    if object.is_exact_instance_of::<PyBool>() {
        return Ok(Scalar::Bool(object.extract()?));
    }
    if object.is_exact_instance_of::<PyInt>() {
        return object
            .extract()
            .map(Scalar::Int)
            .map_err(|_| raise(ArrayError::NoKernel("integers beyond 64 bits".into())));
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Scalar::Float(object.extract()?));
    }
    Err(raise(ArrayError::NoKernel(format!("numbers of type {}", object.get_type().name()?))))
}

/// An array or an untyped number.
pub(crate) fn operand(object: &Bound<'_, PyAny>) -> PyResult<Operand> {
    match object.cast::<ArrayExpr>() {
        Ok(expr) => Ok(Operand::Array(expr.get().expr.clone())),
        Err(_) => scalar(object).map(Operand::Weak),
    }
}

/// What a user wrote for the chunks of one axis.
pub(crate) fn axis_spec(object: &Bound<'_, PyAny>) -> PyResult<AxisSpec> {
    if object.is_none() {
        return Ok(AxisSpec::Keep);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return AxisSpec::from_text(text.to_str()?).map_err(raise);
    }
    if let Ok(size) = object.extract::<i64>() {
        return Ok(AxisSpec::Size(size));
    }
    object.extract::<Vec<usize>>().map(AxisSpec::Lengths).map_err(|_| {
        PyTypeError::new_err(format!(
            "chunks {object} are neither a number, a list of block lengths, \"auto\", a byte size nor None"
        ))
    })
}

/// One entry of an index; the caller has replaced ellipses and boolean lists.
pub(crate) fn index(object: &Bound<'_, PyAny>) -> PyResult<Index> {
    if object.is_none() {
        return Ok(Index::New);
    }
    if let Ok(slice) = object.cast::<PySlice>() {
        let part = |name: &str| slice.getattr(name)?.extract::<Option<i64>>();
        return Ok(match (part("start")?, part("stop")?, part("step")?) {
            (None, None, None | Some(1)) => Index::All,
            (start, stop, step) => Index::Range { start, stop, step: step.unwrap_or(1) },
        });
    }
    match object.extract::<i64>() {
        Ok(at) => Ok(Index::At(at)),
        Err(_) => object.extract::<Vec<i64>>().map(Index::Take),
    }
}

/// Elements along an axis: rows of one index, or of start, step and count.
pub(crate) fn runs(chosen: &PyReadonlyArray2<'_, i64>) -> PyResult<Vec<Run>> {
    let rows = chosen.as_array();
    let natural = |value: i64| {
        usize::try_from(value)
            .map_err(|_| PyIndexError::new_err(format!("index {value} is negative and was not wrapped")))
    };
    if rows.ncols() == 1 {
        return rows.iter().map(|&index| natural(index)).collect::<PyResult<_>>().map(Run::compress);
    }
    if rows.ncols() != 3 {
        return Err(PyValueError::new_err(format!("runs have 3 columns, not {}", rows.ncols())));
    }
    let run = |row: ArrayView1<'_, i64>| match (row[0], row[1], row[2]) {
        (_, 0, _) => Err(PyValueError::new_err("a run of elements needs a distance that is not zero")),
        (start, step, count) => Ok(Run { start: natural(start)?, step, count: natural(count)? }),
    };
    rows.rows().into_iter().filter(|row| row[2] > 0).map(run).collect()
}

/// Lengths as Python's tuples.
pub(crate) fn chunk_tuples<'py>(py: Python<'py>, chunks: &Chunks) -> PyResult<Bound<'py, PyTuple>> {
    let axes = chunks.axes().map(|axis| PyTuple::new(py, axis)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, axes)
}
