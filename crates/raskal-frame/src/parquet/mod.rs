//! Parquet files as a table: one partition per file, or as asked ([`ParquetOptions`]).
//!
//! Start at [`ParquetTable::discover`]. The engine's own reader does the work: columns that nobody wants are not read,
//! row groups and pages whose statistics rule a filter out neither, nor files whose folder's name does. Beside the schema
//! the files carry pandas' notes ([`ParquetTable::pandas`]): which columns are the index.

mod schema;

use crate::files::{self, FileInfo};
use crate::session::{self, Scan};
use crate::{FrameError, Result, statistics};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{FileGroup, FileGroupPartitioner, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchemaBuilder;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use parquet::arrow::RowNumber;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use raskal_graph::Token;
use std::sync::Arc;

/// How files become a table.
#[derive(Clone, Debug, Default)]
pub struct ParquetOptions {
    /// Only these columns of the files; all if None.
    pub columns: Option<Vec<String>>,
    /// The columns that become the index instead of the stored one; none if empty.
    pub index: Option<Vec<String>>,
    /// Columns that the folders' names give: a row for each file.
    pub keys: Option<RecordBatch>,
    /// The partitions, if they are not the files: which bytes of which files.
    pub pieces: Option<Vec<Vec<Piece>>>,
}

/// The row groups of a file that begin in a range of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bitcode::Encode)]
pub struct Piece {
    /// Number of the file.
    pub file: usize,
    /// The range; the whole file if None.
    pub range: Option<(i64, i64)>,
}

/// Parquet files as a table.
#[derive(Debug)]
pub struct ParquetTable {
    files: Vec<FileInfo>,
    /// The files' names as the engine has them: what a name escapes (`%2F`) stays so.
    locations: Vec<Path>,
    pieces: Vec<Vec<Piece>>,
    /// Values of the columns that folders' names give, for each file.
    keys: Vec<Vec<ScalarValue>>,
    key_fields: Vec<Arc<Field>>,
    /// Columns of the files, those of folders' names, then the number of the row in its file.
    schema: SchemaRef,
    columns: SchemaRef,
    position: Arc<Field>,
    pandas: Option<String>,
    index: Option<Vec<String>>,
    /// Of `columns`, what the files' footers say.
    statistics: Statistics,
}

/// Of so many files all footers are read at once, for their statistics; of more, the first one's stands for all.
const FOOTERS_MAX: usize = 128;

/// Name of the column that numbers the rows of a file.
pub const POSITION: &str = "__position__";

impl ParquetTable {
    /// Finds the files of `patterns` and reads their schemas.
    ///
    /// # Errors
    /// If there is no such file or it is not Parquet; if the files have no schema in common; if there is not a row of
    /// `keys` for each file, or a piece is of no file.
    pub fn discover(patterns: &[String], options: ParquetOptions) -> Result<ParquetTable> {
        let mut files = files::list(patterns, &[".parquet", ".parq", ".pq"])?;
        for file in &mut files {
            let absolute = std::path::absolute(&file.path);
            file.path = absolute.map_or_else(|_| file.path.clone(), |path| path.to_string_lossy().into_owned());
        }
        let chosen = options.index.clone();
        let levels = |first: &Schema| match (&chosen, first.metadata().get("pandas")) {
            (Some(chosen), _) => chosen.clone(),
            (None, notes) => {
                notes.map(|notes| stored_index(notes)).into_iter().flatten().map(|level| level.0).collect()
            }
        };
        let location = |file: &FileInfo| {
            let error = |why: String| FrameError::File { path: file.path.clone(), why };
            Path::from_absolute_path(&file.path).map_err(|why| error(why.to_string()))
        };
        let locations = files.iter().map(location).collect::<Result<_>>()?;
        let stored = schema::unified(&files, options.columns, levels)?;
        let pandas = stored.metadata().get("pandas").cloned();
        // Views share the decoded pages' memory: no copy per text.
        let plain = Schema::new(stored.fields().clone());
        let columns = Arc::new(transform_schema_to_view(&plain));
        let position = Arc::new(Field::new(POSITION, DataType::Int64, false).with_extension_type(RowNumber));
        let (key_fields, keys) = keys_of(options.keys.as_ref(), files.len())?;
        let whole = options.pieces.is_none();
        let pieces = match options.pieces {
            None => (0..files.len()).map(|file| vec![Piece { file, range: None }]).collect(),
            Some(pieces) => pieces,
        };
        if let Some(piece) = pieces.iter().flatten().find(|piece| piece.file >= files.len()) {
            return Err(FrameError::Value(format!("a partition reads file {} of {}", piece.file, files.len())));
        }
        let mut fields = columns.fields().to_vec();
        fields.extend(key_fields.iter().cloned());
        fields.push(position.clone());
        let schema = Arc::new(Schema::new(fields));
        let index = options.index;
        let statistics = statistics_of(&files, &columns, whole);
        Ok(ParquetTable {
            files,
            locations,
            pieces,
            keys,
            key_fields,
            schema,
            columns,
            position,
            pandas,
            index,
            statistics,
        })
    }

    /// Whether a column is known to have no nulls.
    pub fn never_null(&self, column: &str) -> bool {
        let found = self.columns.index_of(column).ok().and_then(|place| self.statistics.column_statistics.get(place));
        found.is_some_and(|one| one.null_count.get_value() == Some(&0))
    }

    /// What is known of so many columns; only of those of the files anything is.
    fn all_statistics(&self, columns: usize) -> Statistics {
        let mut statistics = self.statistics.clone();
        statistics.column_statistics.resize(columns, ColumnStatistics::new_unknown());
        statistics
    }

    /// pandas' notes about the table, JSON.
    pub fn pandas(&self) -> Option<&str> {
        self.pandas.as_deref()
    }

    /// Number of partitions.
    pub fn partitions(&self) -> usize {
        self.pieces.len()
    }

    /// The columns that hold the index, and their names for users; the rows' numbers if none does.
    pub fn index(&self) -> Vec<(String, Option<String>)> {
        let levels = match &self.index {
            Some(chosen) => chosen.iter().map(|column| (column.clone(), Some(column.clone()))).collect(),
            None => self.pandas.as_deref().map(stored_index).unwrap_or_default(),
        };
        let present: Vec<_> =
            levels.into_iter().filter(|(column, _)| self.schema.field_with_name(column).is_ok()).collect();
        if present.is_empty() { vec![(POSITION.to_owned(), None)] } else { present }
    }

    /// Content hash of what would be read.
    pub fn token(&self) -> Token {
        let shape = format!("{:?} {:?} {:?}", self.keys, self.index, self.columns.fields());
        Token::of([bitcode::encode(&self.files), bitcode::encode(&self.pieces), shape.into_bytes()])
    }

    fn groups(&self, scan: Scan, cores: usize) -> Vec<FileGroup> {
        // The time of change is part of the plan: a file that was rewritten with the same length is another one.
        let file = |piece: &Piece| {
            let info = &self.files[piece.file];
            let mut file = PartitionedFile::new(String::new(), info.size_bytes);
            file.object_meta.location = self.locations[piece.file].clone();
            file.object_meta.last_modified = chrono::DateTime::from_timestamp_nanos(info.modified_ns as i64);
            file.partition_values = self.keys.get(piece.file).cloned().unwrap_or_default();
            match piece.range {
                Some((start, end)) => file.with_range(start, end.min(info.size_bytes as i64)),
                None => file,
            }
        };
        let per_group = match scan {
            Scan::Addressed => 1,
            Scan::Free => self.pieces.len().div_ceil(cores.max(1)),
            Scan::Ordered => {
                let whole = [FileGroup::new(self.pieces.iter().flatten().map(file).collect())];
                let partitioner = FileGroupPartitioner::new()
                    .with_target_partitions(cores * 2)
                    .with_repartition_file_min_size(RANGE_BYTES_MIN);
                return partitioner.repartition_file_groups(&whole).unwrap_or_else(|| whole.into());
            }
        };
        let group = |pieces: &[Vec<Piece>]| FileGroup::new(pieces.iter().flatten().map(file).collect());
        self.pieces.chunks(per_group.max(1)).map(group).collect()
    }
}

/// One value for each column that folders' names give.
type Keys = Vec<ScalarValue>;

/// The columns that folders' names give, and their values for each file.
fn keys_of(keys: Option<&RecordBatch>, files: usize) -> Result<(Vec<Arc<Field>>, Vec<Keys>)> {
    let Some(keys) = keys else { return Ok((Vec::new(), Vec::new())) };
    if keys.num_rows() != files {
        return Err(FrameError::Value(format!("{} rows of keys for {files} files", keys.num_rows())));
    }
    let row = |row: usize| {
        let values = keys.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
        values.collect::<EngineResult<Vec<_>>>()
    };
    let rows = (0..files).map(row).collect::<EngineResult<_>>()?;
    Ok((keys.schema().fields().to_vec(), rows))
}

/// Tables below this size are read by one stream where the order counts.
const RANGE_BYTES_MIN: usize = 4 << 20;

/// What footers say about all rows. Only exact if `whole`: all row groups of all files are read.
fn statistics_of(files: &[FileInfo], columns: &SchemaRef, whole: bool) -> Statistics {
    let read = |file: &FileInfo| {
        let opened = std::fs::File::open(&file.path).ok()?;
        ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new()).ok()
    };
    if files.len() <= FOOTERS_MAX {
        let own =
            |file: &FileInfo| DFParquetMetadata::statistics_from_parquet_metadata(read(file)?.metadata(), columns).ok();
        let each: Option<Vec<Statistics>> = files.iter().map(own).collect();
        if let Some(all) = each.and_then(|each| Statistics::try_merge_iter(&each, columns).ok()) {
            return if whole { all } else { all.to_inexact() };
        }
    }
    let total: u64 = files.iter().map(|file| file.size_bytes).sum();
    let first =
        files.first().and_then(|file| Some((read(file)?.metadata().file_metadata().num_rows(), file.size_bytes)));
    let rows = match first {
        Some((rows, bytes)) => Precision::Inexact((rows as f64 * total as f64 / bytes.max(1) as f64) as usize),
        None => Precision::Absent,
    };
    statistics::of_rows(rows, columns)
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
        let columns = self.columns.fields().len() + self.key_fields.len();
        let needs_position = projection.is_none_or(|columns_read| columns_read.contains(&columns));
        // Only asked for when needed: numbering rows switches some of the reader's shortcuts off.
        let keys = self.key_fields.clone();
        let table = TableSchemaBuilder::new(self.columns.clone()).with_table_partition_cols(keys);
        let table = if needs_position { table.with_virtual_columns(vec![self.position.clone()]) } else { table };
        let url = ObjectStoreUrl::local_filesystem();
        let store = state.runtime_env().object_store(&url)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let options = state.table_options().parquet.clone();
        let source = ParquetSource::new(table.build())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, cache)));
        let statistics = self.all_statistics(columns + usize::from(needs_position));
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_statistics(statistics)
            .with_file_groups(self.groups(scan, state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_preserve_order(scan != Scan::Free)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.all_statistics(self.schema.fields().len()))
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
        crate::Frame::from_parquet(ParquetTable::discover(patterns, ParquetOptions::default())?)
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
