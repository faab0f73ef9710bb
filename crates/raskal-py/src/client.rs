//! A cluster's client under Python.
//!
//! Start at [`Client`] and [`Remote`]. Every call that waits releases the GIL and looks for signals every 50 ms. Values are
//! turned into Python objects here (what comes beside results, in `board`); what the cluster sends is read only by this process, which asked for it.

use crate::contact::Contact;
use crate::error::{from_exception, to_exception};
use crate::program::ProgramBuilder;
use crate::value::to_python;
use parking_lot::Mutex;
use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raskal_proto::FailureMessage;
use raskal_proto::client::{Holding, WorkerInfo};
use raskal_runtime::Failure;
use raskal_runtime::client::{Client as Inner, ClientOptions, Remote as Handle};
use raskal_types::{ErrorKind, GraphId, TaskId};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Key and size in bytes of each value that a worker holds.
type Held = Vec<(String, u64)>;

/// A connection to a cluster.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Client {
    inner: Mutex<Option<Arc<Inner>>>,
}

/// One result on a cluster; it stays there for as long as this object lives.
#[pyclass(module = "raskal._raskal", frozen, weakref)]
pub(crate) struct Remote {
    pub(crate) handle: Arc<Handle>,
}

/// The kept results of one collection on a cluster.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct RemotePersisted {
    pub(crate) handles: Vec<Arc<Handle>>,
}

/// Tells which results were settled.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Watcher {
    settled: Mutex<std::sync::mpsc::Receiver<TaskId>>,
}

/// Looks for signals.
fn poll() -> Result<(), Failure> {
    Python::attach(|py| py.check_signals().map_err(|error| from_exception(py, error)))
}

pub(crate) fn seconds(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    let check = |seconds: f64| {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| PyValueError::new_err(format!("timeout must be a number of seconds from 0 on, got {seconds}")))
    };
    timeout.map(check).transpose()
}

/// The exception of a failure that travelled.
fn exception(py: Python<'_>, message: &FailureMessage) -> PyErr {
    to_exception(py, &crate::error::unpack(py, message))
}

pub(crate) fn handles(remotes: &[Bound<'_, Remote>]) -> Vec<Arc<Handle>> {
    remotes.iter().map(|remote| remote.get().handle.clone()).collect()
}

fn describe_worker<'py>(py: Python<'py>, worker: &WorkerInfo) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("id", worker.worker.0)?;
    dict.set_item("name", &worker.name)?;
    dict.set_item("address", &worker.address)?;
    dict.set_item("host", &worker.host)?;
    dict.set_item("pid", worker.pid)?;
    dict.set_item("nthreads", worker.python_slots)?;
    dict.set_item("native_threads", worker.native_slots)?;
    dict.set_item("resources", worker.resources.iter().cloned().collect::<std::collections::BTreeMap<_, _>>())?;
    dict.set_item("memory_limit", worker.memory_limit_bytes)?;
    dict.set_item("memory_used", worker.memory_used_bytes)?;
    dict.set_item("memory_managed", worker.memory_managed_bytes)?;
    dict.set_item("memory_spilled", worker.memory_spilled_bytes)?;
    dict.set_item("last_seen", worker.last_seen_us as f64 / 1e6)?;
    dict.set_item("assigned", worker.assigned)?;
    dict.set_item("in_memory", worker.holds)?;
    Ok(dict)
}

impl Client {
    pub(crate) fn inner(&self) -> PyResult<Arc<Inner>> {
        let inner = self.inner.lock().clone();
        inner.ok_or_else(|| PyValueError::new_err("this client was closed\nhint: make a new one with Client(address)"))
    }

    fn submit_inner(&self, py: Python<'_>, builder: &ProgramBuilder, wanted: Vec<u32>) -> PyResult<Vec<Arc<Handle>>> {
        let inner = self.inner()?;
        let program = builder.finish(wanted)?;
        // Encoding calls Python by itself.
        py.detach(|| inner.submit(program)).map_err(|failure| to_exception(py, &failure))
    }
}

/// The values of results as Python objects; the first failure is raised, or left out if `skip`.
fn gather<'py>(
    py: Python<'py>,
    inner: &Inner,
    handles: &[Arc<Handle>],
    timeout: Option<f64>,
    skip: bool,
) -> PyResult<Bound<'py, PyList>> {
    let timeout = seconds(timeout)?;
    let gathered =
        py.detach(|| inner.gather(handles, timeout, &mut poll)).map_err(|failure| match (timeout, failure.kind) {
            (Some(_), ErrorKind::Io) if failure.message.ends_with("are not there yet") => {
                PyTimeoutError::new_err(failure.message)
            }
            _ => to_exception(py, &failure),
        })?;
    let objects = PyList::empty(py);
    for value in &gathered {
        match value {
            Ok(value) => objects.append(to_python(py, value)?)?,
            Err(_) if skip => {}
            Err(message) => return Err(exception(py, message)),
        }
    }
    Ok(objects)
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (address=None, scheduler_file=None, token=None, name=None, timeout=10.0, tls_cert=None, tls_key=None, tls_ca_file=None, insecure=false))]
    #[expect(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        address: Option<String>,
        scheduler_file: Option<PathBuf>,
        token: Option<String>,
        name: Option<String>,
        timeout: f64,
        tls_cert: Option<PathBuf>,
        tls_key: Option<PathBuf>,
        tls_ca_file: Option<PathBuf>,
        insecure: bool,
    ) -> PyResult<Client> {
        let name = name.unwrap_or_else(|| format!("client-{}", std::process::id()));
        let timeout = seconds(Some(timeout))?.unwrap_or_default();
        let certificate = tls_cert.zip(tls_key);
        let mut options = ClientOptions { address, scheduler_file, token, credentials: None, name, timeout };
        if insecure || certificate.is_some() || tls_ca_file.is_some() {
            let ClientOptions { address, scheduler_file, token, .. } = options.clone();
            let contact = Contact { address, scheduler_file, token, certificate, authority: tls_ca_file, insecure };
            let (address, credentials) = contact.find().map_err(|failure| to_exception(py, &failure))?;
            options.address = Some(address.to_string());
            options.credentials = Some(credentials);
        }
        let inner = py.detach(|| Inner::connect(&options)).map_err(|failure| to_exception(py, &failure))?;
        Ok(Client { inner: Mutex::new(Some(Arc::new(inner))) })
    }

    /// Submits a program; one handle for each wanted task.
    fn submit(&self, py: Python<'_>, builder: &ProgramBuilder, wanted: Vec<u32>) -> PyResult<Vec<Remote>> {
        let handles = self.submit_inner(py, builder, wanted)?;
        Ok(handles.into_iter().map(|handle| Remote { handle }).collect())
    }

    /// Submits a program and returns the values of the wanted tasks.
    #[pyo3(signature = (builder, wanted, update=None))]
    fn compute<'py>(
        &self,
        py: Python<'py>,
        builder: &ProgramBuilder,
        wanted: Vec<u32>,
        update: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let inner = self.inner()?;
        let handles = self.submit_inner(py, builder, wanted)?;
        if let Some(update) = update {
            let tasks: Vec<TaskId> = handles.iter().map(|handle| handle.task()).collect();
            let mut report = || {
                poll()?;
                let (done, needed) = (inner.settled_among(&tasks), tasks.len());
                let layers = vec![("results".to_owned(), done, needed)];
                Python::attach(|py| {
                    update.call1(py, (done, needed, layers)).map(drop).map_err(|error| from_exception(py, error))
                })
            };
            py.detach(|| inner.wait(&tasks, false, None, &mut report)).map_err(|failure| to_exception(py, &failure))?;
        }
        gather(py, &inner, &handles, None, false)
    }

    /// Submits a program whose groups of tasks stay on the cluster.
    fn persist(
        &self,
        py: Python<'_>,
        builder: &ProgramBuilder,
        groups: Vec<Vec<u32>>,
    ) -> PyResult<Vec<RemotePersisted>> {
        let lengths: Vec<usize> = groups.iter().map(Vec::len).collect();
        let mut handles = self.submit_inner(py, builder, groups.concat())?.into_iter();
        Ok(lengths
            .into_iter()
            .map(|length| RemotePersisted { handles: handles.by_ref().take(length).collect() })
            .collect())
    }

    /// The values of results; the first failure is raised, or left out if `skip`.
    #[pyo3(signature = (remotes, timeout=None, skip=false))]
    fn gather<'py>(
        &self,
        py: Python<'py>,
        remotes: Vec<Bound<'py, Remote>>,
        timeout: Option<f64>,
        skip: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        gather(py, &*self.inner()?, &handles(&remotes), timeout, skip)
    }

    /// Waits until all results are settled, or one is if `first`; false if the time ran out.
    #[pyo3(signature = (remotes, first=false, timeout=None))]
    fn wait(
        &self,
        py: Python<'_>,
        remotes: Vec<Bound<'_, Remote>>,
        first: bool,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let (inner, timeout) = (self.inner()?, seconds(timeout)?);
        let tasks: Vec<TaskId> = remotes.iter().map(|remote| remote.get().handle.task()).collect();
        py.detach(|| inner.wait(&tasks, first, timeout, &mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// Tells of results that are settled from now on.
    fn watch(&self) -> PyResult<Watcher> {
        Ok(Watcher { settled: Mutex::new(self.inner()?.watch()) })
    }

    /// The board of the cluster.
    fn board(&self) -> PyResult<crate::board::Board> {
        Ok(crate::board::Board::new(&self.inner()?))
    }

    /// Gives results up, also for other clients if `for_all`.
    #[pyo3(signature = (remotes, for_all=false))]
    fn cancel(&self, py: Python<'_>, remotes: Vec<Bound<'_, Remote>>, for_all: bool) -> PyResult<()> {
        let inner = self.inner()?;
        inner.cancel(&handles(&remotes), for_all).map_err(|failure| to_exception(py, &failure))
    }

    /// Waits until so many workers are there.
    #[pyo3(signature = (count, timeout=None))]
    fn wait_for_workers(&self, py: Python<'_>, count: usize, timeout: Option<f64>) -> PyResult<()> {
        let (inner, timeout) = (self.inner()?, seconds(timeout)?);
        py.detach(|| inner.wait_for_workers(count, timeout, &mut poll)).map_err(|failure| match failure.kind {
            ErrorKind::Io if timeout.is_some() && inner.ended().is_none() => PyTimeoutError::new_err(failure.message),
            _ => to_exception(py, &failure),
        })
    }

    /// The workers, as the scheduler last told of them.
    fn workers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.inner()?.workers().iter().map(|worker| describe_worker(py, worker)).collect()
    }

    /// The cluster, asked of the scheduler.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let inner = self.inner()?;
        let info = py.detach(|| inner.info(&mut poll)).map_err(|failure| to_exception(py, &failure))?;
        let dict = PyDict::new(py);
        dict.set_item("addresses", info.addresses)?;
        dict.set_item("dashboard", info.dashboard)?;
        dict.set_item("version", info.version)?;
        dict.set_item("started", info.started_us as f64 / 1e6)?;
        let workers = info.workers.iter().map(|worker| describe_worker(py, worker)).collect::<PyResult<Vec<_>>>()?;
        dict.set_item("workers", workers)?;
        Ok(dict)
    }

    /// How many tasks have not ended, and how many of them workers have.
    fn backlog(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let inner = self.inner()?;
        py.detach(|| inner.backlog(&mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// What the dashboard shows at an address such as `stream?count=100`, as JSON.
    fn view(&self, py: Python<'_>, address: &str) -> PyResult<String> {
        let inner = self.inner()?;
        py.detach(|| inner.view(address, &mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// The keys that this process knows tasks by, given as numbers of graph and task; None for those of others.
    fn task_keys(&self, py: Python<'_>, tasks: Vec<(u32, u32)>) -> PyResult<Vec<Option<String>>> {
        let inner = self.inner()?;
        let task = |(graph, index)| TaskId { graph: GraphId(graph), index };
        let tasks: Vec<TaskId> = tasks.into_iter().map(task).collect();
        Ok(py.detach(|| inner.keys(&tasks)))
    }

    /// The numbers of the workers that hold each result.
    fn who_has(&self, py: Python<'_>, remotes: Vec<Bound<'_, Remote>>) -> PyResult<Vec<Vec<u32>>> {
        let inner = self.inner()?;
        let tasks = remotes.iter().map(|remote| remote.get().handle.task()).collect();
        let holders = py.detach(|| inner.who_has(tasks, &mut poll)).map_err(|failure| to_exception(py, &failure))?;
        Ok(holders.into_iter().map(|holders| holders.into_iter().map(|worker| worker.0).collect()).collect())
    }

    /// Key and size of the values that each worker holds, by its number.
    fn has_what(&self, py: Python<'_>) -> PyResult<Vec<(u32, Held)>> {
        let inner = self.inner()?;
        let held = py
            .detach(|| {
                let held = inner.has_what(&mut poll)?;
                let named = |holding: Holding| (inner.key_of(holding.task).unwrap_or(holding.key), holding.size_bytes);
                Ok(held.into_iter().map(|(worker, held)| (worker.0, held.into_iter().map(named).collect())).collect())
            })
            .map_err(|failure| to_exception(py, &failure))?;
        Ok(held)
    }

    /// The key that this client gave a task, if it still wants something of its graph.
    fn key_of(&self, py: Python<'_>, graph: u32, index: u32) -> PyResult<Option<String>> {
        let inner = self.inner()?;
        Ok(py.detach(|| inner.key_of(TaskId { graph: GraphId(graph), index })))
    }

    /// Has results held by so many workers (all of them if 0), of these names if any are given.
    #[pyo3(signature = (remotes, copies=0, workers=Vec::new()))]
    fn replicate(
        &self,
        py: Python<'_>,
        remotes: Vec<Bound<'_, Remote>>,
        copies: u32,
        workers: Vec<String>,
    ) -> PyResult<()> {
        let inner = self.inner()?;
        let tasks = remotes.iter().map(|remote| remote.get().handle.task()).collect();
        py.detach(|| inner.replicate(tasks, copies, workers, &mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// Moves results (all if none are given) between workers until each holds about as many bytes.
    #[pyo3(signature = (remotes=Vec::new(), workers=Vec::new()))]
    fn rebalance(&self, py: Python<'_>, remotes: Vec<Bound<'_, Remote>>, workers: Vec<String>) -> PyResult<()> {
        let inner = self.inner()?;
        let tasks = remotes.iter().map(|remote| remote.get().handle.task()).collect();
        py.detach(|| inner.rebalance(tasks, workers, &mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// Has workers leave once their values are elsewhere; those that have left.
    #[pyo3(signature = (workers, close=true))]
    fn retire<'py>(&self, py: Python<'py>, workers: Vec<String>, close: bool) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let inner = self.inner()?;
        let left =
            py.detach(|| inner.retire(workers, close, &mut poll)).map_err(|failure| to_exception(py, &failure))?;
        left.iter().map(|worker| describe_worker(py, worker)).collect()
    }

    /// Gives up everything of every client, and restarts the processes that run tasks.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner()?;
        py.detach(|| inner.restart(&mut poll)).map_err(|failure| to_exception(py, &failure))
    }

    /// The scheduler's address.
    #[getter]
    fn address(&self) -> PyResult<String> {
        Ok(self.inner()?.address().to_string())
    }

    /// The dashboard's address.
    #[getter]
    fn dashboard(&self) -> PyResult<Option<String>> {
        Ok(self.inner()?.dashboard())
    }

    /// Whether the connection is there.
    #[getter]
    fn is_open(&self) -> bool {
        self.inner.lock().as_ref().is_some_and(|inner| inner.ended().is_none())
    }

    /// Ends the connection.
    fn close(&self) {
        let inner = self.inner.lock().take();
        if let Some(inner) = inner {
            inner.close();
        }
    }
}

#[pymethods]
impl Remote {
    /// The task's key.
    #[getter]
    fn key(&self) -> String {
        self.handle.key()
    }

    /// The numbers of its graph and task.
    #[getter]
    fn id(&self) -> (u32, u32) {
        let task = self.handle.task();
        (task.graph.0, task.index)
    }

    /// `pending`, `finished`, `error`, `cancelled` or `lost`.
    #[getter]
    fn status(&self) -> &'static str {
        self.handle.status().name()
    }

    /// Size of the value in bytes, once it is there.
    #[getter]
    fn nbytes(&self) -> Option<u64> {
        self.handle.size_bytes()
    }

    /// The exception of a task that failed, and its traceback as text.
    fn failure(&self, py: Python<'_>) -> Option<(Py<PyAny>, String)> {
        let message = self.handle.failure()?;
        Some((exception(py, &message).into_value(py).into_any(), message.traceback.clone()))
    }
}

#[pymethods]
impl RemotePersisted {
    #[new]
    fn new(remotes: Vec<Bound<'_, Remote>>) -> RemotePersisted {
        RemotePersisted { handles: handles(&remotes) }
    }

    fn __len__(&self) -> usize {
        self.handles.len()
    }

    /// A handle for each result.
    fn remotes(&self) -> Vec<Remote> {
        self.handles.iter().map(|handle| Remote { handle: handle.clone() }).collect()
    }
}

#[pymethods]
impl Watcher {
    /// The results that were settled since the last call; waits for at least one until the time runs out. None when
    /// there will be no more.
    #[pyo3(signature = (timeout=None))]
    fn take(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Vec<(u32, u32)>>> {
        let timeout = seconds(timeout)?;
        let step = Duration::from_millis(50);
        let mut left = timeout;
        loop {
            let wait = left.map_or(step, |left| left.min(step));
            let first = py.detach(|| {
                let settled = self.settled.lock();
                settled
                    .recv_timeout(wait)
                    .map(|first| std::iter::once(first).chain(settled.try_iter()).collect::<Vec<_>>())
            });
            match first {
                Ok(tasks) => return Ok(Some(tasks.into_iter().map(|task| (task.graph.0, task.index)).collect())),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            }
            py.check_signals()?;
            if let Some(left) = &mut left {
                *left = left.saturating_sub(wait);
                if left.is_zero() {
                    return Ok(Some(Vec::new()));
                }
            }
        }
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Client>()?;
    module.add_class::<Remote>()?;
    module.add_class::<RemotePersisted>()?;
    module.add_class::<Watcher>()
}
