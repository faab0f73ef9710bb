//! CSV files as a table of byte ranges.
//!
//! Start at [`CsvSource::discover`]: it finds the files, reads a sample for names and types, and cuts the files into
//! blocks, one partition each. Reading a block takes two steps over the text, [`structure`] and [`rows`], and one per
//! wanted column, [`fields`]; columns that nobody wants are never looked at. The engine's own reader, which splits every
//! field of every row byte by byte, was several times slower on few columns of many and knows neither pandas' missing
//! values nor the line of a bad field.
//!
//! Invariant: a row belongs to the block in which it starts. Where a file is cut into several blocks, line ends inside
//! quotes are not supported (`blocksize=None` reads files whole).

mod fields;
mod infer;
mod missing;
mod options;
mod reader;
mod rows;
mod structure;

pub use missing::DEFAULT as MISSING_TEXTS;
pub use options::{CsvOptions, dtype_from_name, dtype_name};

use crate::files::{self, FileInfo};
use crate::source::{BatchIterator, Source};
use crate::{FrameError, Result};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bitcode::{Decode, Encode};
use datafusion::common::stats::Precision;
use datafusion::error::{DataFusionError, Result as EngineResult};
use raskal_graph::Token;
use std::sync::Arc;

/// Name of the decoder of [`CsvSource`].
pub const CODEC: &str = "csv";

/// A byte range of a file: one partition.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Block {
    pub(crate) file: u32,
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

/// CSV files as a table.
#[derive(Clone, Debug)]
pub struct CsvSource {
    shared: Arc<Shared>,
}

/// What all readers of a table share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) files: Vec<FileInfo>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) options: CsvOptions,
    /// The header line of the first file as it stands there; the others must have the same.
    pub(crate) header: Vec<u8>,
    /// All columns of the files.
    pub(crate) file_columns: usize,
    /// For each column of the table, its place in the files.
    pub(crate) places: Vec<usize>,
    /// The columns of the table and, last, the position of the row in its partition.
    pub(crate) schema: SchemaRef,
}

/// A [`CsvSource`] as it travels.
#[derive(Encode, Decode)]
struct Encoded {
    files: Vec<FileInfo>,
    blocks: Vec<Block>,
    options: CsvOptions,
    header: Vec<u8>,
    file_columns: u32,
    places: Vec<u32>,
    schema: Vec<u8>,
}

impl CsvSource {
    /// Finds the files of `patterns`, reads names and types from a sample, and cuts the files into blocks.
    ///
    /// # Errors
    /// If there is no such file, the sample can't be read, or an option names a column that is not there.
    pub fn discover(patterns: &[String], options: CsvOptions) -> Result<CsvSource> {
        let files = files::list(patterns, &[".csv"])?;
        if let Some(packed) = files.iter().find(|file| PACKED.iter().any(|end| file.path.ends_with(end))) {
            return Err(FrameError::Unsupported(format!(
                "cannot read '{}': compressed CSV files are not supported so far\nhint: unpack the file first",
                packed.path
            )));
        }
        let found = infer::infer(&files, &options)?;
        let blocks = cut(&files, options.block_bytes);
        let mut table: Vec<Field> = Vec::new();
        let mut places = Vec::new();
        let wanted = options.columns.clone().unwrap_or_else(|| found.names.clone());
        for name in wanted.iter().chain(options.dtypes.iter().map(|(name, _)| name)).chain(&options.dates) {
            if !found.names.contains(name) {
                return Err(FrameError::NoColumn { name: name.clone(), columns: found.names });
            }
        }
        for (place, name) in found.names.iter().enumerate() {
            if wanted.contains(name) {
                table.push(Field::new(name, found.types[place].clone(), true));
                places.push(place);
            }
        }
        table.push(Field::new(crate::frame::index_name(0), DataType::Int64, false));
        let schema = Arc::new(Schema::new(table));
        let file_columns = found.names.len();
        Ok(CsvSource {
            shared: Arc::new(Shared { files, blocks, options, header: found.header, file_columns, places, schema }),
        })
    }

    /// Content hash of what would be read.
    pub fn token(&self) -> Result<Token> {
        Ok(Token::of([self.to_bytes()?]))
    }

    /// Reads a source back.
    ///
    /// # Errors
    /// If the bytes are not one.
    pub fn decode(bytes: &[u8]) -> EngineResult<CsvSource> {
        let encoded: Encoded = bitcode::decode(bytes).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let shared = Shared {
            files: encoded.files,
            blocks: encoded.blocks,
            options: encoded.options,
            header: encoded.header,
            file_columns: encoded.file_columns as usize,
            places: encoded.places.into_iter().map(|place| place as usize).collect(),
            schema: crate::codec::schema_from_bytes(&encoded.schema)?,
        };
        Ok(CsvSource { shared: Arc::new(shared) })
    }

    fn to_bytes(&self) -> EngineResult<Vec<u8>> {
        let shared = &self.shared;
        Ok(bitcode::encode(&Encoded {
            files: shared.files.clone(),
            blocks: shared.blocks.clone(),
            options: shared.options.clone(),
            header: shared.header.clone(),
            file_columns: shared.file_columns as u32,
            places: shared.places.iter().map(|&place| place as u32).collect(),
            schema: crate::codec::schema_to_bytes(&shared.schema)?,
        }))
    }
}

/// Files that would have to be unpacked first.
const PACKED: [&str; 6] = [".gz", ".bz2", ".zip", ".xz", ".zst", ".tar"];

/// Cuts files into blocks of about `block_bytes`, evenly long within a file.
fn cut(files: &[FileInfo], block_bytes: Option<u64>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (file, info) in files.iter().enumerate() {
        let count = block_bytes.map_or(1, |bytes| (info.size_bytes / bytes.max(1)).max(1));
        for block in 0..count {
            let bound = |block: u64| (u128::from(info.size_bytes) * u128::from(block) / u128::from(count)) as u64;
            blocks.push(Block { file: file as u32, begin: bound(block), end: bound(block + 1) });
        }
    }
    blocks
}

/// About how long a field is with its separator; for estimates of how many rows there are.
const FIELD_BYTES: usize = 8;

impl Source for CsvSource {
    fn schema(&self) -> SchemaRef {
        self.shared.schema.clone()
    }

    fn partitions(&self) -> usize {
        self.shared.blocks.len()
    }

    fn open(&self, partition: usize, projection: &[usize]) -> EngineResult<BatchIterator> {
        Ok(Box::new(reader::Reader::open(self.shared.clone(), partition, projection)?))
    }

    fn describe(&self) -> String {
        let files = &self.shared.files;
        let bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
        let name = |file: &FileInfo| file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let names = match files.as_slice() {
            [one] => name(one),
            [first, .., last] => format!("{} files {} .. {}", files.len(), name(first), name(last)),
            [] => "no files".into(),
        };
        format!("csv {names}, {bytes} bytes, {} partitions", self.shared.blocks.len())
    }

    fn rows(&self) -> Precision<usize> {
        let bytes: u64 = self.shared.files.iter().map(|file| file.size_bytes).sum();
        let row_bytes = self.shared.schema.fields().len() * FIELD_BYTES;
        Precision::Inexact(bytes as usize / row_bytes.max(1))
    }

    fn encode(&self) -> EngineResult<(&'static str, Vec<u8>)> {
        Ok((CODEC, self.to_bytes()?))
    }
}
