//! Tables, arrays, schemas and scalars shared with pyarrow.

use crate::value::to_python;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use pyo3::prelude::*;
use raskal_store::{Batches, Value};

/// A pyarrow table or record batch as batches.
pub(crate) fn batches(table: &Bound<'_, PyAny>) -> PyResult<Batches> {
    let (batches, schema) = table.extract::<pyo3_arrow::PyTable>()?.into_inner();
    Ok(Batches { schema, batches })
}

/// A pyarrow schema.
pub(crate) fn schema(schema: &Bound<'_, PyAny>) -> PyResult<SchemaRef> {
    Ok(schema.extract::<pyo3_arrow::PySchema>()?.into_inner())
}

/// A schema for pyarrow.
pub(crate) fn schema_to_python<'py>(py: Python<'py>, schema: SchemaRef) -> PyResult<Bound<'py, PyAny>> {
    Ok(pyo3_arrow::PySchema::new(schema).into_pyarrow(py)?.into_any())
}

/// A pyarrow type.
pub(crate) fn dtype(dtype: &Bound<'_, PyAny>) -> PyResult<DataType> {
    Ok(dtype.extract::<pyo3_arrow::PyDataType>()?.into_inner())
}

/// A pyarrow array.
pub(crate) fn array(array: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    Ok(array.extract::<pyo3_arrow::PyArray>()?.into_inner().0)
}

/// An array for pyarrow.
pub(crate) fn array_to_python<'py>(py: Python<'py>, array: ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let batch = RecordBatch::try_from_iter([("0", array)])
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    let value = Value::from(Batches { schema: batch.schema(), batches: vec![batch] });
    to_python(py, &value)?.call_method1("column", (0,))?.call_method0("combine_chunks")
}
