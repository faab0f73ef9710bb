//! An executor process: Python threads that run the tasks a node sends.
//!
//! Start at [`run_executor`], which `python -m raskal.executor` calls. The threads are Python's and stay attached for
//! life; they detach only to wait. The pipe to the node is read by a thread that Python does not know.

use crate::engine::PythonThread;
use crate::value::{PyValue, pickle, to_python};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use raskal_proto::observe::{Frame, Profile, Stack};
use raskal_proto::{FailureMessage, INLINE_BYTES_MAX};
use raskal_runtime::node::executor::CallAnswer;
use raskal_runtime::node::{Executor, ExecutorHost, ExecutorOptions, Running};
use raskal_runtime::wire::to_message;
use raskal_runtime::{Failure, ThreadHost};
use raskal_store::{Codec, Frames, Slate, Value};
use raskal_types::ErrorKind;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Containers with more items than this are not looked through for what can travel inside a message.
const ITEMS_MAX: usize = 8;

struct PythonHost<'py>(PythonThread<'py>, Python<'py>);

impl ExecutorHost for PythonHost<'_> {
    fn detached(&self, body: &mut dyn FnMut()) {
        self.0.detached(body);
    }

    fn inline(&self, value: &Value) -> Option<Vec<u8>> {
        match value {
            Value::Opaque(object) => inline(object.as_any().downcast_ref::<PyValue>()?.bind(self.1)),
            other if other.size_bytes() <= INLINE_BYTES_MAX => {
                raskal_runtime::wire::to_inline(&other.to_frames().ok()?)
            }
            _ => None,
        }
    }

    fn pack(&self, failure: Failure) -> FailureMessage {
        pack(self.1, failure)
    }

    fn call(&self, payload: &[u8], answer: CallAnswer) {
        let py = self.1;
        let serve = || {
            let answer = Bound::new(py, Answer { answer: Mutex::new(Some(answer)) })?;
            py.import("raskal.distributed._serve")?.call_method1("serve", (PyBytes::new(py, payload), answer))
        };
        if let Err(error) = serve() {
            error.write_unraisable(py, None);
        }
    }

    fn thread(&self) -> u64 {
        let ident = || -> PyResult<u64> { self.1.import("threading")?.call_method0("get_ident")?.extract::<u64>() };
        ident().unwrap_or_default()
    }

    fn changed(&self, key: &str, from: &str, to: &str) {
        let tell = || self.1.import("raskal.distributed.plugin")?.call_method1("changed", (key, from, to));
        if let Err(error) = tell() {
            error.write_unraisable(self.1, None);
        }
    }
}

/// A small and simple object as bytes. Others stay where they are: they may be large, or mean more than their bytes.
fn inline(object: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    let mut head = [0u8; 16];
    let head = match simple(object, &mut head) {
        Some(length) => &head[..length],
        None => return inline_object(object),
    };
    let mut bytes = Vec::with_capacity(17 + head.len());
    bytes.push(Codec::Pickle as u8);
    bytes.extend_from_slice(&0u64.to_le_bytes());
    bytes.extend_from_slice(&(head.len() as u64).to_le_bytes());
    bytes.extend_from_slice(head);
    Some(bytes)
}

/// Writes the pickle of None, a boolean, a float or a short integer; other types take the general way. Written by hand
/// since calling `pickle.dumps` costs ten times more than all the rest of a trivial task's answer.
fn simple(object: &Bound<'_, PyAny>, into: &mut [u8; 16]) -> Option<usize> {
    let mut write = |bytes: &[u8]| {
        into[..2].copy_from_slice(b"\x80\x05");
        into[2..2 + bytes.len()].copy_from_slice(bytes);
        into[2 + bytes.len()] = b'.';
        Some(3 + bytes.len())
    };
    if object.is_none() {
        return write(b"N");
    }
    if object.is_exact_instance_of::<PyInt>() {
        let number = object.extract::<i64>().ok()?;
        return match i32::try_from(number) {
            Ok(number) => {
                let [a, b, c, d] = number.to_le_bytes();
                write(&[b'J', a, b, c, d])
            }
            Err(_) => {
                let mut bytes = [0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0];
                bytes[2..].copy_from_slice(&number.to_le_bytes());
                write(&bytes)
            }
        };
    }
    if object.is_exact_instance_of::<PyFloat>() {
        let mut bytes = [b'G', 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[1..].copy_from_slice(&object.extract::<f64>().ok()?.to_be_bytes());
        return write(&bytes);
    }
    if object.is_exact_instance_of::<PyBool>() {
        return write(if object.extract::<bool>().ok()? { b"\x88" } else { b"\x89" });
    }
    None
}

fn inline_object(object: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    if !is_plain(object, 1) {
        return None;
    }
    let frames: Frames = pickle(object).ok()?;
    raskal_runtime::wire::to_inline(&frames)
}

/// Whether an object is a short text, number or small container of such.
fn is_plain(object: &Bound<'_, PyAny>, depth: u32) -> bool {
    if let Ok(text) = object.cast_exact::<PyString>() {
        return text.len().is_ok_and(|length| length <= INLINE_BYTES_MAX);
    }
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return bytes.as_bytes().len() <= INLINE_BYTES_MAX;
    }
    if object.is_none()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
    {
        return true;
    }
    if depth > 0 {
        let plain = |item: Bound<'_, PyAny>| is_plain(&item, depth - 1);
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            return tuple.len() <= ITEMS_MAX && tuple.iter().all(plain);
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return list.len() <= ITEMS_MAX && list.iter().all(plain);
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return dict.len() <= ITEMS_MAX
                && dict.iter().all(|(key, item)| is_plain(&key, 0) && is_plain(&item, depth - 1));
        }
    }
    is_numpy_scalar(object)
}

fn is_numpy_scalar(object: &Bound<'_, PyAny>) -> bool {
    static GENERIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let generic = GENERIC.get_or_try_init(py, || py.import("numpy")?.getattr("generic").map(Bound::unbind));
    let is_generic = generic.and_then(|generic| object.is_instance(generic.bind(py)));
    is_generic.unwrap_or(false)
        && object.getattr("nbytes").and_then(|bytes| bytes.extract::<usize>()).is_ok_and(|bytes| bytes <= 64)
}

/// A failure as it travels, with the exception and its traceback as text.
fn pack(py: Python<'_>, mut failure: Failure) -> FailureMessage {
    let Some(exception) = failure.exception.take() else { return to_message(failure, None, String::new()) };
    let mut kind = failure.kind;
    let mut packed = || -> PyResult<(Vec<u8>, String)> {
        let object = to_python(py, &exception)?;
        if object.is_instance(&py.import("raskal.exceptions")?.getattr("Reschedule")?)? {
            kind = ErrorKind::Rescheduled;
        }
        py.import("raskal.distributed._failure")?.getattr("pack")?.call1((object,))?.extract()
    };
    let packed = packed();
    failure.kind = kind;
    match packed {
        Ok((bytes, traceback)) => to_message(failure, Some(bytes), traceback),
        Err(error) => {
            failure.message = format!("{}\n(the exception could not be sent: {error})", failure.message);
            to_message(failure, None, String::new())
        }
    }
}

/// Takes the answer to a call, once. Let go without one, the call has an empty answer.
#[pyclass(frozen)]
struct Answer {
    answer: Mutex<Option<CallAnswer>>,
}

#[pymethods]
impl Answer {
    fn __call__(&self, py: Python<'_>, result: Vec<u8>) {
        let answer = self.answer.lock().take();
        if let Some(answer) = answer {
            py.detach(|| answer.give(result));
        }
    }
}

/// The executor of this process, if it is one.
static EXECUTOR: OnceLock<Arc<Executor>> = OnceLock::new();

/// Thread, graph, number in the graph, run and key of a task.
type Described = (u64, u32, u32, u32, String);

fn describe(running: Running) -> Described {
    (running.thread, running.task.graph.0, running.task.index, running.attempt.0, running.key)
}

/// The task that runs on this thread.
#[pyfunction]
fn executor_current() -> Option<Described> {
    Executor::current().map(describe)
}

/// The tasks that run in this process.
#[pyfunction]
fn executor_running() -> Vec<Described> {
    EXECUTOR.get().map(|executor| executor.running().into_iter().map(describe).collect()).unwrap_or_default()
}

/// Has plug-ins be told of each task that begins and ends (`raskal.distributed.plugin.changed`), or no more.
#[pyfunction]
fn executor_tell_changes(tell: bool) {
    if let Some(executor) = EXECUTOR.get() {
        executor.tell_changes(tell);
    }
}

/// Has the task of this thread step aside, so that another can run; false if it has done so, or there is none.
#[pyfunction]
fn executor_step_aside(py: Python<'_>) -> PyResult<bool> {
    let Some(executor) = EXECUTOR.get() else { return Ok(false) };
    if !executor.step_aside() {
        return Ok(false);
    }
    start_thread(py, TaskThread { executor: executor.clone() }.into_pyobject(py)?.into_any(), "raskal-beside".into())?;
    Ok(true)
}

/// Has the task of this thread take a place again; false if it had none to give.
#[pyfunction]
fn executor_step_back() -> bool {
    EXECUTOR.get().is_some_and(|executor| executor.step_back())
}

#[pyclass(frozen)]
struct CallThread {
    executor: Arc<Executor>,
}

#[pymethods]
impl CallThread {
    fn __call__(&self, py: Python<'_>) {
        self.executor.work_calls(&PythonHost(PythonThread::caller(py), py));
    }
}

fn start_thread<'py>(py: Python<'py>, target: Bound<'py, PyAny>, name: String) -> PyResult<Bound<'py, PyAny>> {
    let keywords = PyDict::new(py);
    keywords.set_item("target", target)?;
    keywords.set_item("name", name)?;
    keywords.set_item("daemon", true)?;
    let thread = py.import("threading")?.getattr("Thread")?.call((), Some(&keywords))?;
    thread.call_method0("start")?;
    Ok(thread)
}

#[pyclass(frozen)]
struct TaskThread {
    executor: Arc<Executor>,
}

#[pymethods]
impl TaskThread {
    fn __call__(&self, py: Python<'_>) {
        crate::engine::mark_inside();
        self.executor.work(&PythonHost(PythonThread::caller(py), py));
    }
}

/// What the sampling profiler (`raskal._sampler`) needs of the executor.
#[pyclass(frozen)]
struct Sampled {
    executor: Arc<Executor>,
}

#[pymethods]
impl Sampled {
    /// The threads that run a task, by identifier, and the key prefix of its layer.
    fn running(&self) -> Vec<(u64, String)> {
        self.executor.layers_at_work()
    }

    /// Passes samples on: the frames that occur (function, file, line), and the stacks (layer, positions of frames from
    /// the outermost on, number of samples).
    fn profiled(&self, interval_us: u32, frames: Vec<(String, String, u32)>, stacks: Vec<(String, Vec<u32>, u32)>) {
        let frames = frames.into_iter().map(|(name, file, line)| Frame { name, file, line }).collect();
        let stacks = stacks.into_iter().map(|(layer, frames, samples)| Stack { layer, frames, samples }).collect();
        self.executor.profiled(Profile { interval_us, frames, stacks });
    }
}

#[pyclass(frozen)]
struct ExportThread {
    executor: Arc<Executor>,
}

#[pymethods]
impl ExportThread {
    fn __call__(&self, py: Python<'_>) {
        self.executor.work_exports(&PythonHost(PythonThread::caller(py), py));
    }
}

/// Takes the pipe that is this process's standard input, and puts nothing in its place: user code reads an empty input.
fn take_pipe() -> std::io::Result<UnixStream> {
    let nothing = std::fs::File::open("/dev/null")?;
    #[expect(unsafe_code)]
    // SAFETY: `dup` and `dup2` act on descriptor 0, which the node gave us, and on one that we own.
    let pipe = unsafe {
        let pipe = libc::dup(0);
        if pipe < 0 || libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&nothing), 0) < 0 {
            return Err(std::io::Error::last_os_error());
        }
        libc::fcntl(pipe, libc::F_SETFD, libc::FD_CLOEXEC);
        OwnedFd::from_raw_fd(pipe)
    };
    let pipe = UnixStream::from(pipe);
    pipe.set_nonblocking(false)?;
    pipe.peer_addr()?;
    Ok(pipe)
}

/// Has the system kill this process when the thread that started it ends, whoever still holds the pipe open: children of
/// the parent may have inherited it.
fn end_with_parent() {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code)]
    // SAFETY: sets a property of this process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// Runs the tasks that the node at the other end of the standard input sends, on `threads` threads. Returns only when
/// interrupted; when the node is gone the process ends at once.
///
/// With `returns` it serves a local engine: results go back with their answers. `slate` is where it notes which task runs.
#[pyfunction]
#[pyo3(signature = (threads, returns=false, slate=None))]
pub(crate) fn run_executor(py: Python<'_>, threads: u32, returns: bool, slate: Option<PathBuf>) -> PyResult<()> {
    if returns {
        end_with_parent();
    }
    let slate = slate.map(|path| Slate::open(&path)).transpose()?;
    let pipe = take_pipe().map_err(|error| {
        pyo3::exceptions::PyOSError::new_err(format!(
            "the standard input is not the pipe of a node: {error}\nhint: executors are started by `raskal worker`"
        ))
    })?;
    let gone = || {
        #[expect(unsafe_code)]
        // SAFETY: ends the process without running anything more: tasks may be in any state, and nobody wants them.
        unsafe {
            libc::_exit(0)
        }
    };
    let executor = Executor::start(
        pipe,
        crate::node::registry(),
        ExecutorOptions { threads: threads.max(1), returns, slate },
        gone,
    )?;
    let _ = EXECUTOR.set(executor.clone());
    let calls = CallThread { executor: executor.clone() }.into_pyobject(py)?.into_any();
    start_thread(py, calls, "raskal-calls".into())?;
    let exports = ExportThread { executor: executor.clone() }.into_pyobject(py)?.into_any();
    let last = start_thread(py, exports, "raskal-export".into())?;
    for number in 0..threads.max(1) {
        let thread = TaskThread { executor: executor.clone() }.into_pyobject(py)?.into_any();
        start_thread(py, thread, format!("raskal-{number}"))?;
    }
    if !returns {
        py.import("raskal._sampler")?.getattr("start")?.call1((Sampled { executor },))?;
    }
    last.call_method0("join")?;
    Ok(())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(executor_current, module)?)?;
    module.add_function(wrap_pyfunction!(executor_running, module)?)?;
    module.add_function(wrap_pyfunction!(executor_step_aside, module)?)?;
    module.add_function(wrap_pyfunction!(executor_tell_changes, module)?)?;
    module.add_function(wrap_pyfunction!(executor_step_back, module)?)?;
    module.add_function(wrap_pyfunction!(run_executor, module)?)
}
