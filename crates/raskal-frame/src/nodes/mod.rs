//! Plan nodes for what has no relational form.
//!
//! - [`map`]: a function of the host language on every partition ([`map::Mapper`]).
//! - [`select`]: only some partitions, in a given order.
//! - [`number`]: the place of each row, as a column; [`gather`]: partitions one after the other.
//! - [`collected`]: sides of joins that are collected when a plan is cut into stages.
//! - [`own`]: batches that hold no more than their rows.
//!
//! [`FramePlanner`] turns the logical nodes into those that run.

/// What every step with one input has in common. The step has the fields `input` and `properties`, and a method `over`:
/// the same step over another input.
macro_rules! one_input {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn properties(&self) -> &std::sync::Arc<datafusion::physical_plan::PlanProperties> {
            &self.properties
        }

        fn benefits_from_input_partitioning(&self) -> Vec<bool> {
            vec![false]
        }

        fn children(&self) -> Vec<&std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            vec![&self.input]
        }

        fn apply_expressions(
            &self,
            _f: &mut dyn FnMut(
                &std::sync::Arc<dyn datafusion::physical_expr::PhysicalExpr>,
            ) -> datafusion::error::Result<datafusion::common::tree_node::TreeNodeRecursion>,
        ) -> datafusion::error::Result<datafusion::common::tree_node::TreeNodeRecursion> {
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        }

        fn replace_children(
            self: std::sync::Arc<Self>,
            mut children: Vec<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>>,
            _options: datafusion::physical_plan::execution_plan::ReplaceChildrenOptions,
        ) -> datafusion::error::Result<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            let lost = || datafusion::error::DataFusionError::Internal(concat!($name, " without input").into());
            Ok(std::sync::Arc::new(self.over(children.pop().ok_or_else(lost)?)))
        }

        fn with_new_children(
            self: std::sync::Arc<Self>,
            children: Vec<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>>,
        ) -> datafusion::error::Result<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            self.replace_children(
                children,
                datafusion::physical_plan::execution_plan::ReplaceChildrenOptions::new(
                    datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute,
                ),
            )
        }
    };
}
/// What a step asks of its only input: all rows in one partition if its field `single` says so.
macro_rules! one_partition_if_single {
    () => {
        fn input_distribution_requirements(&self) -> datafusion::physical_plan::InputDistributionRequirements {
            datafusion::physical_plan::InputDistributionRequirements::new(vec![if self.single {
                datafusion::physical_expr::Distribution::SinglePartition
            } else {
                datafusion::physical_expr::Distribution::UnspecifiedDistribution
            }])
        }
    };
}

pub mod collected;
pub mod gather;
pub mod map;
pub mod number;
pub mod own;
pub mod select;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use std::sync::Arc;

/// The engine's planner, which also knows the nodes of this module.
#[derive(Debug)]
pub struct FramePlanner;

#[async_trait]
impl QueryPlanner for FramePlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(NodePlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

struct NodePlanner;

#[async_trait]
impl ExtensionPlanner for NodePlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let input = inputs.first().cloned();
        Ok(match (input, node.as_any()) {
            (Some(input), any) if any.is::<map::MapNode>() => {
                any.downcast_ref::<map::MapNode>().map(|node| Arc::new(node.exec(input)) as _)
            }
            (Some(input), any) if any.is::<select::SelectNode>() => {
                any.downcast_ref::<select::SelectNode>().map(|node| Arc::new(node.exec(input)) as _)
            }
            _ => None,
        })
    }
}

/// Whether a plan holds nodes that see partitions, so that its leaves must not be cut freely.
pub fn sees_partitions(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Extension(extension) => {
            let any = extension.node.as_any();
            any.is::<map::MapNode>() || any.is::<select::SelectNode>() || plan.inputs().into_iter().any(sees_partitions)
        }
        other => other.inputs().into_iter().any(sees_partitions),
    }
}
