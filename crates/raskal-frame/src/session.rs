//! The one engine of the process: its threads, its memory budget, its settings.
//!
//! Start at [`engine`]. All queries of a process share one runtime and one memory pool, so that two of them together
//! stay within the budget; each gets its own settings ([`context`]).

use crate::codec;
use crate::joins_that_spill::JoinsThatSpill;
use crate::nodes::FramePlanner;
use crate::nodes::gather::GatherBuildSides;
use crate::nodes::number::NumberRows;
use crate::nodes::own::{OwnRows, batch_bytes_max};
use crate::pool::BudgetPool;
use crate::udf;
use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use raskal_store::Budget;
use std::sync::{Arc, OnceLock};

/// How a plan's leaves are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// One output partition per partition of the table, in order: rows keep their order, partitions can be asked for.
    Addressed,
    /// However it is fastest, as long as the output partitions one after the other give the rows in order.
    Ordered,
    /// However it is fastest; for plans whose result does not depend on the order of rows.
    Free,
}

datafusion::common::extensions_options! {
    /// Settings of this crate within the engine's.
    pub struct FrameOptions {
        /// Whether leaves may be cut freely ([`Scan::Free`]).
        pub free: bool, default = false
        /// Whether leaves may be cut as long as the order is kept ([`Scan::Ordered`]).
        pub ordered: bool, default = false
        /// Whether joins may choose their sides.
        pub joins: bool, default = false
        /// Whether steps must not hold what they can't spill: the query ran out of memory before.
        pub spilling: bool, default = false
        /// Whether the plan is to be cut into stages.
        pub staged: bool, default = false
    }
}

impl ConfigExtension for FrameOptions {
    const PREFIX: &'static str = "raskal";
}

/// How the leaves of a plan are cut under these settings.
pub fn scan_of(config: &SessionConfig) -> Scan {
    match config.options().extensions.get::<FrameOptions>() {
        Some(options) if options.free => Scan::Free,
        Some(options) if options.ordered => Scan::Ordered,
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
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions { threads: std::thread::available_parallelism().map_or(1, usize::from) }
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
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![Budget::process().parent()]));
    let environment = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(disk)
        .with_memory_pool(Arc::new(BudgetPool::new(Budget::process())))
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

/// Of the budget, each core's sorts keep back this part.
const SORT_RESERVE_PART: usize = 64;

/// Of the budget, each stream of a scan must have this many bytes, or there are fewer streams: what is above, a sort for
/// one, is done in each of them at once.
const STREAM_BYTES: u64 = 64 << 20;

/// Into how many streams a table is read that nobody asks partition by partition: a few per core, so that one slow range
/// does not leave the others idle at the end, but not more than memory allows.
pub fn streams(cores: usize) -> usize {
    let streams = cores * 4;
    if Budget::process().limit_bytes() < STREAM_BYTES * streams as u64 { cores } else { streams }
}

/// Rows of a batch: as usual, or fewer where memory is so tight that even short rows would fill it.
fn batch_rows(usual: usize, cores: usize) -> usize {
    const ROW_BYTES: usize = 64;
    (batch_bytes_max(cores) / ROW_BYTES).clamp(256, usual)
}

/// The settings of a query whose leaves are cut as `scan` says, and whose joins may choose their sides if `joins`.
pub fn config(scan: Scan, joins: bool, cores: usize) -> SessionConfig {
    let free = scan == Scan::Free;
    let config = SessionConfig::new()
        .with_option_extension(FrameOptions { free, ordered: scan == Scan::Ordered, joins, ..FrameOptions::default() })
        .with_target_partitions(cores)
        // Both would deal rows out in another order; leaves have enough partitions of their own.
        .with_round_robin_repartition(false)
        .with_repartition_file_scans(free)
        .with_collect_statistics(false)
        .with_information_schema(false);
    let rows = batch_rows(config.batch_size(), cores);
    let mut config = config.with_batch_size(rows);
    let options: &mut ConfigOptions = config.options_mut();
    options.execution.parquet.schema_force_view_types = true;
    options.execution.parquet.pushdown_filters = false;
    // Steps may give fewer promises about nulls than the plan that they are made of; the check takes that for a mistake.
    options.execution.skip_physical_aggregate_schema_check = true;
    // What a sort keeps back to merge what it wrote must be little beside the budget.
    let reserve = Budget::process().limit_bytes() as usize / SORT_RESERVE_PART / cores.max(1);
    let usual = options.execution.sort_spill_reservation_bytes;
    options.execution.sort_spill_reservation_bytes = usize::min(usual, reserve);
    // Rows sorted in one piece keep all their texts alive in each batch that is made of them.
    let in_place = &mut options.execution.sort_in_place_threshold_bytes;
    *in_place = usize::min(*in_place, batch_bytes_max(cores));
    // The first rows of each group, without sorting them all: holds these rows.
    options.optimizer.enable_window_topn = true;
    // A join keeps the order of the side that it goes through, if the other one is collected, and if the two are not
    // swapped.
    options.optimizer.repartition_joins = joins;
    options.optimizer.join_reordering = joins;
    // Those who make such a filter wait for each other: all partitions must run.
    options.optimizer.enable_join_dynamic_filter_pushdown = scan != Scan::Addressed;
    // Its partitions are those of its inputs, in order.
    options.optimizer.prefer_existing_union = true;
    // Column names are what users wrote: never lower case.
    options.sql_parser.enable_ident_normalization = false;
    config
}

/// The same settings for a query whose steps must not hold what they can't spill: a side of a join, the first rows of
/// groups.
pub fn spilling(mut config: SessionConfig) -> SessionConfig {
    let options = config.options_mut();
    options.optimizer.enable_window_topn = false;
    // However small a side seems: that is what was wrong before.
    options.optimizer.hash_join_single_partition_threshold = 0;
    options.optimizer.hash_join_single_partition_threshold_rows = 0;
    if let Some(own) = options.extensions.get_mut::<FrameOptions>() {
        own.spilling = true;
    }
    config
}

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// A context for one query: shared threads and memory, its own settings, the functions and nodes of this crate.
pub fn context(scan: Scan, joins: bool) -> SessionContext {
    context_with(config(scan, joins, engine().cores()))
}

/// A context with given settings (see [`config`]).
pub fn context_with(config: SessionConfig) -> SessionContext {
    let mut rules: Vec<Rule> = vec![Arc::new(NumberRows)];
    rules.extend(PhysicalOptimizer::new().rules);
    // Before the last one, which checks the plan.
    let last = rules.len() - 1;
    let own: [Rule; 3] = [Arc::new(JoinsThatSpill), Arc::new(GatherBuildSides), Arc::new(OwnRows)];
    rules.splice(last..last, own);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_physical_optimizer_rules(rules)
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
