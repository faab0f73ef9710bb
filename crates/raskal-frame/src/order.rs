//! Sorting, and telling rows apart, with pandas' ties: rows that are alike keep their order.
//!
//! Start at [`Frame::sort`] and [`Frame::distinct`]. Places of rows ([`crate::nodes::number`]) decide between equal ones.

use crate::Result;
use crate::expression::is_missing;
use crate::frame::{Column, Frame, PLACE, column_of, index_name};
use crate::udf::float_key;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, SortExpr, ident, lit};

/// A column to sort by, and whether its smallest value comes first.
pub type SortKey = (String, bool);

/// A value as rows are told apart by: what pandas takes for equal is equal.
pub(crate) fn key_of(value: Expr, dtype: &DataType) -> Expr {
    if matches!(dtype, DataType::Float32 | DataType::Float64) { float_key(value) } else { value }
}

impl Frame {
    /// Rows in the order of columns, equal ones in theirs; missing values at one end. `limit`: only so many of the first.
    /// The result is one partition.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if one is not there.
    pub fn sort(&self, keys: &[SortKey], missing_first: bool, limit: Option<usize>) -> Result<Frame> {
        // Computed once, not for the order and again for the result.
        let frame = self.labelled()?.materialized()?;
        let base = frame.with_place()?;
        let mut order = Vec::new();
        for (name, ascending) in keys {
            let column = frame.column(name)?;
            let value = key_of(column.value.clone(), &frame.dtype(column)?);
            order.push(value.sort(*ascending, missing_first));
        }
        order.push(column_of(&base, PLACE)?.sort(true, false));
        let plan = LogicalPlanBuilder::from(base).sort_with_limit(order, limit)?.build()?;
        Ok(frame.with_base(plan).with_divisions(None)?.into_single())
    }

    /// One of the rows that agree in these columns: the first, or the `last`. Rows keep their order. The result is one
    /// partition.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if one is not there.
    pub fn distinct<Name: AsRef<str>>(&self, by: &[Name], last: bool) -> Result<Frame> {
        let frame = self.labelled()?.materialized()?;
        let base = frame.with_place()?;
        let place = column_of(&base, PLACE)?;
        let keys = by.iter().map(|name| frame.column(name.as_ref())).collect::<Result<Vec<_>>>()?;
        let groups = keys.iter().map(|key| Ok(key_of(key.value.clone(), &frame.dtype(key)?).alias(&key.name)));
        let groups = groups.collect::<Result<Vec<_>>>()?;
        let chosen = |value: &Expr| aggregates::first_value(value.clone(), vec![place.clone().sort(!last, false)]);
        let outermost = if last { aggregates::max(place.clone()) } else { aggregates::min(place.clone()) };
        let mut reduced = vec![outermost.alias(PLACE)];
        let mut results: Vec<Expr> = Vec::new();
        for (level, one) in frame.index().iter().enumerate() {
            reduced.push(chosen(&one.value).alias(index_name(level)));
            results.push(ident(index_name(level)));
        }
        for column in frame.columns() {
            if !keys.iter().any(|key| key.name == column.name) {
                reduced.push(chosen(&column.value).alias(&column.name));
            }
            results.push(ident(&column.name));
        }
        results.push(ident(PLACE));
        let plan = LogicalPlanBuilder::from(base).aggregate(groups, reduced)?.project(results)?;
        let plan = plan.sort([ident(PLACE).sort(true, false)])?.build()?;
        Ok(Frame::over(plan, &frame.level_names(), 1, None)?.into_single())
    }

    /// Of the rows that agree in these columns, the first `count` in the order of `by`, equal ones in theirs. Groups come
    /// in the order of their keys; the keys are levels of the index in front of the others. Rows with missing keys are
    /// left out; missing values come last.
    ///
    /// # Errors
    /// [`FrameError::Alignment`] if keys come from other rows.
    pub fn top(&self, keys: &[&Frame], by: &[SortKey], count: u64) -> Result<Frame> {
        let mut frame = self.labelled()?;
        for (place, key) in keys.iter().enumerate() {
            let value = self.aligned(key)?.value.clone();
            frame = frame.assign_value(&format!("__group_{place}__"), value);
        }
        let names: Vec<_> = keys.iter().map(|key| key.names().pop()).collect();
        let frame = frame.materialized()?;
        let base = frame.with_place()?;
        let place = column_of(&base, PLACE)?;
        let groups = (0..keys.len()).map(|place| frame.column(&format!("__group_{place}__")));
        let groups = groups.collect::<Result<Vec<&Column>>>()?;
        let mut plan = LogicalPlanBuilder::from(base);
        let mut partition = Vec::new();
        for group in &groups {
            let dtype = frame.dtype(group)?;
            plan = plan.filter(Expr::Not(Box::new(is_missing(group.value.clone(), &dtype))))?;
            partition.push(key_of(group.value.clone(), &dtype));
        }
        let mut order: Vec<SortExpr> = Vec::new();
        for (name, ascending) in by {
            let column = frame.column(name)?;
            order.push(key_of(column.value.clone(), &frame.dtype(column)?).sort(*ascending, false));
        }
        order.push(place.sort(true, false));
        let rank = row_number().partition_by(partition.clone()).order_by(order.clone()).build()?.alias("__rank__");
        let plan = plan.window([rank])?.filter(ident("__rank__").lt_eq(lit(count)))?;
        let sort = partition.into_iter().map(|key| key.sort(true, false)).chain(order);
        let plan = plan.sort(sort.collect::<Vec<_>>())?.build()?;
        let keep: Vec<Column> =
            frame.columns().iter().filter(|column| !column.name.starts_with("__group_")).cloned().collect();
        Ok(frame.with_base(plan).with_divisions(None)?.with_levels(&groups, names, keep).into_single())
    }
}
