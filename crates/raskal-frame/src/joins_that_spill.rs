//! Joins whose build side may not fit into memory.
//!
//! [`JoinsThatSpill`] puts a sort-merge join, which spills, in the place of a hash join, which does not, where the tables'
//! statistics say that the build side may take more than its part of the memory budget, and everywhere in a query that
//! has run out of memory before.

use crate::session::FrameOptions;
use crate::stage::join::{self, Build};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use raskal_store::Budget;
use std::sync::Arc;

/// Of the budget, a build side may take this part: hash table and gathered batches come on top of the rows.
const BUILD_PART: u64 = 4;

/// Bytes that the build side of a join may take.
pub fn build_bytes_max() -> u64 {
    Budget::process().limit_bytes() / BUILD_PART
}

/// See the module. For queries that run here; stages have their own limit.
#[derive(Debug)]
pub struct JoinsThatSpill;

impl PhysicalOptimizerRule for JoinsThatSpill {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let options = config.extensions.get::<FrameOptions>();
        if options.is_some_and(|options| options.staged) {
            return Ok(plan);
        }
        let max = match options.is_some_and(|options| options.spilling) {
            true => Build::Nothing,
            false => Build::Bytes(build_bytes_max() as usize),
        };
        plan.transform_up(|node| {
            let partitions = node.output_partitioning().partition_count().max(1);
            let replaced = join::spilling(node.clone(), max.of_one(partitions), false)?;
            Ok(if Arc::ptr_eq(&node, &replaced) { Transformed::no(node) } else { Transformed::yes(replaced) })
        })
        .data()
    }

    fn name(&self) -> &str {
        "joins_that_spill"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
