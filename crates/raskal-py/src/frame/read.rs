//! Frames from files, from tables in memory and from values of tasks.

use super::arrow::{array, batches, schema};
use super::table::{Frame, raise};
use crate::program::{Persisted, ProgramBuilder};
use arrow::compute::concat_batches;
use pyo3::prelude::*;
use raskal_frame::csv::CsvOptions;
use raskal_frame::parquet::{ParquetOptions, ParquetTable, Piece};
use raskal_frame::tasks::TaskSource;
use raskal_frame::{FrameError, memory};
use raskal_graph::Token;
use std::sync::Arc;

/// One ASCII character.
fn ascii(name: &str, text: &str) -> PyResult<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => {
            let message = format!("{name}={text:?} is not supported: expected one ASCII character");
            Err(pyo3::exceptions::PyValueError::new_err(message))
        }
    }
}

/// CSV files as a frame; see `raskal.dataframe.read_csv`.
#[pyfunction]
#[pyo3(signature = (patterns, *, sep, quotechar, header, names, usecols, dtypes, dates, blocksize, missing, sample))]
#[expect(clippy::too_many_arguments, reason = "the options of pandas.read_csv, by name")]
pub(super) fn frame_read_csv(
    py: Python<'_>,
    patterns: Vec<String>,
    sep: &str,
    quotechar: &str,
    header: bool,
    names: Option<Vec<String>>,
    usecols: Option<Vec<String>>,
    dtypes: Vec<(String, String)>,
    dates: Vec<String>,
    blocksize: Option<u64>,
    missing: Option<Vec<String>>,
    sample: usize,
) -> PyResult<Frame> {
    let mut options = CsvOptions {
        separator: ascii("sep", sep)?,
        quote: ascii("quotechar", quotechar)?,
        header,
        names,
        columns: usecols,
        dtypes,
        dates,
        block_bytes: blocksize,
        sample_bytes: sample,
        ..CsvOptions::default()
    };
    if let Some(missing) = missing {
        options.missing = missing;
    }
    py.detach(|| raskal_frame::Frame::read_csv(&patterns, options)).map(Frame::new).map_err(|error| raise(py, error))
}

/// Parquet files as a frame, and pandas' notes about them (JSON) if there are any; see `raskal.dataframe.read_parquet`.
///
/// `keys` is a table with a row for each file; `pieces` lists for each partition (file, first byte, byte behind the last),
/// the latter two negative for whole files.
#[pyfunction]
#[pyo3(signature = (patterns, *, columns=None, index=None, keys=None, pieces=None, divisions=None))]
pub(super) fn frame_read_parquet(
    py: Python<'_>,
    patterns: Vec<String>,
    columns: Option<Vec<String>>,
    index: Option<Vec<String>>,
    keys: Option<&Bound<'_, PyAny>>,
    pieces: Option<Vec<Vec<(usize, i64, i64)>>>,
    divisions: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Frame, Option<String>)> {
    let piece = |(file, start, end): (usize, i64, i64)| Piece { file, range: (end >= 0).then_some((start, end)) };
    let pieces = pieces.map(|parts| parts.into_iter().map(|part| part.into_iter().map(piece).collect()).collect());
    let keys = keys.map(batches).transpose()?;
    let divisions = divisions.map(array).transpose()?;
    let read = || {
        let keys = keys.map(|table| concat_batches(&table.schema, &table.batches)).transpose()?;
        let table = ParquetTable::discover(&patterns, ParquetOptions { columns, index, keys, pieces })?;
        let notes = table.pandas().map(str::to_owned);
        let frame = raskal_frame::Frame::from_parquet(table)?;
        Ok((frame.with_divisions(divisions)?, notes))
    };
    let (frame, notes) = py.detach(read).map_err(|error| raise(py, error))?;
    Ok((Frame::new(frame), notes))
}

/// A pyarrow table as a frame, cut at the row numbers `bounds`; its columns `__index_i__` are the index.
#[pyfunction]
#[pyo3(signature = (table, bounds, index, token, divisions=None))]
pub(super) fn frame_from_table(
    py: Python<'_>,
    table: &Bound<'_, PyAny>,
    bounds: Vec<usize>,
    index: Vec<Option<String>>,
    token: &str,
    divisions: Option<&Bound<'_, PyAny>>,
) -> PyResult<Frame> {
    let table = batches(table)?;
    let divisions = divisions.map(array).transpose()?;
    let partitions = memory::cut_at(&table.batches, &bounds);
    let frame = raskal_frame::Frame::from_partitions(table.schema, partitions, &index, Token::of([token]));
    frame.and_then(|frame| frame.with_divisions(divisions)).map(Frame::new).map_err(|error| raise(py, error))
}

/// Values kept in this process as a frame, one partition each.
#[pyfunction]
#[pyo3(signature = (handle, types, index, token, divisions=None))]
pub(super) fn frame_from_persisted(
    py: Python<'_>,
    handle: &Bound<'_, Persisted>,
    types: &Bound<'_, PyAny>,
    index: Vec<Option<String>>,
    token: &str,
    divisions: Option<&Bound<'_, PyAny>>,
) -> PyResult<Frame> {
    let (types, divisions) = (schema(types)?, divisions.map(array).transpose()?);
    let values = handle.get().values.clone();
    let make = || {
        let partitions = values.iter().map(|value| Ok(value.as_batches()?.batches.clone()));
        let partitions = partitions
            .collect::<Result<Vec<_>, raskal_store::ValueError>>()
            .map_err(|error| FrameError::Type(error.to_string()))?;
        raskal_frame::Frame::from_partitions(types, partitions, &index, Token::of([token]))?.with_divisions(divisions)
    };
    py.detach(make).map(Frame::new).map_err(|error| raise(py, error))
}

/// A Python object whose `lower(builder)` adds the tasks of a table's partitions and returns their numbers.
pub(super) struct TaskOwner(Py<PyAny>);

impl TaskOwner {
    /// Adds the tasks.
    pub(super) fn lower(&self, builder: &Bound<'_, ProgramBuilder>) -> PyResult<Vec<u32>> {
        self.0.bind(builder.py()).call_method1("lower", (builder,))?.extract()
    }
}

/// A table whose partitions are made by tasks, as a frame; `owner.lower(builder)` adds them to a program.
#[pyfunction]
#[pyo3(signature = (owner, partitions, types, index, token, divisions=None))]
pub(super) fn frame_from_tasks(
    py: Python<'_>,
    owner: Py<PyAny>,
    partitions: usize,
    types: &Bound<'_, PyAny>,
    index: Vec<Option<String>>,
    token: &str,
    divisions: Option<&Bound<'_, PyAny>>,
) -> PyResult<Frame> {
    let (types, divisions) = (schema(types)?, divisions.map(array).transpose()?);
    let source = TaskSource::new(types, partitions, Token::of([token]), Arc::new(TaskOwner(owner)));
    let make = || raskal_frame::Frame::from_tasks(source, &index)?.with_divisions(divisions);
    py.detach(make).map(Frame::new).map_err(|error| raise(py, error))
}
