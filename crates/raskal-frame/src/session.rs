//! The one engine of the process: its threads, its memory budget, its settings.
//!
//! Start at [`engine`]. All queries of a process share one runtime and one memory pool, so that two of them together
//! stay within the budget; each gets its own settings ([`context`]).

use crate::codec;
use crate::nodes::FramePlanner;
use crate::udf;
use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::{Arc, OnceLock};

/// How a plan's leaves are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// One output partition per partition of the table, in order: rows keep their order, partitions can be asked for.
    Addressed,
    /// However it is fastest; for plans whose result does not depend on the order of rows.
    Free,
}

datafusion::common::extensions_options! {
    /// Settings of this crate within the engine's.
    pub struct FrameOptions {
        /// Whether leaves may be cut freely ([`Scan::Free`]).
        pub free: bool, default = false
    }
}

impl ConfigExtension for FrameOptions {
    const PREFIX: &'static str = "raskal";
}

/// How the leaves of a plan are cut under these settings.
pub fn scan_of(config: &SessionConfig) -> Scan {
    match config.options().extensions.get::<FrameOptions>() {
        Some(options) if options.free => Scan::Free,
        _ => Scan::Addressed,
    }
}

/// Threads and memory that all queries share.
pub struct Engine {
    runtime: tokio::runtime::Runtime,
    environment: Arc<RuntimeEnv>,
    cores: usize,
}

/// What [`configure`] can set.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Threads that run queries; default: the cores this process may use.
    pub threads: usize,
    /// Memory that queries may hold before they spill, in bytes; default: 60 % of what the machine or cgroup gives.
    pub memory_bytes: usize,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: machine_memory_bytes() / 10 * 6,
        }
    }
}

/// Memory of the cgroup or machine, in bytes; 4 GiB where neither tells.
fn machine_memory_bytes() -> usize {
    let cgroup = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
    });
    match (cgroup, machine) {
        (Some(cgroup), Some(machine)) => usize::min(cgroup, machine),
        (one, other) => one.or(other).unwrap_or(4 << 30),
    }
}

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// Starts the engine with these settings. Gives false if it runs already: settings hold for the life of a process.
pub fn configure(options: &EngineOptions) -> bool {
    let mut started = false;
    ENGINE.get_or_init(|| {
        started = true;
        start(options)
    });
    started
}

/// The engine, started with default settings unless [`configure`] came first.
pub fn engine() -> &'static Engine {
    ENGINE.get_or_init(|| start(&EngineOptions::default()))
}

#[expect(clippy::expect_used, reason = "without threads or a temporary directory no query can run at all")]
fn start(options: &EngineOptions) -> Engine {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads.max(1))
        .thread_name("raskal-frame")
        // Steps take milliseconds at a time: new queries and interrupts, which come from other threads, must not wait
        // for sixty of them.
        .global_queue_interval(1)
        .enable_all()
        .build()
        .expect("the operating system refuses threads");
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
        .build_arc()
        .expect("no temporary directory to spill to");
    Engine { runtime, environment, cores: options.threads.max(1) }
}

impl Engine {
    /// The threads that run queries.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Number of threads that run queries.
    pub fn cores(&self) -> usize {
        self.cores
    }
}

/// The settings of a query whose leaves are cut as `scan` says.
pub fn config(scan: Scan, cores: usize) -> SessionConfig {
    let free = scan == Scan::Free;
    let mut config = SessionConfig::new()
        .with_option_extension(FrameOptions { free })
        .with_target_partitions(cores)
        // Both would deal rows out in another order; leaves have enough partitions of their own.
        .with_round_robin_repartition(false)
        .with_repartition_file_scans(free)
        .with_collect_statistics(false)
        .with_information_schema(false);
    let options: &mut ConfigOptions = config.options_mut();
    options.execution.parquet.schema_force_view_types = true;
    options.execution.parquet.pushdown_filters = false;
    // Column names are what users wrote: never lower case.
    options.sql_parser.enable_ident_normalization = false;
    config
}

/// A context for one query: shared threads and memory, its own settings, the functions and nodes of this crate.
pub fn context(scan: Scan) -> SessionContext {
    context_with(config(scan, engine().cores()))
}

/// A context with given settings (see [`config`]).
pub fn context_with(config: SessionConfig) -> SessionContext {
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(engine().environment.clone())
        .with_default_features()
        .with_query_planner(Arc::new(FramePlanner))
        .build();
    let context = SessionContext::new_with_state(state);
    for function in udf::all() {
        context.register_udf(function.as_ref().clone());
    }
    codec::register_builtin();
    context
}
