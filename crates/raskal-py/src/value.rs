//! Python objects as values of the engine, and back.
//!
//! Start at [`PyValue`], [`to_python`] and [`from_python`]. NumPy arrays of plain numbers and native blocks share memory
//! both ways; tables go through Arrow's C interface, which shares as well. What came from another process as bytes is read
//! anew for each reader, who may write to it.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use raskal_store::{Batches, Block, Codec, DType, Frames, Opaque, Private, Value, ValueError};
use std::any::Any;
use std::sync::Arc;

/// A Python object as a value.
pub(crate) struct PyValue(Py<PyAny>);

impl PyValue {
    pub(crate) fn new(object: Bound<'_, PyAny>) -> PyValue {
        PyValue(object.unbind())
    }

    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }
}

/// Assumed size of an object of which nothing is known.
const OBJECT_BYTES: usize = 64;

impl Opaque for PyValue {
    fn size_bytes(&self) -> usize {
        Python::attach(|py| size_bytes(self.0.bind(py)))
    }

    fn type_name(&self) -> String {
        Python::attach(|py| {
            let object = self.0.bind(py).get_type();
            object.fully_qualified_name().map(|name| name.to_string()).unwrap_or_else(|_| "object".into())
        })
    }

    fn to_frames(&self) -> Result<Frames, ValueError> {
        if let Some(block) = self.to_block() {
            return Value::from(block).to_frames();
        }
        Python::attach(|py| {
            pickle(self.0.bind(py))
                .map_err(|error| ValueError::Encode { what: self.type_name(), why: error.to_string() })
        })
    }

    fn to_block(&self) -> Option<Block> {
        Python::attach(|py| block_of(self.0.bind(py)))
    }

    fn to_batches(&self) -> Option<Batches> {
        Python::attach(|py| batches_of(self.0.bind(py)).ok().flatten())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A Python object as a value.
pub(crate) fn from_python(object: Bound<'_, PyAny>) -> Value {
    Value::Opaque(Arc::new(PyValue::new(object)))
}

/// A value as a Python object: blocks as NumPy arrays, batches as a pyarrow table.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Opaque(object) => match object.as_any().downcast_ref::<PyValue>() {
            Some(object) => Ok(object.0.bind(py).clone()),
            None => {
                Err(pyo3::exceptions::PyTypeError::new_err(format!("{} is not a Python object", object.type_name())))
            }
        },
        Value::Block(block) => array_of(py, block),
        Value::Batches(batches) => table_of(py, batches),
        Value::Frames(frames) => match frames.codec {
            Codec::Pickle => unpickle(py, frames),
            Codec::Block => own_array(py, frames),
            Codec::Arrow => {
                let value = Value::from_frames(frames)
                    .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
                to_python(py, &value)
            }
        },
    }
}

fn size_bytes(object: &Bound<'_, PyAny>) -> usize {
    if object.is_none()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
    {
        return OBJECT_BYTES / 2;
    }
    if let Ok(text) = object.cast_exact::<PyString>() {
        return OBJECT_BYTES + text.len().unwrap_or(0);
    }
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return OBJECT_BYTES + bytes.as_bytes().len();
    }
    if let Ok(list) = object.cast_exact::<PyList>() {
        return sampled(list.len(), list.iter().take(SAMPLE));
    }
    if let Ok(tuple) = object.cast_exact::<PyTuple>() {
        return sampled(tuple.len(), tuple.iter().take(SAMPLE));
    }
    if let Ok(dict) = object.cast_exact::<PyDict>() {
        return sampled(dict.len(), dict.values().iter().take(SAMPLE));
    }
    let number = |object: Bound<'_, PyAny>| object.extract::<usize>().ok();
    if let Ok(bytes) = object.getattr("nbytes") {
        return OBJECT_BYTES + number(bytes).unwrap_or(0);
    }
    if let Ok(method) = object.getattr("memory_usage") {
        let sum =
            method.call0().and_then(|usage| if usage.hasattr("sum")? { usage.call_method0("sum") } else { Ok(usage) });
        return OBJECT_BYTES + sum.ok().and_then(number).unwrap_or(0);
    }
    OBJECT_BYTES
}

/// Items of a container that are looked at to estimate its size.
const SAMPLE: usize = 8;

fn sampled<'py>(length: usize, items: impl Iterator<Item = Bound<'py, PyAny>>) -> usize {
    let (mut looked, mut total) = (0, 0);
    for item in items {
        looked += 1;
        total += size_bytes(&item);
    }
    OBJECT_BYTES + usize::checked_div(total * length, looked).unwrap_or(0)
}

/// The array as a native block that shares its memory, if it is C-contiguous and of plain numbers.
fn block_of(object: &Bound<'_, PyAny>) -> Option<Block> {
    let array = object.cast::<PyUntypedArray>().ok()?;
    // Subclasses such as masked arrays mean more than their memory.
    static NDARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let ndarray = NDARRAY.get_or_try_init(py, || py.import("numpy")?.getattr("ndarray").map(Bound::unbind)).ok()?;
    if !object.get_type().is(ndarray.bind(py)) || !array.is_c_contiguous() {
        return None;
    }
    let descr = array.dtype();
    if descr.is_native_byteorder() == Some(false) {
        return None;
    }
    let dtype = match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'i', 1) => DType::I8,
        (b'i', 2) => DType::I16,
        (b'i', 4) => DType::I32,
        (b'i', 8) => DType::I64,
        (b'u', 1) => DType::U8,
        (b'u', 2) => DType::U16,
        (b'u', 4) => DType::U32,
        (b'u', 8) => DType::U64,
        (b'f', 4) => DType::F32,
        (b'f', 8) => DType::F64,
        (b'c', 8) => DType::C64,
        (b'c', 16) => DType::C128,
        _ => return None,
    };
    let data = array_data(array);
    if data.align_offset(dtype.size_bytes().min(8)) != 0 {
        return None;
    }
    let owner = Arc::new(object.clone().unbind());
    #[expect(unsafe_code)]
    // SAFETY: the array is C-contiguous, aligned and of this dtype, and the owner keeps it alive. Results of tasks are
    // not written to, as for every engine of this kind: writing to an input in place is an error of the task's author.
    Some(unsafe { Block::from_raw(data, array.shape(), dtype, owner) })
}

#[expect(unsafe_code)]
fn array_data(array: &Bound<'_, PyUntypedArray>) -> *const u8 {
    // SAFETY: the pointer is to a live NumPy array object, whose layout this is.
    unsafe { (*array.as_array_ptr()).fields.data.cast() }
}

/// Keeps a block alive for the NumPy array that views it.
#[pyclass(frozen)]
struct BlockOwner {
    block: Block,
}

#[pymethods]
impl BlockOwner {
    #[expect(unsafe_code)]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut pyo3::ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().block.as_bytes();
        let (data, length) = (bytes.as_ptr(), bytes.len() as isize);
        // SAFETY: the bytes live as long as the owner, which the view holds on to; they are offered for reading only.
        let code = unsafe {
            pyo3::ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data as *mut std::ffi::c_void, length, 1, flags)
        };
        if code == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// The block as a read-only NumPy array that shares its memory.
fn array_of<'py>(py: Python<'py>, block: &Block) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let shape = PyTuple::new(py, block.shape())?;
    if block.is_empty() {
        return numpy.call_method1("empty", (shape, block.dtype().name()));
    }
    let owner = Bound::new(py, BlockOwner { block: block.clone() })?;
    numpy.call_method1("frombuffer", (owner, block.dtype().name()))?.call_method1("reshape", (shape,))
}

fn batches_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Batches>> {
    let py = object.py();
    let table = if object.hasattr("__arrow_c_stream__")? && !is_pandas(object)? {
        object.clone()
    } else if is_pandas(object)? {
        py.import("pyarrow")?.getattr("Table")?.call_method1("from_pandas", (object,))?
    } else {
        return Ok(None);
    };
    let reader = table.extract::<pyo3_arrow::PyTable>()?;
    let (batches, schema) = reader.into_inner();
    Ok(Some(Batches { schema, batches }))
}

fn is_pandas(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static FRAME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let class = FRAME.get_or_try_init(py, || py.import("pandas")?.getattr("DataFrame").map(Bound::unbind))?;
    object.is_instance(class.bind(py))
}

fn table_of<'py>(py: Python<'py>, batches: &Batches) -> PyResult<Bound<'py, PyAny>> {
    let batches_copy: Vec<RecordBatch> = batches.batches.clone();
    let table = pyo3_arrow::PyTable::try_new(batches_copy, batches.schema.clone())
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    Ok(table.into_pyarrow(py)?.into_any())
}

/// The object pickled by protocol 5, with large buffers beside the stream.
pub(crate) fn pickle(object: &Bound<'_, PyAny>) -> PyResult<Frames> {
    let py = object.py();
    let buffers = PyList::empty(py);
    let keywords = PyDict::new(py);
    keywords.set_item("protocol", 5)?;
    keywords.set_item("buffer_callback", buffers.getattr("append")?)?;
    let plain = py.import("pickle")?.call_method("dumps", (object,), Some(&keywords));
    let head = match plain {
        Ok(head) if !names_main(&head)? => head,
        _ => {
            // Functions made in a session, lambdas, classes of __main__.
            buffers.call_method0("clear")?;
            py.import("cloudpickle")?.call_method("dumps", (object,), Some(&keywords))?
        }
    };
    let head = Bytes::copy_from_slice(head.cast::<PyBytes>()?.as_bytes());
    let buffers = buffers.iter().map(|buffer| buffer_bytes(&buffer.call_method0("raw")?)).collect::<PyResult<_>>()?;
    Ok(Frames { codec: Codec::Pickle, head, buffers })
}

/// Whether a pickle refers to something of `__main__` by name, which is another module in another process.
pub(crate) fn names_main(pickle: &Bound<'_, PyAny>) -> PyResult<bool> {
    static MAIN: std::sync::LazyLock<memchr::memmem::Finder<'static>> =
        std::sync::LazyLock::new(|| memchr::memmem::Finder::new("__main__"));
    Ok(MAIN.find(pickle.cast::<PyBytes>()?.as_bytes()).is_some())
}

/// The memory of a Python buffer, shared.
fn buffer_bytes(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    struct Shared(PyUntypedBuffer);
    impl AsRef<[u8]> for Shared {
        fn as_ref(&self) -> &[u8] {
            if self.0.len_bytes() == 0 {
                return &[];
            }
            #[expect(unsafe_code)]
            // SAFETY: a raw pickle buffer is contiguous, and the view holds its owner for as long as it lives.
            unsafe {
                std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes())
            }
        }
    }
    Ok(Bytes::from_owner(Shared(PyUntypedBuffer::get(object)?)))
}

/// Memory of one Python object, which may write to it: a private view of shared memory.
#[pyclass(frozen)]
struct PrivateMemory {
    memory: Private,
}

#[pymethods]
impl PrivateMemory {
    #[expect(unsafe_code)]
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut pyo3::ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let memory = &slf.get().memory;
        let (data, length) = (memory.as_ptr(), memory.len() as isize);
        // SAFETY: the memory lives as long as its owner, which the view holds on to, and nobody else knows of it.
        let code = unsafe { pyo3::ffi::PyBuffer_FillInfo(view, slf.as_ptr(), data.cast(), length, 0, flags) };
        if code == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// Received bytes as an object to which its owner may write: mapped where they are in shared memory, else copied.
fn own_memory<'py>(py: Python<'py>, bytes: &Bytes) -> PyResult<Bound<'py, PyAny>> {
    match Private::of(bytes) {
        Some(memory) => Ok(Bound::new(py, PrivateMemory { memory })?.into_any()),
        None => Ok(PyByteArray::new(py, bytes).into_any()),
    }
}

/// A received block as a NumPy array with memory of its own.
fn own_array<'py>(py: Python<'py>, frames: &Frames) -> PyResult<Bound<'py, PyAny>> {
    let value = |error: raskal_store::ValueError| pyo3::exceptions::PyValueError::new_err(error.to_string());
    let block = Value::from_frames(frames).and_then(|value| value.as_block()).map_err(value)?;
    let (true, [bytes]) = (!block.is_empty(), frames.buffers.as_slice()) else { return array_of(py, &block) };
    let shape = PyTuple::new(py, block.shape())?;
    let flat = py.import("numpy")?.call_method1("frombuffer", (own_memory(py, bytes)?, block.dtype().name()))?;
    flat.call_method1("reshape", (shape,))
}

/// Reads a pickle; its large buffers are memory of its own.
pub(crate) fn unpickle<'py>(py: Python<'py>, frames: &Frames) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loads = LOADS.get_or_try_init(py, || py.import("pickle")?.getattr("loads").map(Bound::unbind))?.bind(py);
    let head = PyBytes::new(py, &frames.head);
    if frames.buffers.is_empty() {
        return loads.call1((head,));
    }
    let buffers = frames.buffers.iter().map(|bytes| own_memory(py, bytes)).collect::<PyResult<Vec<_>>>()?;
    let keywords = PyDict::new(py);
    keywords.set_item("buffers", buffers)?;
    loads.call((head,), Some(&keywords))
}
