//! Hashes of Python objects' buffers: the Python face of [`raskal_store::ContentHash`].

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

/// A hash of 128 bits of buffers, one after the other.
#[pyclass(module = "raskal._raskal")]
#[derive(Default)]
pub(crate) struct ContentHash {
    inner: raskal_store::ContentHash,
}

#[pymethods]
impl ContentHash {
    #[new]
    fn new() -> ContentHash {
        ContentHash::default()
    }

    /// Takes the bytes of an object with a contiguous buffer.
    fn update(&mut self, py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not contiguous\nhint: hash a copy of it"));
        }
        if buffer.len_bytes() == 0 {
            return Ok(());
        }
        #[expect(unsafe_code)]
        // SAFETY: the buffer is contiguous, `len_bytes` long, and `buffer` holds it until the end of this function. That
        // others may write to it meanwhile is so for all that reads Python's buffers without the lock, as hashlib does:
        // the hash is then of neither content, which the caller was told.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) };
        py.detach(|| self.inner.update(bytes));
        Ok(())
    }

    /// The hash as 32 hexadecimal digits; a later `update` starts anew.
    fn hexdigest(&mut self) -> String {
        format!("{:032x}", std::mem::take(&mut self.inner).digest())
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ContentHash>()
}
