//! Parquet files as a table, one partition per file.
//!
//! Start at [`ParquetTable::discover`]. The engine's own reader does the work: columns that nobody wants are not read,
//! row groups and pages whose statistics rule a filter out neither. Beside the schema the files carry pandas' notes
//! ([`ParquetTable::pandas`]): which columns are the index.

use crate::files::{self, FileInfo};
use crate::session::{self, Scan};
use crate::{FrameError, Result};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchemaBuilder;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::RowNumber;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use raskal_graph::Token;
use std::sync::Arc;

/// Parquet files as a table.
#[derive(Debug)]
pub struct ParquetTable {
    files: Vec<FileInfo>,
    /// Columns of the files, then the number of the row in its file.
    schema: SchemaRef,
    columns: SchemaRef,
    position: Arc<Field>,
    pandas: Option<String>,
}

/// Name of the column that numbers the rows of a file.
pub const POSITION: &str = "__position__";

impl ParquetTable {
    /// Finds the files of `patterns` and reads the first one's schema.
    ///
    /// # Errors
    /// If there is no such file or it is not Parquet.
    pub fn discover(patterns: &[String]) -> Result<ParquetTable> {
        let mut files = files::list(patterns, &[".parquet", ".parq", ".pq"])?;
        for file in &mut files {
            let absolute = std::path::absolute(&file.path);
            file.path = absolute.map_or_else(|_| file.path.clone(), |path| path.to_string_lossy().into_owned());
        }
        let first = &files[0];
        let error = |why: String| FrameError::File { path: first.path.clone(), why };
        let opened = std::fs::File::open(&first.path).map_err(|why| error(why.to_string()))?;
        let metadata = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new())
            .map_err(|why| error(format!("not a Parquet file: {why}")))?;
        let stored = metadata.schema();
        let pandas = stored.metadata().get("pandas").cloned();
        // Views share the decoded pages' memory: no copy per text.
        let plain = Schema::new(stored.fields().clone());
        let columns = Arc::new(transform_schema_to_view(&plain));
        let position = Arc::new(Field::new(POSITION, DataType::Int64, false).with_extension_type(RowNumber));
        let mut fields = columns.fields().to_vec();
        fields.push(position.clone());
        let schema = Arc::new(Schema::new(fields));
        Ok(ParquetTable { files, schema, columns, position, pandas })
    }

    /// pandas' notes about the table, JSON.
    pub fn pandas(&self) -> Option<&str> {
        self.pandas.as_deref()
    }

    /// Number of partitions.
    pub fn partitions(&self) -> usize {
        self.files.len()
    }

    /// The columns that hold the index, and their names for users; the rows' numbers if none does.
    pub fn index(&self) -> Vec<(String, Option<String>)> {
        let levels = self.pandas.as_deref().map(stored_index).unwrap_or_default();
        let present: Vec<_> =
            levels.into_iter().filter(|(column, _)| self.columns.field_with_name(column).is_ok()).collect();
        if present.is_empty() { vec![(POSITION.to_owned(), None)] } else { present }
    }

    /// Content hash of what would be read.
    pub fn token(&self) -> Token {
        Token::of([bitcode::encode(&self.files)])
    }

    fn groups(&self, scan: Scan, cores: usize) -> Vec<FileGroup> {
        // The time of change is part of the plan: a file that was rewritten with the same length is another one.
        let file = |info: &FileInfo| {
            let mut file = PartitionedFile::new(info.path.clone(), info.size_bytes);
            file.object_meta.last_modified = chrono::DateTime::from_timestamp_nanos(info.modified_ns as i64);
            file
        };
        let per_group = match scan {
            Scan::Addressed => 1,
            Scan::Free => self.files.len().div_ceil(cores.max(1)),
        };
        self.files.chunks(per_group.max(1)).map(|files| FileGroup::new(files.iter().map(file).collect())).collect()
    }
}

/// The index levels in pandas' notes: their columns, and their names for users.
fn stored_index(notes: &str) -> Vec<(String, Option<String>)> {
    let Ok(notes) = serde_json::from_str::<serde_json::Value>(notes) else { return Vec::new() };
    let levels = notes["index_columns"].as_array().cloned().unwrap_or_default();
    let named = |column: &str| {
        let known = notes["columns"].as_array()?.iter().find(|one| one["field_name"] == column)?;
        known["name"].as_str().map(str::to_owned)
    };
    levels.iter().filter_map(|level| level.as_str()).map(|column| (column.to_owned(), named(column))).collect()
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let scan = session::scan_of(state.config());
        let columns = self.columns.fields().len();
        let needs_position = projection.is_none_or(|columns_read| columns_read.contains(&columns));
        // Only asked for when needed: numbering rows switches some of the reader's shortcuts off.
        let table = TableSchemaBuilder::new(self.columns.clone());
        let table = if needs_position { table.with_virtual_columns(vec![self.position.clone()]) } else { table };
        let url = ObjectStoreUrl::local_filesystem();
        let store = state.runtime_env().object_store(&url)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let options = state.table_options().parquet.clone();
        let source = ParquetSource::new(table.build())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, cache)));
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(self.groups(scan, state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_preserve_order(scan == Scan::Addressed)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

impl crate::Frame {
    /// Parquet files, folders or patterns as a frame.
    ///
    /// # Errors
    /// If there is no such file or it is not Parquet.
    pub fn read_parquet(patterns: &[String]) -> Result<crate::Frame> {
        crate::Frame::from_parquet(ParquetTable::discover(patterns)?)
    }

    /// A table of Parquet files as a frame.
    ///
    /// # Errors
    /// If the engine refuses its schema.
    pub fn from_parquet(table: ParquetTable) -> Result<crate::Frame> {
        let (token, index, partitions) = (table.token(), table.index(), table.partitions());
        let stored = index.first().is_some_and(|(column, _)| column != POSITION);
        let frame = crate::Frame::from_table(Arc::new(table), token, &index, partitions)?;
        if stored { frame.without(POSITION) } else { Ok(frame) }
    }

    /// Without the column of this name.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] if it is not there.
    pub fn without(&self, name: &str) -> Result<crate::Frame> {
        self.column(name)?;
        let names: Vec<String> = self.names().into_iter().filter(|other| other != name).collect();
        self.select(&names)
    }
}
