//! Where the order of rows counts in a plan, and where it does not.
//!
//! Start at [`forget`] and [`counts`]. pandas' rows have an order; the engine is faster without one. What is aggregated
//! or sorted comes in any order, so that joins below may choose their sides and scans may be cut freely. Elsewhere joins
//! keep the order of the side that they go through, and scans are read in order.

use crate::nodes::map::MapNode;
use crate::nodes::number;
use crate::nodes::select::SelectNode;
use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, ident};
use std::sync::Arc;

/// Takes away sorts whose order nobody sees. `wanted`: whether the order of the plan's own rows is seen.
///
/// # Errors
/// If a node refuses its new input.
pub fn forget(plan: LogicalPlan, wanted: bool) -> Result<LogicalPlan> {
    let plan = match plan {
        LogicalPlan::Sort(sort) if !wanted && sort.fetch.is_none() => {
            return forget(Arc::unwrap_or_clone(sort.input), false);
        }
        other => other,
    };
    let mut below = seen_below(&plan, wanted).into_iter();
    Ok(plan.map_children(|child| Ok(Transformed::yes(forget(child, below.next().unwrap_or(true))?)))?.data)
}

/// The same rows in the same order, made without joins that keep an order: those whose order is seen take rows as it suits
/// them, and a sort by the places of their inputs' rows follows.
///
/// # Errors
/// If a node refuses its new input.
pub fn placed(plan: LogicalPlan, wanted: bool) -> Result<LogicalPlan> {
    let mut below = seen_below(&plan, wanted).into_iter();
    let plan = plan.map_children(|child| Ok(Transformed::yes(placed(child, below.next().unwrap_or(true))?)))?.data;
    match plan {
        LogicalPlan::Join(join) if wanted => sorted_join(join),
        other => Ok(other),
    }
}

fn sorted_join(join: Join) -> Result<LogicalPlan> {
    let shown: Vec<Expr> = join.schema.iter().map(|(table, field)| Expr::Column((table, field).into())).collect();
    let numbered = |side: &LogicalPlan, name: &str| {
        let own = side.schema().iter().map(|(table, field)| Expr::Column((table, field).into()));
        let place = number::row_position().alias(name);
        LogicalPlanBuilder::from(side.clone()).project(own.chain([place]).collect::<Vec<_>>())?.build().map(Arc::new)
    };
    let names = ["__left_place__", "__right_place__"];
    let (left, right) = (numbered(&join.left, names[0])?, numbered(&join.right, names[1])?);
    let joined = Join::try_new(
        left,
        right,
        join.on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    // The engine goes through the right side, and so do those that rely on its order; unless all of the left are kept.
    let kept = matches!(
        joined.join_type,
        JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
    );
    let order = if kept { names } else { [names[1], names[0]] };
    let there = |name: &&str| joined.schema.fields().iter().any(|field| field.name() == *name);
    let order: Vec<_> = order.iter().filter(|name| there(name)).map(|name| ident(*name).sort(true, true)).collect();
    LogicalPlanBuilder::from(LogicalPlan::Join(joined)).sort(order)?.project(shown)?.build()
}

/// Where the order of rows counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In a table that is read.
    pub scans: bool,
    /// In what a join gives.
    pub joins: bool,
}

/// Where the order of rows counts in a plan. `wanted`: whether that of the plan's own rows does.
pub fn counts(plan: &LogicalPlan, wanted: bool) -> Counts {
    let below = seen_below(plan, wanted);
    let inputs = plan.inputs();
    let own = Counts { scans: wanted && inputs.is_empty(), joins: wanted && matches!(plan, LogicalPlan::Join(_)) };
    inputs.into_iter().zip(below).fold(own, |found, (input, wanted)| {
        let other = counts(input, wanted);
        Counts { scans: found.scans || other.scans, joins: found.joins || other.joins }
    })
}

/// For each input of a step, whether the step's result depends on its order.
fn seen_below(plan: &LogicalPlan, wanted: bool) -> Vec<bool> {
    let seen = match plan {
        // Aggregates that depend on an order name it.
        LogicalPlan::Aggregate(_) | LogicalPlan::Sort(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_) => false,
        LogicalPlan::Projection(projection) => wanted || projection.expr.iter().any(asks_position),
        LogicalPlan::Limit(_) => true,
        LogicalPlan::Extension(extension) => {
            let any = extension.node.as_any();
            wanted || any.is::<MapNode>() || any.is::<SelectNode>()
        }
        LogicalPlan::Join(join) => return vec![wanted && tie(join), wanted],
        _ => wanted,
    };
    vec![seen; plan.inputs().len()]
}

/// Whether the order of a join's collected side shows: among rows of the same key, if there are such.
fn tie(join: &Join) -> bool {
    let chosen = matches!(join.join_type, JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
    !chosen && !unique(&join.left, &join.on.iter().map(|(key, _)| key).collect::<Vec<_>>())
}

/// Whether rows are known to differ in these values: they are the keys of groups.
fn unique(plan: &LogicalPlan, keys: &[&Expr]) -> bool {
    let traced = |input: &LogicalPlan, expression: fn(&LogicalPlan, usize) -> Option<Expr>| {
        let below = keys.iter().map(|key| {
            let Expr::Column(column) = key else { return None };
            expression(plan, plan.schema().index_of_column(column).ok()?)
        });
        below.collect::<Option<Vec<_>>>().is_some_and(|keys| unique(input, &keys.iter().collect::<Vec<_>>()))
    };
    match plan {
        LogicalPlan::Filter(filter) => unique(&filter.input, keys),
        LogicalPlan::Sort(sort) => unique(&sort.input, keys),
        LogicalPlan::Limit(limit) => unique(&limit.input, keys),
        LogicalPlan::Projection(projection) => traced(&projection.input, |plan, place| match plan {
            LogicalPlan::Projection(projection) => Some(projection.expr[place].clone().unalias()),
            _ => None,
        }),
        LogicalPlan::SubqueryAlias(alias) => traced(&alias.input, |plan, place| match plan {
            LogicalPlan::SubqueryAlias(alias) => Some(Expr::Column(alias.input.schema().qualified_field(place).into())),
            _ => None,
        }),
        LogicalPlan::Aggregate(aggregate) => {
            let schema = plan.schema();
            (0..aggregate.group_expr.len()).all(|place| {
                let group = Expr::Column(schema.qualified_field(place).into());
                keys.iter().any(|key| **key == group)
            })
        }
        _ => false,
    }
}

fn asks_position(expression: &Expr) -> bool {
    let mut found = false;
    // Nothing fails here: the closure does not.
    let _ = expression.apply(|part| {
        found |= matches!(part, Expr::ScalarFunction(function) if function.name() == number::ROW_POSITION);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}
