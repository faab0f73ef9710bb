//! A scan of Parquet files that numbers their rows, on its way to a worker.
//!
//! The engine's protocol forgets columns that the reader itself makes. Such a scan travels in two parts that it does not
//! forget: the scan of the files' own columns, and an empty plan with the projection and the filter. [`wrap`] marks the
//! scans before a plan is written; what is read back is an ordinary scan again.

use crate::stage::restrict::file_scan;
use arrow::datatypes::{FieldRef, Fields, Schema};
use datafusion::common::Statistics;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::{TableSchema, TableSchemaBuilder};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Marks the scans of a plan that number rows.
///
/// # Errors
/// If one of them does not read Parquet.
pub fn wrap(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        let numbers = file_scan(&node).is_some_and(|scan| !table(scan).virtual_columns().is_empty());
        Ok(if numbers { Transformed::yes(Arc::new(NumberedScan(node)) as _) } else { Transformed::no(node) })
    })?;
    Ok(wrapped.data)
}

fn table(scan: &FileScanConfig) -> &TableSchema {
    scan.file_source().table_schema()
}

fn parquet(source: &Arc<dyn FileSource>) -> Result<&ParquetSource> {
    let source: &dyn Any = source.as_ref();
    let other = || DataFusionError::NotImplemented("rows of files that are not Parquet can't be numbered".into());
    source.downcast_ref().ok_or_else(other)
}

/// What the engine's protocol can write of a scan that numbers rows.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The scan of the files' own columns.
    pub files: Arc<dyn ExecutionPlan>,
    /// An empty plan with the scan's projection and filter.
    pub shape: Arc<dyn ExecutionPlan>,
    /// The columns that the reader makes.
    pub made: Fields,
}

/// A scan that numbers rows.
#[derive(Debug)]
pub struct NumberedScan(Arc<dyn ExecutionPlan>);

impl NumberedScan {
    /// The scan's parts.
    ///
    /// # Errors
    /// If the scan does not read Parquet.
    pub fn parts(&self) -> Result<Parts> {
        let scan =
            file_scan(&self.0).ok_or_else(|| DataFusionError::Internal("a numbered scan without files".into()))?;
        let source = parquet(scan.file_source())?;
        let table = table(scan);
        let own = TableSchemaBuilder::new(table.file_schema().clone())
            .with_table_partition_cols(table.table_partition_cols().clone())
            .build();
        let statistics = Statistics::new_unknown(own.table_schema());
        let plain = ParquetSource::new(own).with_table_parquet_options(source.table_parquet_options().clone());
        let files = FileScanConfigBuilder::from(scan.clone())
            .with_source(Arc::new(plain))
            .with_statistics(statistics)
            .with_output_ordering(vec![])
            .build();
        // Without metadata, which the protocol writes in random order: equal plans must be equal bytes.
        let bare = |field: &FieldRef| field.as_ref().clone().with_metadata(HashMap::new());
        let columns = Schema::new(table.table_schema().fields().iter().map(bare).collect::<Vec<_>>());
        let mut shape: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(columns)));
        if let Some(predicate) = source.filter() {
            shape = Arc::new(FilterExec::try_new(predicate, shape)?);
        }
        if let Some(projection) = source.projection() {
            shape = Arc::new(ProjectionExec::try_new(projection.iter().cloned().collect::<Vec<_>>(), shape)?);
        }
        Ok(Parts { files: DataSourceExec::from_data_source(files), shape, made: table.virtual_columns().clone() })
    }
}

/// The scan made of its parts.
///
/// # Errors
/// If they don't fit.
pub fn join(parts: Parts) -> Result<Arc<dyn ExecutionPlan>> {
    let broken = |what: &str| DataFusionError::Internal(format!("a numbered scan lost its {what}"));
    let scan = file_scan(&parts.files).ok_or_else(|| broken("files"))?;
    let plain = parquet(scan.file_source())?;
    let own = table(scan);
    let table = TableSchemaBuilder::new(own.file_schema().clone())
        .with_table_partition_cols(own.table_partition_cols().clone())
        .with_virtual_columns(parts.made.clone())
        .build();
    let mut source = ParquetSource::new(table).with_table_parquet_options(plain.table_parquet_options().clone());
    let (mut step, mut projection) = (parts.shape, None);
    if let Some(project) = step.downcast_ref::<ProjectionExec>() {
        projection = Some(ProjectionExprs::new(project.expr().to_vec()));
        step = project.input().clone();
    }
    if let Some(filter) = step.downcast_ref::<FilterExec>() {
        source = source.with_predicate(filter.predicate().clone());
    }
    let mut source: Arc<dyn FileSource> = Arc::new(source);
    if let Some(projection) = projection {
        source = source.try_pushdown_projection(&projection)?.ok_or_else(|| broken("projection"))?;
    }
    let statistics = Statistics::new_unknown(source.table_schema().table_schema());
    let scan = FileScanConfigBuilder::from(scan.clone()).with_source(source).with_statistics(statistics).build();
    Ok(DataSourceExec::from_data_source(scan))
}

impl DisplayAs for NumberedScan {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(kind, f)
    }
}

impl ExecutionPlan for NumberedScan {
    fn name(&self) -> &'static str {
        "NumberedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}
