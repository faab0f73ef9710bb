//! The local engine under Python: threads that keep their Python thread state for life.
//!
//! Attaching a thread that Python does not know costs about 20 us; a thread that Python started keeps its state, and
//! detaches only to wait and to run native tasks. So the threads are Python's, and their life is [`LocalEngine::work`].

use crate::breaking::{self, Place};
use crate::error::to_exception;
use crate::program::{Persisted, ProgramBuilder};
use crate::record::Recorder;
use crate::value::to_python;
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raskal_runtime::local::{ProcessOptions, ProcessPool};
use raskal_runtime::{Failure, LocalEngine, Program, Progress, ThreadHost};
use raskal_store::{Budget, Value};
use raskal_types::ErrorKind;
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

thread_local! {
    /// Whether this thread is one of an engine: what it computes inside a task, it runs itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A thread that Python knows.
pub(crate) struct PythonThread<'py> {
    py: Python<'py>,
    /// Where the threads of an engine note what they are at.
    place: Option<Arc<Place>>,
}

impl<'py> PythonThread<'py> {
    /// The calling thread, whose tasks are interrupted with itself.
    pub(crate) fn caller(py: Python<'py>) -> PythonThread<'py> {
        PythonThread { py, place: None }
    }
}

impl ThreadHost for PythonThread<'_> {
    fn running(&self, program: &Program, body: &mut dyn FnMut()) {
        match &self.place {
            Some(place) => place.during(self.py, program, body),
            None => body(),
        }
    }

    fn detached(&self, body: &mut dyn FnMut()) {
        struct Body<'a>(&'a mut dyn FnMut());
        #[expect(unsafe_code)]
        // SAFETY: `detach` calls the closure on this same thread; PyO3 asks for `Send` only to keep Python objects out,
        // and bodies given by `raskal-runtime` hold none.
        unsafe impl Send for Body<'_> {}
        impl Body<'_> {
            fn call(self) {
                (self.0)();
            }
        }
        let body = Body(body);
        self.py.detach(move || body.call());
    }
}

/// Says that this thread runs tasks: what it computes inside one, it runs itself.
pub(crate) fn mark_inside() {
    INSIDE.set(true);
}

/// The engines of this process.
static ENGINES: Mutex<Option<Engines>> = Mutex::new(None);

struct Engines {
    /// A forked child has no threads: it starts its own.
    process: u32,
    by_threads: HashMap<u32, (Arc<LocalEngine>, Vec<Py<PyAny>>)>,
    by_processes: HashMap<u32, Pool>,
    /// Pools that others took the place of while they were in use.
    replaced: Vec<Pool>,
}

impl Engines {
    fn new() -> Engines {
        Engines {
            process: std::process::id(),
            by_threads: HashMap::new(),
            by_processes: HashMap::new(),
            replaced: Vec::new(),
        }
    }
}

/// Executor processes, and what they were started with.
struct Pool {
    pool: ProcessPool,
    command: Vec<OsString>,
    /// Processes stay in the folder that they were started in.
    folder: Option<PathBuf>,
}

/// The engines, unless they are those of the process that this one was forked from.
fn engines() -> MutexGuard<'static, Option<Engines>> {
    let mut engines = ENGINES.lock();
    if let Some(stale) = engines.take_if(|engines| engines.process != std::process::id()) {
        // Its locks may have been held by threads that do not exist here, and its processes are the parent's.
        std::mem::forget(stale);
    }
    engines
}

#[pyclass(frozen)]
struct Worker {
    engine: Arc<LocalEngine>,
}

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        INSIDE.set(true);
        let place = Place::enter(py)?;
        self.engine.work(&PythonThread { py, place: Some(place.clone()) });
        place.leave();
        Ok(())
    }
}

fn engine(py: Python<'_>, threads: u32) -> PyResult<Arc<LocalEngine>> {
    if let Some((engine, _)) = engines().as_ref().and_then(|engines| engines.by_threads.get(&threads)) {
        return Ok(engine.clone());
    }
    let engine = Arc::new(LocalEngine::new(threads));
    let class = py.import("threading")?.getattr("Thread")?;
    let mut handles = Vec::new();
    for number in 0..threads {
        let keywords = PyDict::new(py);
        keywords.set_item("target", Worker { engine: engine.clone() })?;
        keywords.set_item("name", format!("raskal-{number}"))?;
        keywords.set_item("daemon", true)?;
        let thread = class.call((), Some(&keywords))?;
        thread.call_method0("start")?;
        handles.push(thread.unbind());
    }
    engines().get_or_insert_with(Engines::new).by_threads.insert(threads, (engine.clone(), handles));
    Ok(engine)
}

/// The engine of `count` executor processes, which the command starts.
fn process_engine(count: u32, command: &[OsString]) -> PyResult<Arc<LocalEngine>> {
    let folder = std::env::current_dir().ok();
    let mut engines = engines();
    let engines = engines.get_or_insert_with(Engines::new);
    for pool in engines.replaced.extract_if(.., |pool| !pool.pool.is_in_use()) {
        pool.pool.stop(Duration::ZERO);
    }
    if let Some(pool) = engines.by_processes.get(&count)
        && pool.command == command
        && pool.folder == folder
    {
        return Ok(pool.pool.engine());
    }
    let unpack = |message| Python::attach(|py| crate::error::unpack(py, &message));
    let pool = ProcessPool::start(count, ProcessOptions { command: command.to_vec(), unpack })?;
    let engine = pool.engine();
    let old = engines.by_processes.insert(count, Pool { pool, command: command.to_vec(), folder });
    engines.replaced.extend(old);
    Ok(engine)
}

/// Sets how many bytes the values of this process may take, and the folder in which those go that are too many.
#[pyfunction]
fn set_memory(limit_bytes: u64, folder: PathBuf) {
    Budget::process().set(limit_bytes, &folder);
}

/// Memory of the cgroup or machine, in bytes.
#[pyfunction]
fn machine_memory() -> u64 {
    raskal_store::budget::machine_bytes()
}

/// Bytes that values take now; how many values went to disk so far, and their bytes.
#[pyfunction]
fn memory_use() -> (u64, u64, u64) {
    let budget = Budget::process();
    let (values, bytes) = budget.spilled();
    (budget.used_bytes(), values, bytes)
}

/// Stops all threads; called when the interpreter exits, since daemon threads must not outlive it.
#[pyfunction]
fn stop_engines(py: Python<'_>) -> PyResult<()> {
    Budget::process().close();
    let Some(engines) = engines().take() else { return Ok(()) };
    for (engine, threads) in engines.by_threads.into_values() {
        engine.stop();
        // Of runs that were given up; a thread that goes on in Python while the interpreter ends would abort the process.
        breaking::break_off(py, None);
        for thread in threads {
            thread.bind(py).call_method1("join", (1.0,))?;
        }
    }
    let pools = engines.by_processes.into_values().chain(engines.replaced);
    py.detach(|| pools.for_each(|pool| pool.pool.stop(Duration::from_secs(1))));
    Ok(())
}

/// Runs a program on `threads` threads, or on the calling one if 0, and returns the values of `wanted`. With `processes`,
/// the command that starts an executor, each thread has a process for Python tasks.
fn run(
    py: Python<'_>,
    builder: &ProgramBuilder,
    wanted: Vec<u32>,
    threads: u32,
    update: Option<&Py<PyAny>>,
    recorder: Option<&Recorder>,
    processes: Option<&[OsString]>,
) -> PyResult<Vec<Value>> {
    let mut program = builder.finish(wanted)?;
    if program.wanted.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(recorder) = recorder {
        recorder.attach(&mut program);
    }
    // Held, so that no other program gets the same identity.
    let graph = program.graph.clone();
    let interrupted = AtomicBool::new(false);
    let mut poll = |progress: &Progress| {
        Python::attach(|py| {
            let look = || {
                py.check_signals()?;
                if let Some(update) = update {
                    let done: u32 = progress.layers.iter().map(|layer| layer.1).sum();
                    let needed: u32 = progress.layers.iter().map(|layer| layer.2).sum();
                    update.call1(py, (done, needed, progress.layers.clone()))?;
                }
                Ok(())
            };
            look().map_err(|error| {
                interrupted.store(true, Ordering::Relaxed);
                crate::error::from_exception(py, error)
            })
        })
    };
    let result = if threads == 0 || INSIDE.get() {
        let inside = INSIDE.replace(true);
        let result = LocalEngine::new(1).run_here(program, &PythonThread::caller(py), &mut poll);
        INSIDE.set(inside);
        result
    } else {
        let engine = match processes {
            Some(command) => process_engine(threads, command)?,
            None => engine(py, threads)?,
        };
        let _context = crate::context::keep(py, &graph)?;
        let result = py.detach(|| engine.run(program, &mut poll));
        if interrupted.load(Ordering::Relaxed) {
            breaking::break_off(py, Some(&graph));
        }
        result
    };
    result.map_err(|failure: Failure| match failure.kind {
        ErrorKind::Cancelled => pyo3::exceptions::PyKeyboardInterrupt::new_err(failure.message),
        _ => to_exception(py, &failure),
    })
}

/// Computes `wanted` and returns their values as Python objects, in order.
#[pyfunction]
#[pyo3(signature = (builder, wanted, threads, update=None, recorder=None, processes=None))]
fn compute_local<'py>(
    py: Python<'py>,
    builder: &ProgramBuilder,
    wanted: Vec<u32>,
    threads: u32,
    update: Option<Py<PyAny>>,
    recorder: Option<Bound<'_, Recorder>>,
    processes: Option<Vec<OsString>>,
) -> PyResult<Bound<'py, PyList>> {
    let values =
        run(py, builder, wanted, threads, update.as_ref(), recorder.as_ref().map(Bound::get), processes.as_deref())?;
    let objects = PyList::empty(py);
    for value in &values {
        objects.append(to_python(py, value)?)?;
    }
    Ok(objects)
}

/// Computes the tasks of each group and keeps their values.
#[pyfunction]
#[pyo3(signature = (builder, groups, threads, update=None, recorder=None, processes=None))]
fn persist_local(
    py: Python<'_>,
    builder: &ProgramBuilder,
    groups: Vec<Vec<u32>>,
    threads: u32,
    update: Option<Py<PyAny>>,
    recorder: Option<Bound<'_, Recorder>>,
    processes: Option<Vec<OsString>>,
) -> PyResult<Vec<Persisted>> {
    let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
    let mut values = run(
        py,
        builder,
        groups.concat(),
        threads,
        update.as_ref(),
        recorder.as_ref().map(Bound::get),
        processes.as_deref(),
    )?
    .into_iter();
    Ok(lengths.into_iter().map(|length| Persisted { values: values.by_ref().take(length).collect() }).collect())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compute_local, module)?)?;
    module.add_function(wrap_pyfunction!(persist_local, module)?)?;
    module.add_function(wrap_pyfunction!(set_memory, module)?)?;
    module.add_function(wrap_pyfunction!(machine_memory, module)?)?;
    module.add_function(wrap_pyfunction!(memory_use, module)?)?;
    module.add_function(wrap_pyfunction!(stop_engines, module)?)
}
