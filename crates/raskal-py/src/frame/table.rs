//! A lazy dataframe for Python. Every method gives a new frame; nothing runs before [`Frame::lower`]'s tasks do.

use super::arrow::{array, array_to_python, dtype, schema, schema_to_python};
use super::mapper::PyMapper;
use super::read::TaskOwner;
use crate::error::to_exception;
use crate::program::ProgramBuilder;
use pyo3::prelude::*;
use raskal_frame::call::Argument;
use raskal_frame::expression::{self, Binary, Unary};
use raskal_frame::expression::{ScalarValue, literal};
use raskal_frame::tasks::TaskInputs;
use raskal_frame::{
    Aggregate, FrameError, GroupOptions, How, JoinOptions, Keys, Labels, Origin, Reduction, lower, stage, udf,
};
use raskal_runtime::Failure;
use std::sync::Arc;

/// Parts that an exchange on a cluster has. Lowering does not know the cluster; more parts than slots even out.
const EXCHANGE_PARTS: usize = 8;

/// A lazy dataframe.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct Frame {
    inner: raskal_frame::Frame,
}

/// The exception for an error of a frame.
pub(super) fn raise(py: Python<'_>, error: FrameError) -> PyErr {
    to_exception(py, &Failure::from(error))
}

impl Frame {
    pub(crate) fn new(inner: raskal_frame::Frame) -> Frame {
        Frame { inner }
    }

    /// The frame that `body` makes, with the interpreter lock released.
    fn make(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&raskal_frame::Frame) -> raskal_frame::Result<raskal_frame::Frame> + Send,
    ) -> PyResult<Frame> {
        py.detach(|| body(&self.inner)).map(Frame::new).map_err(|error| raise(py, error))
    }
}

/// The first value of a pyarrow array.
fn scalar(value: &Bound<'_, PyAny>) -> PyResult<ScalarValue> {
    let error =
        |error: raskal_frame::expression::ScalarError| pyo3::exceptions::PyTypeError::new_err(error.to_string());
    ScalarValue::try_from_array(&array(value)?, 0).map_err(error)
}

/// All values of a pyarrow array.
fn scalars(values: &Bound<'_, PyAny>) -> PyResult<Vec<ScalarValue>> {
    let values = array(values)?;
    let error =
        |error: raskal_frame::expression::ScalarError| pyo3::exceptions::PyTypeError::new_err(error.to_string());
    (0..values.len()).map(|at| ScalarValue::try_from_array(&values, at).map_err(error)).collect()
}

#[pymethods]
impl Frame {
    /// Names of the columns.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.inner.names()
    }

    /// Names of the index levels.
    #[getter]
    fn index_names(&self) -> Vec<Option<String>> {
        self.inner.index().iter().map(|level| level.name.clone()).collect()
    }

    /// Number of partitions.
    #[getter]
    fn npartitions(&self) -> usize {
        self.inner.partitions()
    }

    /// Labels between which the partitions lie, a pyarrow array, if known.
    #[getter]
    fn divisions<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.divisions().map(|divisions| array_to_python(py, divisions.clone())).transpose()
    }

    /// The pyarrow schema of the rows: `__index_i__` first, then the columns.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let schema = py.detach(|| self.inner.schema()).map_err(|error| raise(py, error))?;
        schema_to_python(py, schema)
    }

    /// Content hash.
    #[getter]
    fn token(&self, py: Python<'_>) -> PyResult<String> {
        let token = py.detach(|| self.inner.token()).map_err(|error| raise(py, error))?;
        Ok(token.to_string())
    }

    /// Content hash of the table whose rows, or some of them, these are, partition by partition.
    #[getter]
    fn root(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.root().to_string())
    }

    /// Only these columns.
    fn select(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Frame> {
        self.make(py, |frame| frame.select(&names))
    }

    /// The same columns under other names.
    fn rename(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Frame> {
        self.make(py, |frame| frame.rename(&names))
    }

    /// With the only column of `value` under `name`.
    fn assign(&self, py: Python<'_>, name: &str, value: &Frame) -> PyResult<Frame> {
        self.make(py, |frame| frame.assign(name, &value.inner))
    }

    /// With the first value of a pyarrow array in every row of `name`.
    fn assign_scalar(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Frame> {
        let value = literal(scalar(value)?);
        self.make(py, |frame| Ok(frame.assign_value(name, value)))
    }

    /// The rows where the only column of `condition` is true.
    fn filter(&self, py: Python<'_>, condition: &Frame) -> PyResult<Frame> {
        self.make(py, |frame| frame.filter(&condition.inner))
    }

    /// Whether the columns of both come from the same rows.
    fn same_rows(&self, other: &Frame) -> bool {
        self.inner.same_rows(&other.inner)
    }

    /// `operation` of every column with the only column of `other`.
    fn binary(&self, py: Python<'_>, operation: &str, other: &Frame) -> PyResult<Frame> {
        self.make(py, |frame| frame.binary(Binary::from_name(operation)?, &other.inner))
    }

    /// `operation` of every column with the first value of a pyarrow array; `reflected`: the value comes first.
    fn binary_scalar(
        &self,
        py: Python<'_>,
        operation: &str,
        value: &Bound<'_, PyAny>,
        reflected: bool,
    ) -> PyResult<Frame> {
        let value = literal(scalar(value)?);
        self.make(py, |frame| {
            let operation = Binary::from_name(operation)?;
            frame.map_values(|column, rows| {
                let (left, right) = if reflected { (value.clone(), column) } else { (column, value.clone()) };
                expression::binary(operation, left, right, rows)
            })
        })
    }

    /// `operation` of every column with the only value of a reduced frame.
    fn binary_reduced(&self, py: Python<'_>, operation: &str, value: &Frame, reflected: bool) -> PyResult<Frame> {
        self.make(py, |frame| frame.binary_reduced(Binary::from_name(operation)?, &value.inner, reflected))
    }

    /// `neg`, `invert`, `abs`, `isna` or `notna` of every column.
    fn unary(&self, py: Python<'_>, operation: &str) -> PyResult<Frame> {
        self.make(py, |frame| {
            let operation = Unary::from_name(operation)?;
            frame.map_values(|column, rows| expression::unary(operation, column, rows))
        })
    }

    /// Every column with the first value of a pyarrow array in place of missing values.
    fn fillna(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Frame> {
        let value = scalar(value)?;
        self.make(py, |frame| frame.map_values(|column, rows| expression::fill_missing(column, value.clone(), rows)))
    }

    /// A Python function on the columns of these frames, row for row; the result is one column called `name`.
    #[pyo3(signature = (callable, description, token, arguments, result, name))]
    #[expect(clippy::too_many_arguments, reason = "one call site, all by name")]
    fn map_columns(
        &self,
        py: Python<'_>,
        callable: Py<PyAny>,
        description: String,
        token: String,
        arguments: Vec<PyRef<'_, Frame>>,
        result: &Bound<'_, PyAny>,
        name: &str,
    ) -> PyResult<Frame> {
        let mapper = Arc::new(PyMapper::new(callable, description, token));
        let result = dtype(result)?;
        let arguments: Vec<_> = arguments.iter().map(|frame| frame.inner.clone()).collect();
        self.make(py, |frame| {
            let values = frame.values_of(&arguments)?;
            let value = udf::map_columns(mapper, result, values);
            frame.assign_value(name, value).select(&[name])
        })
    }

    /// A Python function on partitions.
    #[pyo3(signature = (callable, description, token, types, index, keep_divisions))]
    #[expect(clippy::too_many_arguments, reason = "one call site, all by name")]
    fn map_partitions(
        &self,
        py: Python<'_>,
        callable: Py<PyAny>,
        description: String,
        token: String,
        types: &Bound<'_, PyAny>,
        index: Vec<Option<String>>,
        keep_divisions: bool,
    ) -> PyResult<Frame> {
        let mapper = Arc::new(PyMapper::new(callable, description, token));
        let types = schema(types)?;
        self.make(py, |frame| frame.map_partitions(mapper, types, &index, keep_divisions))
    }

    /// `(column, reduction, name)` of the groups that agree in the only columns of `keys`.
    fn group_by(
        &self,
        py: Python<'_>,
        keys: Vec<PyRef<'_, Frame>>,
        aggregates: Vec<(String, String, String)>,
        sort: bool,
        dropna: bool,
    ) -> PyResult<Frame> {
        let keys: Vec<_> = keys.iter().map(|key| key.inner.clone()).collect();
        self.make(py, |frame| {
            let keys: Vec<_> = keys.iter().collect();
            let groups = frame.group_by_values(&keys, GroupOptions { sort, drop_missing: dropna })?;
            groups.aggregate(&reductions(aggregates)?)
        })
    }

    /// `(column, reduction, name)` of all rows: one row.
    fn reduce(&self, py: Python<'_>, aggregates: Vec<(String, String, String)>) -> PyResult<Frame> {
        self.make(py, |frame| frame.reduce(&reductions(aggregates)?))
    }

    /// The first `rows` rows of the first partition.
    fn head(&self, py: Python<'_>, rows: usize) -> PyResult<Frame> {
        self.make(py, |frame| frame.head(rows))
    }

    /// The partitions of these numbers.
    fn select_partitions(&self, py: Python<'_>, partitions: Vec<usize>) -> PyResult<Frame> {
        self.make(py, |frame| frame.select_partitions(&partitions))
    }

    /// The index levels as columns, or without them.
    fn reset_index(&self, py: Python<'_>, drop: bool) -> PyResult<Frame> {
        self.make(py, |frame| frame.reset_index(drop))
    }

    /// The index as one column.
    fn index_column(&self, py: Python<'_>) -> PyResult<Frame> {
        self.make(py, raskal_frame::Frame::index_column)
    }

    /// Rows whose keys agree with those of `right`; `columns` are `(origin, name, result)`, where `origin` is `left`,
    /// `right`, `key` (its name is the key's number) or `indicator`.
    #[expect(clippy::too_many_arguments, reason = "one call site, all by name")]
    fn join(
        &self,
        py: Python<'_>,
        right: &Frame,
        left_on: Option<Vec<PyRef<'_, Frame>>>,
        right_on: Option<Vec<PyRef<'_, Frame>>>,
        how: &str,
        columns: Vec<(String, String, String)>,
        labels: &str,
        label_name: Option<String>,
    ) -> PyResult<Frame> {
        let keys = |frames: Option<Vec<PyRef<'_, Frame>>>| match frames {
            Some(frames) => Keys::Columns(frames.iter().map(|frame| frame.inner.clone()).collect()),
            None => Keys::Labels,
        };
        let (left_on, right_on) = (keys(left_on), keys(right_on));
        let labels = match labels {
            "left" => Labels::Left,
            "key" => Labels::Key(label_name),
            _ => Labels::Counted,
        };
        self.make(py, |frame| {
            let columns = columns.into_iter().map(|(from, name, result)| Ok((origin(&from, name)?, result)));
            let columns = columns.collect::<raskal_frame::Result<Vec<_>>>()?;
            let how = How::from_name(how)?;
            frame.join(&right.inner, &JoinOptions { left_on, right_on, how, columns, labels })
        })
    }

    /// Whether a join of this kind keeps partitions, their order and divisions.
    fn joins_in_order(&self, py: Python<'_>, right: &Frame, how: &str) -> PyResult<bool> {
        let how = How::from_name(how).map_err(|error| raise(py, error))?;
        Ok(self.inner.joins_in_order(&right.inner, how))
    }

    /// These columns as the index.
    fn set_index(&self, py: Python<'_>, names: Vec<String>, drop: bool) -> PyResult<Frame> {
        self.make(py, |frame| frame.set_index(&names, drop))
    }

    /// Whether its rows are known to be few enough for one partition.
    #[getter]
    fn fits(&self) -> bool {
        self.inner.fits()
    }

    /// Rows in the order of `(column, ascending)`.
    fn sort(
        &self,
        py: Python<'_>,
        keys: Vec<(String, bool)>,
        missing_first: bool,
        limit: Option<usize>,
    ) -> PyResult<Frame> {
        self.make(py, |frame| frame.sort(&keys, missing_first, limit))
    }

    /// The first or last of the rows that agree in these columns.
    fn distinct(&self, py: Python<'_>, by: Vec<String>, last: bool) -> PyResult<Frame> {
        self.make(py, |frame| frame.distinct(&by, last))
    }

    /// The first `count` rows, in the order of `by`, of the groups that agree in the only columns of `keys`.
    fn top(&self, py: Python<'_>, keys: Vec<PyRef<'_, Frame>>, by: Vec<(String, bool)>, count: u64) -> PyResult<Frame> {
        let keys: Vec<_> = keys.iter().map(|key| key.inner.clone()).collect();
        self.make(py, |frame| frame.top(&keys.iter().collect::<Vec<_>>(), &by, count))
    }

    /// A function of the engine by name, of frames of one column each and of all values of pyarrow arrays.
    #[pyo3(signature = (function, arguments, dtype, name))]
    fn call(
        &self,
        py: Python<'_>,
        function: &str,
        arguments: Vec<Bound<'_, PyAny>>,
        dtype: Option<Bound<'_, PyAny>>,
        name: &str,
    ) -> PyResult<Frame> {
        let dtype = dtype.as_ref().map(super::arrow::dtype).transpose()?;
        let mut all = Vec::new();
        for argument in &arguments {
            match argument.cast::<Frame>() {
                Ok(frame) => all.push(Argument::Column(frame.get().inner.clone())),
                Err(_) => all.extend(scalars(argument)?.into_iter().map(|value| Argument::Value(literal(value)))),
            }
        }
        self.make(py, |frame| frame.call(function, &all, dtype, name))
    }

    /// The plans as text; with `analyze`, the plan is run, and each step tells what it did.
    #[pyo3(signature = (analyze=false))]
    fn explain(&self, py: Python<'_>, analyze: bool) -> PyResult<String> {
        let told = py.detach(|| if analyze { self.inner.analyze() } else { self.inner.explain() });
        told.map_err(|error| raise(py, error))
    }

    /// Adds the frame to a program, one task per partition; returns their numbers. For a cluster, and where it reads
    /// values of other tasks, the plan is cut into stages.
    fn lower(&self, py: Python<'_>, builder: &Bound<'_, ProgramBuilder>) -> PyResult<Vec<u32>> {
        let mut inputs = TaskInputs::new();
        for (token, owner) in self.inner.task_sources().map_err(|error| raise(py, error))? {
            let owner = owner.downcast_ref::<TaskOwner>().ok_or_else(|| {
                pyo3::exceptions::PyRuntimeError::new_err("this is a bug of raskal: a table of tasks without an owner")
            })?;
            inputs.insert(token, owner.lower(builder)?);
        }
        let builder = builder.get();
        let staged = builder.distributed || !inputs.is_empty();
        builder.edit(py, |builder| {
            let layer = if staged {
                stage::lower_frame(&self.inner, EXCHANGE_PARTS, &inputs, builder)?
            } else {
                lower::lower_partitions(&self.inner, builder)?
            };
            Ok(builder.graph().tasks(layer).collect())
        })
    }
}

/// Where a column of a join comes from.
fn origin(from: &str, name: String) -> raskal_frame::Result<Origin> {
    let unknown = || FrameError::Value(format!("a column of a join comes from '{from}'"));
    Ok(match from {
        "left" => Origin::Left(name),
        "right" => Origin::Right(name),
        "key" => Origin::Key(name.parse().map_err(|_| unknown())?),
        "indicator" => Origin::Indicator,
        _ => return Err(unknown()),
    })
}

/// The rows of these frames, one frame after the other.
#[pyfunction]
pub(super) fn frame_concat(py: Python<'_>, frames: Vec<PyRef<'_, Frame>>) -> PyResult<Frame> {
    let frames: Vec<_> = frames.iter().map(|frame| frame.inner.clone()).collect();
    py.detach(|| raskal_frame::Frame::concat(&frames)).map(Frame::new).map_err(|error| raise(py, error))
}

/// What an SQL query over named frames gives.
#[pyfunction]
pub(super) fn frame_sql(py: Python<'_>, text: &str, tables: Vec<(String, PyRef<'_, Frame>)>) -> PyResult<Frame> {
    let tables: Vec<_> = tables.iter().map(|(name, frame)| (name.clone(), frame.inner.clone())).collect();
    py.detach(|| raskal_frame::sql::query(text, &tables)).map(Frame::new).map_err(|error| raise(py, error))
}

fn reductions(aggregates: Vec<(String, String, String)>) -> raskal_frame::Result<Vec<Aggregate>> {
    let aggregate = |(column, reduction, name): (String, String, String)| {
        Ok(Aggregate { column, reduction: Reduction::from_name(&reduction)?, name })
    };
    aggregates.into_iter().map(aggregate).collect()
}
