//! Lines of text files, and their words, as Python strings.
//!
//! Start at [`TextLines`], the iterator that a partition of `raskal.bag.read_text` is; the steps of a bag ask it for its
//! words ([`TextLines::split`]). Files are read, decompressed and counted without the GIL.

use parking_lot::{Mutex, MutexGuard};
use pyo3::exceptions::{PyOSError, PyUnicodeDecodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use raskal_text::{Compression, Counts, LineEnd, Lines, Part, words};
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
pub(crate) struct TextLines {
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

    /// The lines, for one thread.
    fn stream(&self) -> PyResult<MutexGuard<'_, Option<Lines>>> {
        let Some(guard) = self.lines.try_lock() else {
            return Err(PyValueError::new_err("two threads read one stream of lines"));
        };
        if guard.is_none() {
            return Err(PyOSError::new_err(format!("reading '{}' failed before", self.path.display())));
        }
        Ok(guard)
    }

    /// Counts the words of all lines that are left.
    fn count(&self, py: Python<'_>, counts: &mut Counts) -> PyResult<()> {
        let mut guard = self.stream()?;
        let Some(lines) = guard.as_mut() else { return Ok(()) };
        let mut count = || -> std::io::Result<Option<Vec<u8>>> {
            while let Some(line) = lines.next_line()? {
                match std::str::from_utf8(line) {
                    Ok(text) => counts.add(text),
                    Err(_) => return Ok(Some(line.to_vec())),
                }
            }
            Ok(None)
        };
        let error = match py.detach(&mut count) {
            Ok(None) => return Ok(()),
            // Python's own words for what is wrong with it.
            Ok(Some(line)) => self.text(py, &line).err().unwrap_or_else(|| PyValueError::new_err("no text")),
            Err(why) => self.error(&why),
        };
        *guard = None;
        Err(error)
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

    /// The lists of words of the lines, as of `str.split()`; None if lines are not UTF-8.
    fn split(slf: Py<Self>) -> Option<TextSplit> {
        matches!(slf.get().decode, Decode::Utf8).then(|| TextSplit { lines: slf })
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let mut guard = self.stream()?;
        let Some(lines) = guard.as_mut() else { return Ok(None) };
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

/// Iterates over lists of the words of lines.
#[pyclass(module = "raskal._raskal", frozen)]
struct TextSplit {
    lines: Py<TextLines>,
}

#[pymethods]
impl TextSplit {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let Some(line) = self.lines.get().__next__(py)? else { return Ok(None) };
        Ok(Some(PyList::new(py, words(line.to_str()?).collect::<Vec<_>>())?))
    }

    /// The words, one after the other.
    fn flatten(&self, py: Python<'_>) -> TextWords {
        TextWords { lines: self.lines.clone_ref(py), started: Mutex::new(Vec::new()) }
    }
}

/// Iterates over words.
#[pyclass(module = "raskal._raskal", frozen)]
struct TextWords {
    lines: Py<TextLines>,
    /// What is left of the line that was begun, the last word first.
    started: Mutex<Vec<Py<PyString>>>,
}

#[pymethods]
impl TextWords {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyString>>> {
        loop {
            if let Some(word) = self.started.lock().pop() {
                return Ok(Some(word));
            }
            let Some(line) = self.lines.get().__next__(py)? else { return Ok(None) };
            let found: Vec<Py<PyString>> = words(line.to_str()?).map(|word| PyString::new(py, word).unbind()).collect();
            self.started.lock().extend(found.into_iter().rev());
        }
    }

    /// How often each of the words that are left is there, in the order in which they come.
    fn count<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let mut counts = Counts::new();
        let started = std::mem::take(&mut *self.started.lock());
        for word in started.iter().rev() {
            counts.add_word(word.bind(py).to_str()?);
        }
        self.lines.get().count(py, &mut counts)?;
        let found = PyDict::new(py);
        for (word, count) in counts.into_pairs() {
            found.set_item(&*word, count)?;
        }
        Ok(found)
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TextLines>()?;
    module.add_class::<TextSplit>()?;
    module.add_class::<TextWords>()
}
