//! The node runtime under Python: `python -m raskal.node`.
//!
//! Start at [`run_node`]. The interpreter is there only to find the installation; it is released for the life of the node,
//! and Python tasks run in executor processes.

use crate::contact::Contact;
use crate::error::to_exception;
use pyo3::prelude::*;
use raskal_runtime::FunctionRegistry;
use raskal_runtime::node::NodeOptions;
use raskal_runtime::node::nursery::Nursery;
use std::ffi::OsString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All functions that this build can decode.
pub(crate) fn registry() -> FunctionRegistry {
    let mut registry = FunctionRegistry::new();
    raskal_runtime::program::register(&mut registry);
    crate::array::register_decoder(&mut registry);
    raskal_frame::stage::register(&mut registry);
    crate::function::register(&mut registry);
    registry
}

/// Runs a node until its scheduler is gone or it is told to end.
#[pyfunction]
#[pyo3(signature = (*, executor_command, address=None, scheduler_file=None, token=None, name=None, host=None, executors=1,
                    threads=1, native_threads=None, memory_limit=0, resources=Vec::new(), ports=(0, 0), contact=None, nursery=None, lifetime=None, connect_timeout=30.0, end_with_stdin=false, tls_cert=None, tls_key=None,
                    tls_ca_file=None, insecure=false))]
#[expect(clippy::too_many_arguments)]
pub(crate) fn run_node(
    py: Python<'_>,
    executor_command: Vec<OsString>,
    address: Option<String>,
    scheduler_file: Option<PathBuf>,
    token: Option<String>,
    name: Option<String>,
    host: Option<String>,
    executors: u32,
    threads: u32,
    native_threads: Option<u32>,
    memory_limit: u64,
    resources: Vec<(String, f64)>,
    ports: (u16, u16),
    contact: Option<String>,
    nursery: Option<i32>,
    lifetime: Option<f64>,
    connect_timeout: f64,
    end_with_stdin: bool,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_ca_file: Option<PathBuf>,
    insecure: bool,
) -> PyResult<()> {
    if executors == 0 || threads == 0 {
        return Err(pyo3::exceptions::PyValueError::new_err(format!(
            "a node needs at least one executor of one thread, got {executors} of {threads}"
        )));
    }
    let connect_time = Duration::try_from_secs_f64(connect_timeout).map_err(|_| {
        pyo3::exceptions::PyValueError::new_err(format!("connect_timeout must be seconds, got {connect_timeout}"))
    })?;
    let lifetime = lifetime
        .map(Duration::try_from_secs_f64)
        .transpose()
        .map_err(|_| pyo3::exceptions::PyValueError::new_err("lifetime must be a number of seconds from 0 on"))?;
    let nursery = nursery.map(|socket| Nursery::new(own(socket)).map(Arc::new)).transpose()?;
    init_logs();
    let run = || {
        let told = contact.map(|address| address.parse::<raskal_net::Address>()).transpose()?;
        let certificate = tls_cert.zip(tls_key);
        let contact = Contact { address, scheduler_file, token, certificate, authority: tls_ca_file, insecure };
        let (scheduler, credentials) = contact.find()?;
        raskal_runtime::node::run(
            NodeOptions {
                scheduler,
                credentials,
                name: name.unwrap_or_default(),
                host,
                ports,
                contact: told,
                nursery,
                executors,
                executor_threads: threads,
                native_threads: native_threads.unwrap_or(executors * threads).max(1),
                executor_command,
                memory_limit_bytes: memory_limit,
                resources,
                lifetime,
                connect_time,
                end_with_stdin,
            },
            registry(),
        )
    };
    py.detach(run).map_err(|failure| to_exception(py, &failure))
}

/// The descriptor of that number, which the caller gives up.
fn own(descriptor: i32) -> OwnedFd {
    #[expect(unsafe_code)]
    // SAFETY: `raskal.node` detached the socket that it passes: nobody else has this number, or closes it.
    unsafe {
        OwnedFd::from_raw_fd(descriptor)
    }
}

/// Logs to the standard error what `RASKAL_LOG` asks for; warnings by default.
pub(crate) fn init_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RASKAL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A second call changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| raskal_net::log_tail::Tee)
        .with_ansi(false)
        .try_init();
}

/// Memory of the cgroup or machine, in bytes.
#[pyfunction]
fn machine_bytes() -> u64 {
    raskal_store::budget::machine_bytes()
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(machine_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(run_node, module)?)
}
