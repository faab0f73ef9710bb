//! Lines of text files as Python strings.
//!
//! Start at [`TextLines`], the iterator that a partition of `raskal.bag.read_text` is. Files are read and decompressed
//! without the GIL.

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyUnicodeDecodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use raskal_text::{Compression, LineEnd, Lines, Part};
use std::ffi::CString;
use std::path::PathBuf;

/// How bytes become text.
enum Decode {
    /// Strict UTF-8.
    Utf8,
    /// Python's codec of this name, with this handling of errors.
    Codec(CString, CString),
}

/// Iterates over the lines of a file, or of one part of it.
#[pyclass(module = "raskal._raskal", frozen)]
struct TextLines {
    /// `None` once it has failed: a stream that broke must not look like one that ended.
    lines: Mutex<Option<Lines>>,
    path: PathBuf,
    decode: Decode,
}

impl TextLines {
    fn error(&self, why: &std::io::Error) -> PyErr {
        let text = format!("cannot read '{}': {why}", self.path.display());
        match why.kind() {
            std::io::ErrorKind::NotFound => pyo3::exceptions::PyFileNotFoundError::new_err(text),
            std::io::ErrorKind::PermissionDenied => pyo3::exceptions::PyPermissionError::new_err(text),
            _ => PyOSError::new_err(text),
        }
    }

    fn text<'py>(&self, py: Python<'py>, line: &[u8]) -> PyResult<Bound<'py, PyString>> {
        let text = match &self.decode {
            Decode::Utf8 => PyString::from_bytes(py, line),
            Decode::Codec(encoding, errors) => {
                PyString::from_encoded_object(PyBytes::new(py, line).as_any(), Some(encoding), Some(errors))
            }
        };
        text.inspect_err(|error| {
            if error.is_instance_of::<PyUnicodeDecodeError>(py) {
                // An exception class may forbid notes; the exception matters more.
                let _ = error.value(py).call_method1("add_note", (format!("in '{}'", self.path.display()),));
            }
        })
    }
}

#[pymethods]
impl TextLines {
    /// `newline` is None (each line end becomes `\n`), empty (line ends stay as they are), or what ends a line.
    #[new]
    #[pyo3(signature = (path, compression, start, end, newline, encoding, errors))]
    #[expect(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        compression: Option<&str>,
        start: Option<u64>,
        end: Option<u64>,
        newline: Option<Vec<u8>>,
        encoding: String,
        errors: String,
    ) -> PyResult<TextLines> {
        let compression = match compression {
            None => None,
            Some(name) => Some(Compression::from_name(name).ok_or_else(|| {
                PyValueError::new_err(format!("no reader for compression '{name}'\nhint: use gzip, bz2, xz or zstd"))
            })?),
        };
        let line_end = match newline {
            None => LineEnd::Universal,
            Some(end) if end.is_empty() => LineEnd::Any,
            Some(end) => LineEnd::Exactly(end),
        };
        let decode = match (encoding.as_str(), errors.as_str()) {
            ("utf-8", "strict") => Decode::Utf8,
            _ => Decode::Codec(CString::new(encoding)?, CString::new(errors)?),
        };
        let part = start.map(|from| Part { from, to: end });
        let opened = py.detach(|| raskal_text::open(&path, compression, part, line_end));
        let text = TextLines { lines: Mutex::new(None), path, decode };
        *text.lines.lock() = Some(opened.map_err(|why| text.error(&why))?);
        Ok(text)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let Some(mut guard) = self.lines.try_lock() else {
            return Err(PyValueError::new_err("two threads read one stream of lines"));
        };
        let Some(lines) = guard.as_mut() else {
            return Err(PyOSError::new_err(format!("reading '{}' failed before", self.path.display())));
        };
        while !lines.is_ready() {
            if let Err(why) = py.detach(|| lines.fill()) {
                *guard = None;
                return Err(self.error(&why));
            }
        }
        let line = lines.take_line().map(|line| self.text(py, line)).transpose();
        if line.is_err() {
            *guard = None;
        }
        line
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TextLines>()
}
