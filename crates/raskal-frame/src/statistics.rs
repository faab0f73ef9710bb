//! What is known about the size of tables and plans before they are read.
//!
//! Start at [`rows`]: an upper estimate of how many rows a logical plan gives. Choices that rest on it (which side of a
//! join is collected) change how fast a result is there, never the result.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{JoinType, LogicalPlan};

/// Bytes of one value of a type, in memory; texts are taken to be short.
pub fn width(dtype: &DataType) -> usize {
    match dtype {
        DataType::Boolean => 1,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::BinaryView => 32,
        other => other.primitive_width().unwrap_or(32),
    }
}

/// The statistics of a table of which only the number of rows is known.
pub fn of_rows(rows: Precision<usize>, schema: &Schema) -> Statistics {
    let row_bytes: usize = schema.fields().iter().map(|field| width(field.data_type())).sum();
    let bytes = match rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Precision::Inexact(rows.saturating_mul(row_bytes)),
        Precision::Absent => Precision::Absent,
    };
    let columns = vec![ColumnStatistics::new_unknown(); schema.fields().len()];
    Statistics { num_rows: rows, total_byte_size: bytes, column_statistics: columns }
}

/// At most about how many rows a plan gives; None if a table does not tell. Joins are taken to be on keys.
pub fn rows(plan: &LogicalPlan) -> Option<u64> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok()?;
            Some(*provider.statistics()?.num_rows.get_value()? as u64)
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => rows(&join.left),
            JoinType::RightSemi | JoinType::RightAnti => rows(&join.right),
            _ => Some(u64::max(rows(&join.left)?, rows(&join.right)?)),
        },
        LogicalPlan::Union(union) => union.inputs.iter().map(|input| rows(input)).sum(),
        other => match other.inputs().as_slice() {
            [one] => rows(one),
            _ => None,
        },
    }
}

/// At most about how many bytes the rows of a plan take; None if it is not known.
pub fn bytes(plan: &LogicalPlan) -> Option<u64> {
    let row_bytes: usize = plan.schema().fields().iter().map(|field| width(field.data_type())).sum();
    Some(rows(plan)?.saturating_mul(row_bytes as u64))
}
