//! Failures as Python exceptions, and back.
//!
//! A user's own exception travels as the object that it is, so that it comes back with its own traceback. Kinds map to
//! the types that NumPy, pandas and Dask users already catch.

use crate::value::{PyValue, from_python, to_python};
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyError, PyMemoryError, PyNotImplementedError, PyOSError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskal_proto::FailureMessage;
use raskal_runtime::{Failure, wire};
use raskal_store::Value;
use raskal_types::ErrorKind;
use std::sync::Arc;

/// The exception to raise for a failure.
pub(crate) fn to_exception(py: Python<'_>, failure: &Failure) -> PyErr {
    if let Some(exception) = &failure.exception
        && let Ok(object) = to_python(py, exception)
    {
        let error = PyErr::from_value(object);
        note(py, &error, failure);
        return error;
    }
    let message = failure.to_string();
    match failure.kind {
        ErrorKind::Value => PyValueError::new_err(message),
        ErrorKind::Type => PyTypeError::new_err(message),
        ErrorKind::Key => PyKeyError::new_err(message),
        ErrorKind::FileNotFound => PyFileNotFoundError::new_err(message),
        ErrorKind::Io => PyOSError::new_err(message),
        ErrorKind::Memory => PyMemoryError::new_err(message),
        ErrorKind::Unsupported => PyNotImplementedError::new_err(message),
        ErrorKind::Killed => named(py, "KilledWorker", message),
        ErrorKind::Cancelled => named(py, "CancelledError", message),
        ErrorKind::Lost => named(py, "LostResult", message),
        ErrorKind::Rescheduled => named(py, "Reschedule", message),
        ErrorKind::User | ErrorKind::Internal => PyRuntimeError::new_err(message),
    }
}

/// An exception of a class of `raskal.exceptions`.
fn named(py: Python<'_>, class: &str, message: String) -> PyErr {
    let make = || py.import("raskal.exceptions")?.getattr(class)?.call1((&message,));
    match make() {
        Ok(object) => PyErr::from_value(object),
        Err(error) => error,
    }
}

/// Adds the task's key and the user's line to an exception, where tracebacks show them.
fn note(py: Python<'_>, error: &PyErr, failure: &Failure) {
    let Some(key) = &failure.key else { return };
    let origin = failure.origin.as_ref().map(|origin| format!(", made at {origin}")).unwrap_or_default();
    let text = format!("in task {key}{origin}");
    let value = error.value(py);
    // An exception that is raised again (by a second compute) keeps its one note.
    let noted = value.getattr("__notes__").and_then(|notes| notes.contains(&text)).unwrap_or(false);
    if !noted {
        // An exception class may forbid notes; the exception matters more.
        let _ = value.call_method1("add_note", (text,));
    }
}

/// The failure of a task whose Python code raised.
pub(crate) fn from_exception(py: Python<'_>, error: PyErr) -> Failure {
    let message = error.to_string();
    let exception = Value::Opaque(Arc::new(PyValue::new(error.into_value(py).into_bound(py).into_any())));
    Failure { exception: Some(exception), ..Failure::new(ErrorKind::User, message) }
}

/// A failure that travelled, with its exception.
pub(crate) fn unpack(py: Python<'_>, message: &FailureMessage) -> Failure {
    let mut failure = wire::from_message(message);
    if let Some(bytes) = &message.exception {
        let unpack = || {
            py.import("raskal.distributed._failure")?
                .getattr("unpack")?
                .call1((PyBytes::new(py, bytes), &message.traceback))
        };
        match unpack() {
            Ok(object) => failure.exception = Some(from_python(object)),
            Err(error) => {
                failure.message = format!(
                    "{}\n(its exception could not be read here: {error})\n{}",
                    failure.message, message.traceback
                )
            }
        }
    }
    failure
}
