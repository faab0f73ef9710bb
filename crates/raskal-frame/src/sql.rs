//! SQL over frames.
//!
//! Start at [`query`]. Frames become tables of their columns, without their index. NaN is null there, as pandas takes
//! both for missing: so `count(x)`, `x is null` and joins agree with pandas' `count`, `isna` and `dropna`.

use crate::expression::skipping_nan;
use crate::frame::Frame;
use crate::run::{Queries, block_on};
use crate::session::{self, Scan};
use crate::{FrameError, Result};
use datafusion::datasource::ViewTable;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use std::collections::HashSet;
use std::sync::Arc;

/// The rows that a query gives, as one partition without index. `tables` are the frames that it may name.
///
/// # Errors
/// If the text is no query, or names what is not there; if two columns of the result have the same name.
pub fn query(text: &str, tables: &[(String, Frame)]) -> Result<Frame> {
    let context = session::context(Scan::Free, true);
    for (name, frame) in tables {
        let table = Arc::new(ViewTable::new(table(frame)?, None));
        context.register_table(datafusion::common::TableReference::bare(name.as_str()), table)?;
    }
    let text = text.to_owned();
    let plan = block_on(&Queries::default(), async move {
        let plan = context.state().create_logical_plan(&text).await?;
        let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        only_queries.verify_plan(&plan)?;
        Ok(plan)
    })?;
    let mut seen = HashSet::new();
    for field in plan.schema().fields() {
        if !seen.insert(field.name()) {
            return Err(FrameError::Value(format!(
                "the query gives two columns called '{}'\nhint: name them apart with AS",
                field.name()
            )));
        }
    }
    Ok(Frame::over(plan, &[], 1, None)?.into_single())
}

/// A frame's columns as the plan of a table.
fn table(frame: &Frame) -> Result<LogicalPlan> {
    let columns = frame
        .columns()
        .iter()
        .map(|column| Ok(skipping_nan(column.value.clone(), &frame.dtype(column)?).alias(&column.name)));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(frame.base().clone()).project(columns)?.build()?)
}
