//! Cuts a physical plan into stages and makes each (stage, partition) a task of the common graph.
//!
//! Start at [`lower_frame`] or, for any plan of the engine, [`lower`](fn@lower). A plan made under [`configure`] is made safe to cut ([`prepare`]), cut at its exchanges by
//! Ballista's planner ([`cut`]), and every stage becomes a layer ([`lower`](mod@lower)) whose function
//! ([`function`]) decodes the stage's plan afresh, keeps what its partition reads ([`restrict`]) and runs it.
//!
//! Rows travel as task values, so that the store spills them, the data plane moves them and lineage recomputes them:
//! a stage before an exchange gives one partition-major value ([`exchange`]); a layer of cheap `split` tasks, run where
//! that value is, picks the part of each consumer; a leaf [`fetch::Fetch`] reads the parts. Ballista's sort-shuffle
//! files (written while spilling, with an index) fit behind the same leaf and the same root when a stage's output
//! must not be in memory as a whole; that is not done yet.
//!
//! Functions of the host language on whole partitions are layers of their own ([`map`]): the stages around them stay
//! native. A stage that calls such a function within an expression runs its partition on a Python slot's own thread.
//!
//! Invariant: which partitions of which leaf a task reads is computed in one place ([`demand`]), both for the graph's
//! edges and for the running task; a leaf or step it does not know is an error, never "all partitions".

pub mod codec;
pub mod cut;
pub mod demand;
pub mod exchange;
pub mod fetch;
pub mod function;
pub mod join;
pub mod lower;
pub mod map;
pub mod prepare;
pub mod restrict;
pub mod scan;

pub use lower::{StageOptions, lower, lower_frame};

use crate::session::FrameOptions;
use datafusion::prelude::SessionConfig;
use raskal_runtime::FunctionRegistry;

/// Adds the decoders of this module's functions.
pub fn register(registry: &mut FunctionRegistry) {
    registry.register(function::CODEC, function::decode);
    registry.register(exchange::CODEC, exchange::decode);
    registry.register(map::CODEC, map::decode);
}

/// The settings under which a plan must be made to be cut.
///
/// - No dynamic filters: who fills one and who reads it may end up in different stages.
/// - Scalar subqueries become joins: the node that shares their result works within one process only.
/// - No round-robin exchanges: they move every row to gain nothing, tasks are balanced by the scheduler.
pub fn configure(config: SessionConfig) -> SessionConfig {
    let mut config = config.with_round_robin_repartition(false);
    if let Some(options) = config.options_mut().extensions.get_mut::<FrameOptions>() {
        options.staged = true;
    }
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    config
}
