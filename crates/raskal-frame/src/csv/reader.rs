//! Reads one block of a CSV file, a piece of text at a time.
//!
//! Start at [`Reader`], an iterator of batches. A piece is half a megabyte: small enough for its text and positions to
//! stay in the core's own cache through the three steps, large enough for thousands of rows per batch.

use super::fields;
use super::infer::bom;
use super::missing::Missing;
use super::options::dtype_name;
use super::rows::{Fields, Layout, split};
use super::structure::Structure;
use super::{Block, Shared};
use crate::FrameError;
use arrow::array::{ArrayRef, Int64Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::Result;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// How much text is worked on at once, in bytes.
const PIECE_BYTES: usize = 512 << 10;

/// The batches of one block.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    block: Block,
    file: File,
    /// Text that was read and not used, from [`Reader::offset`] of the file on.
    text: Vec<u8>,
    offset: u64,
    ended: bool,
    done: bool,
    layout: Layout,
    fields: Vec<Fields>,
    positions: Vec<u32>,
    missing: Missing,
    schema: SchemaRef,
    /// For each column of the result, its place among the wanted columns; none for the row's position.
    outputs: Vec<Option<usize>>,
    has_strings: bool,
    rows_before: i64,
}

impl Reader {
    pub(crate) fn open(shared: Arc<Shared>, partition: usize, projection: &[usize]) -> Result<Reader> {
        let block = shared.blocks[partition].clone();
        let path = &shared.files[block.file as usize].path;
        let mut file = File::open(path).map_err(|why| error(path, why))?;
        let position_column = shared.places.len();
        let mut wanted: Vec<usize> = projection
            .iter()
            .filter(|&&column| column < position_column)
            .map(|&column| shared.places[column])
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let outputs = projection
            .iter()
            .map(|&column| {
                (column < position_column).then(|| wanted.binary_search(&shared.places[column]).unwrap_or(0))
            })
            .collect();
        let schema = Arc::new(shared.schema.project(projection)?);
        // A row belongs to the block in which it starts: the byte before tells whether one starts right here.
        let offset = block.begin.saturating_sub(1);
        file.seek(SeekFrom::Start(offset)).map_err(|why| error(path, why))?;
        let structure = Structure { separator: shared.options.separator, quote: shared.options.quote };
        let mut reader = Reader {
            layout: Layout { structure, columns: shared.file_columns, wanted: wanted.clone() },
            fields: wanted.iter().map(|_| Fields::default()).collect(),
            missing: Missing::new(&shared.options.missing),
            has_strings: schema.fields().iter().any(|field| field.data_type() == &DataType::Utf8View),
            text: Vec::new(),
            positions: Vec::new(),
            ended: false,
            done: false,
            rows_before: 0,
            shared,
            block,
            file,
            offset,
            schema,
            outputs,
        };
        reader.skip_to_first_row()?;
        Ok(reader)
    }

    fn path(&self) -> &str {
        &self.shared.files[self.block.file as usize].path
    }

    /// Reads on. Behind the end of the block only little at a time: all that is missing there is the end of a row.
    fn fill(&mut self) -> Result<()> {
        let at = self.offset + self.text.len() as u64;
        let to_end = self.block.end.saturating_sub(at) as usize;
        let len = to_end.clamp(64 << 10, PIECE_BYTES).max(self.text.len());
        let before = self.text.len();
        self.text.reserve(len + 1);
        let read = (&mut self.file).take(len as u64).read_to_end(&mut self.text);
        read.map_err(|why| error(self.path(), why))?;
        if self.text.len() - before < len {
            self.ended = true;
            if self.text.last().is_some_and(|&byte| byte != b'\n') {
                self.text.push(b'\n');
            }
        }
        Ok(())
    }

    fn drop_front(&mut self, bytes: usize) {
        self.text.drain(..bytes);
        self.offset += bytes as u64;
    }

    fn skip_to_first_row(&mut self) -> Result<()> {
        self.fill()?;
        if self.block.begin == 0 {
            self.drop_front(bom(&self.text));
            let header = self.shared.header.clone();
            while self.text.len() < header.len() && !self.ended {
                self.fill()?;
            }
            let line_end = memchr::memchr(b'\n', &self.text).map_or(self.text.len(), |at| at + 1);
            let found = &self.text[..if header.is_empty() { 0 } else { line_end }];
            if found.trim_ascii_end() != header.trim_ascii_end() && !found.is_empty() {
                return Err(FrameError::Value(format!(
                    "{}: the header is '{}', that of the first file is '{}'\n\
                     hint: read files of different columns one by one and concatenate them",
                    self.path(),
                    String::from_utf8_lossy(found.trim_ascii_end()),
                    String::from_utf8_lossy(header.trim_ascii_end()),
                ))
                .into());
            }
            let length = found.len();
            self.drop_front(length);
            return Ok(());
        }
        loop {
            match memchr::memchr(b'\n', &self.text) {
                Some(at) => {
                    self.drop_front(at + 1);
                    return Ok(());
                }
                None => {
                    let all = self.text.len();
                    self.drop_front(all);
                    if self.ended {
                        return Ok(());
                    }
                    self.fill()?;
                }
            }
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.done || self.offset >= self.block.end {
                return Ok(None);
            }
            if self.text.len() < PIECE_BYTES / 2 && !self.ended {
                self.fill()?;
            }
            if self.text.is_empty() {
                return Ok(None);
            }
            if self.positions.len() < self.text.len() {
                // Fresh zeroed memory: pages that are never written to are never there.
                self.positions = vec![0; self.text.len().next_power_of_two()];
            }
            let count = self.layout.structure.positions(&self.text, &mut self.positions);
            self.fields.iter_mut().for_each(Fields::clear);
            let limit = self.block.end.saturating_sub(self.offset).min(self.text.len() as u64) as usize;
            let split = split(&self.layout, &self.text, &self.positions[..count], limit, &mut self.fields);
            if split.rows > 0 {
                let batch = self.batch(split.rows, split.used)?;
                // An overlong row behind good ones is met again, at the front of the text.
                return Ok(Some(batch));
            }
            if let Some((start, fields)) = split.too_many {
                let line = self.line(self.offset + start as u64);
                let (path, columns) = (self.path().to_owned(), self.shared.file_columns);
                return Err(FrameError::TooManyFields { path, line, fields, columns }.into());
            }
            if split.used > 0 {
                self.drop_front(split.used);
            } else if self.ended {
                self.done = true;
                let line = self.line(self.offset);
                let why = format!("line {line}: a quote is opened and never closed");
                return Err(FrameError::File { path: self.path().to_owned(), why }.into());
            } else {
                self.fill()?;
            }
        }
    }

    /// The batch of the first `rows` rows, which take `used` bytes of the text.
    fn batch(&mut self, rows: usize, used: usize) -> Result<RecordBatch> {
        let rest = self.text[used..].to_vec();
        let text = Buffer::from_vec(std::mem::take(&mut self.text));
        let columns = self.columns(rows, used, &text)?;
        self.rows_before += rows as i64;
        self.offset += used as u64;
        // Where no column points into the text, its memory serves the next piece too.
        self.text = match text.into_vec::<u8>() {
            Ok(mut memory) => {
                memory.clear();
                memory.extend_from_slice(&rest);
                memory
            }
            Err(_) => {
                let mut memory = Vec::with_capacity(PIECE_BYTES + rest.len() + 1);
                memory.extend_from_slice(&rest);
                memory
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn columns(&self, rows: usize, used: usize, text: &Buffer) -> Result<Vec<ArrayRef>> {
        if self.has_strings
            && let Err(why) = std::str::from_utf8(&text[..used])
        {
            let line = self.line(self.offset + why.valid_up_to() as u64);
            let byte = text[why.valid_up_to()];
            let why = format!("line {line}: byte 0x{byte:02x} is not valid UTF-8, the only encoding supported");
            return Err(FrameError::File { path: self.path().to_owned(), why }.into());
        }
        let column = |(output, field): (&Option<usize>, &Arc<arrow::datatypes::Field>)| -> Result<ArrayRef> {
            let Some(place) = output else {
                let positions = self.rows_before..self.rows_before + rows as i64;
                return Ok(Arc::new(Int64Array::from_iter_values(positions)));
            };
            let (fields, quote) = (&self.fields[*place], self.layout.structure.quote);
            fields::build(field.data_type(), text, fields, &self.missing, quote)
                .map_err(|misfit| self.misfit(field, text, &fields.get(misfit.row).0).into())
        };
        self.outputs.iter().zip(self.schema.fields()).map(column).collect()
    }

    fn misfit(&self, field: &arrow::datatypes::Field, text: &[u8], range: &std::ops::Range<usize>) -> FrameError {
        let found = &text[range.clone()];
        let suggestion =
            if fields::float(found).is_some() && field.data_type().is_numeric() { "float64" } else { "str" };
        FrameError::Field {
            path: self.path().to_owned(),
            line: self.line(self.offset + range.start as u64),
            column: field.name().clone(),
            text: String::from_utf8_lossy(found).chars().take(60).collect(),
            dtype: dtype_name(field.data_type()),
            suggestion: suggestion.into(),
        }
    }

    /// Number of the line that holds this byte of the file, counted from 1. Reads the file up to there: only errors
    /// need it.
    fn line(&self, offset: u64) -> u64 {
        let Ok(file) = File::open(self.path()) else { return 0 };
        let mut reader = std::io::BufReader::with_capacity(1 << 20, file.take(offset));
        let mut lines = 1;
        loop {
            match std::io::BufRead::fill_buf(&mut reader) {
                Ok([]) | Err(_) => return lines,
                Ok(text) => {
                    lines += memchr::memchr_iter(b'\n', text).count() as u64;
                    let length = text.len();
                    std::io::BufRead::consume(&mut reader, length);
                }
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let next = self.next_batch().transpose();
        self.done = self.done || matches!(next, Some(Err(_)) | None);
        next
    }
}

fn error(path: &str, why: std::io::Error) -> FrameError {
    match why.kind() {
        std::io::ErrorKind::NotFound => {
            FrameError::NoFiles { pattern: path.to_owned(), hint: "the file was there when it was listed".into() }
        }
        _ => FrameError::File { path: path.to_owned(), why: why.to_string() },
    }
}
