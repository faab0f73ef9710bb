//! The expression handle that Python's `Array` holds.

use super::convert::{axis_spec, chunk_tuples, chunks, element_type, index, native, operand, raise, runs, scalar};
use super::kernel::PyKernel;
use super::layout::PyLayout;
use super::source::{Added, Blocks, LateToken};
use crate::annotate::{self, Asked};
use crate::error::to_exception;
use crate::program::{Persisted, ProgramBuilder};
use numpy::PyReadonlyArray2;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raskal_array::expr::{HostBlocks, HostInput};
use raskal_array::normalize::{AxisSpec, normalize};
use raskal_array::ops::{Binary, Unary};
use raskal_array::plan::explain::explain;
use raskal_array::{ArrayError, Expr, Index, Plan, Reduction};
use raskal_graph::{Axis, Csr};
use std::sync::Arc;

/// A lazy n-dimensional array.
#[pyclass(module = "raskal._raskal", frozen)]
pub(crate) struct ArrayExpr {
    pub(crate) expr: Expr,
    /// Kept blocks of a cluster that the expression reads; a builder adds them first.
    kept: Vec<Arc<Added>>,
    /// What users asked of the steps that they made inside `annotate` blocks, by the steps.
    asked: Vec<(Expr, Arc<Py<Asked>>)>,
}

/// Where the blocks of an operand come from.
#[derive(FromPyObject)]
enum BlockSpec {
    /// `{"tree": lengths}`: groups of neighbours.
    Tree {
        #[pyo3(item)]
        tree: Vec<u32>,
    },
    /// For each axis the result's axis, None for every block, or a negative number `-1 - block` for one block.
    Map(Vec<Option<i64>>),
    /// A list of blocks for each block of the result.
    Rows(Vec<Vec<u32>>),
}

impl BlockSpec {
    fn blocks(&self) -> HostBlocks {
        match self {
            BlockSpec::Tree { tree } => HostBlocks::Tree(tree.clone()),
            BlockSpec::Rows(rows) => HostBlocks::Rows(Arc::new(Csr::from_rows(rows.iter().map(Vec::as_slice)))),
            BlockSpec::Map(axes) => {
                let axes = axes.iter().map(|axis| match axis {
                    None => Axis::Every,
                    Some(axis) if *axis < 0 => Axis::Fixed((-1 - axis) as u32),
                    Some(axis) => Axis::Same(*axis as u32),
                });
                HostBlocks::Map(axes.collect())
            }
        }
    }
}

fn done(expr: raskal_array::error::Result<Expr>, from: &[&ArrayExpr]) -> PyResult<ArrayExpr> {
    let expr = expr.map_err(raise)?;
    let mut asked: Vec<(Expr, Arc<Py<Asked>>)> = Vec::new();
    for step in from.iter().flat_map(|expr| &expr.asked) {
        if !asked.iter().any(|known| known.0.token() == step.0.token()) {
            asked.push(step.clone());
        }
    }
    if let Some(here) = Python::attach(annotate::current) {
        asked.push((expr.clone(), Arc::new(here)));
    }
    Ok(ArrayExpr { expr, kept: kept(from), asked })
}

fn kept(from: &[&ArrayExpr]) -> Vec<Arc<Added>> {
    let mut kept: Vec<Arc<Added>> = Vec::new();
    for added in from.iter().flat_map(|expr| &expr.kept) {
        if !kept.iter().any(|known| Arc::ptr_eq(known, added)) {
            kept.push(added.clone());
        }
    }
    kept
}

fn with_operands(expr: raskal_array::error::Result<Expr>, operands: &[&Bound<'_, PyAny>]) -> PyResult<ArrayExpr> {
    let arrays: Vec<&ArrayExpr> =
        operands.iter().filter_map(|operand| operand.cast::<ArrayExpr>().ok()).map(|expr| expr.get()).collect();
    done(expr, &arrays)
}

#[pymethods]
impl ArrayExpr {
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.expr.shape())
    }

    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        chunk_tuples(py, self.expr.chunks())
    }

    #[getter]
    fn dtype(&self) -> &str {
        self.expr.dtype().name()
    }

    #[getter]
    fn name(&self) -> String {
        self.expr.name()
    }

    #[getter]
    fn token(&self) -> String {
        self.expr.content().to_string()
    }

    /// The same number everywhere.
    #[staticmethod]
    fn full(value: &Bound<'_, PyAny>, lengths: Vec<Vec<usize>>, dtype: &str) -> PyResult<ArrayExpr> {
        done(Expr::full(scalar(value)?, chunks(lengths), native(dtype)?), &[])
    }

    /// Each element's coordinate along an axis.
    #[staticmethod]
    fn index(axis: usize, lengths: Vec<Vec<usize>>) -> PyResult<ArrayExpr> {
        done(Expr::index(axis, chunks(lengths)), &[])
    }

    /// Python objects as blocks. `late()` gives the prefix by content, if `prefix` is none.
    #[staticmethod]
    #[pyo3(signature = (name, prefix, objects, lengths, dtype, size_bytes, late=None))]
    fn blocks(
        name: String,
        prefix: String,
        objects: Vec<Bound<'_, PyAny>>,
        lengths: Vec<Vec<usize>>,
        dtype: &str,
        size_bytes: usize,
        late: Option<Py<PyAny>>,
    ) -> PyResult<ArrayExpr> {
        let source = Blocks::of_objects(name, prefix, objects, late.map(LateToken::new));
        done(Ok(Expr::source(source, chunks(lengths), element_type(dtype, size_bytes))), &[])
    }

    /// Blocks that an engine keeps.
    #[staticmethod]
    fn persisted(
        prefix: String,
        handle: Bound<'_, PyAny>,
        lengths: Vec<Vec<usize>>,
        dtype: &str,
        size_bytes: usize,
    ) -> PyResult<ArrayExpr> {
        match handle.cast::<Persisted>() {
            Ok(local) => {
                let source = Blocks::of_values("persisted".into(), prefix, local.get().values.clone());
                done(Ok(Expr::source(source, chunks(lengths), element_type(dtype, size_bytes))), &[])
            }
            Err(_) => ArrayExpr::added("persisted".into(), prefix, handle, lengths, dtype, size_bytes),
        }
    }

    /// Blocks that are the tasks of a collection, in order, or kept by a cluster.
    #[staticmethod]
    fn added(
        name: String,
        prefix: String,
        handle: Bound<'_, PyAny>,
        lengths: Vec<Vec<usize>>,
        dtype: &str,
        size_bytes: usize,
    ) -> PyResult<ArrayExpr> {
        let chunks = chunks(lengths);
        let added = Arc::new(Added::new(name, prefix, chunks.numblocks(), handle.unbind()));
        let expr = Expr::source(added.clone(), chunks, element_type(dtype, size_bytes));
        Ok(ArrayExpr { kept: vec![added], ..done(Ok(expr), &[])? })
    }

    /// A Python callable `f(coordinates, *blocks)` on blocks. `late()` gives its token by content, if `token` is none.
    #[staticmethod]
    #[pyo3(signature = (name, token, callable, inputs, lengths, dtype, size_bytes, reason, transposable=false, origin=None, late=None))]
    #[expect(clippy::too_many_arguments, reason = "one Python call, all by keyword there")]
    fn host(
        name: &str,
        token: &str,
        callable: Py<PyAny>,
        inputs: Vec<(Bound<'_, ArrayExpr>, BlockSpec)>,
        lengths: Vec<Vec<usize>>,
        dtype: &str,
        size_bytes: usize,
        reason: String,
        transposable: bool,
        origin: Option<String>,
        late: Option<Py<PyAny>>,
    ) -> PyResult<ArrayExpr> {
        let late = late.map(LateToken::new);
        let kernel = Arc::new(PyKernel { callable, reason, transposable, origin, late });
        let from: Vec<&ArrayExpr> = inputs.iter().map(|(expr, _)| expr.get()).collect();
        let operands = inputs
            .iter()
            .map(|(expr, blocks)| HostInput { expr: expr.get().expr.clone(), blocks: blocks.blocks() })
            .collect();
        done(Expr::host(name, token, kernel, operands, chunks(lengths), element_type(dtype, size_bytes)), &from)
    }

    /// An elementwise operation on one array, by NumPy's name.
    fn unary(&self, name: &str) -> PyResult<ArrayExpr> {
        let op = Unary::from_name(name).ok_or_else(|| raise(ArrayError::NoKernel(name.into())))?;
        done(self.expr.unary(op), &[self])
    }

    /// An elementwise operation on two operands, by NumPy's name.
    #[staticmethod]
    fn binary(name: &str, left: &Bound<'_, PyAny>, right: &Bound<'_, PyAny>) -> PyResult<ArrayExpr> {
        let op = Binary::from_name(name).ok_or_else(|| raise(ArrayError::NoKernel(name.into())))?;
        with_operands(Expr::binary_of(op, operand(left)?, operand(right)?), &[left, right])
    }

    /// Elements of `yes` where this array is true, of `no` elsewhere.
    fn select(&self, yes: &Bound<'_, PyAny>, no: &Bound<'_, PyAny>) -> PyResult<ArrayExpr> {
        let mut result = with_operands(self.expr.select(operand(yes)?, operand(no)?), &[yes, no])?;
        result.kept.extend(self.kept.iter().cloned());
        Ok(result)
    }

    fn cast(&self, dtype: &str) -> PyResult<ArrayExpr> {
        done(self.expr.cast(native(dtype)?), &[self])
    }

    #[pyo3(signature = (axes=None))]
    fn transpose(&self, axes: Option<Vec<usize>>) -> PyResult<ArrayExpr> {
        done(self.expr.transpose(axes.as_deref()), &[self])
    }

    #[pyo3(signature = (shape, lengths=None))]
    fn broadcast_to(&self, shape: Vec<usize>, lengths: Option<Vec<Vec<usize>>>) -> PyResult<ArrayExpr> {
        done(self.expr.broadcast_to(&shape, lengths.map(chunks)), &[self])
    }

    /// The elements that integers, slices, None and at most one list choose.
    fn get(&self, indices: Vec<Bound<'_, PyAny>>) -> PyResult<ArrayExpr> {
        let indices = indices.iter().map(index).collect::<PyResult<Vec<Index>>>()?;
        done(self.expr.get(&indices), &[self])
    }

    /// Chosen elements: for each axis None, or an array of indices (one column) or of runs (start, step, count), with the
    /// lengths of the result's blocks.
    fn take(&self, axes: Vec<Option<(PyReadonlyArray2<'_, i64>, Vec<usize>)>>) -> PyResult<ArrayExpr> {
        let axes = axes.into_iter().map(|axis| axis.map(|(chosen, lengths)| Ok((runs(&chosen)?, lengths))).transpose());
        done(self.expr.take_runs(axes.collect::<PyResult<_>>()?), &[self])
    }

    fn rechunk(&self, lengths: Vec<Vec<usize>>) -> PyResult<ArrayExpr> {
        done(self.expr.rechunk(chunks(lengths)), &[self])
    }

    fn reshape(&self, shape: Vec<usize>) -> PyResult<ArrayExpr> {
        done(self.expr.reshape(&shape), &[self])
    }

    #[pyo3(signature = (kind, axes=None, keepdims=false, split_every=None, ddof=0))]
    fn reduce(
        &self,
        kind: &str,
        axes: Option<Vec<usize>>,
        keepdims: bool,
        split_every: Option<u32>,
        ddof: i32,
    ) -> PyResult<ArrayExpr> {
        let reduction = Reduction::from_name(kind, ddof).ok_or_else(|| raise(ArrayError::NoKernel(kind.to_owned())))?;
        done(self.expr.reduce_by(reduction, axes.as_deref(), keepdims, split_every), &[self])
    }

    #[staticmethod]
    fn concatenate(args: Vec<Bound<'_, ArrayExpr>>, axis: usize) -> PyResult<ArrayExpr> {
        let from: Vec<&ArrayExpr> = args.iter().map(|arg| arg.get()).collect();
        let exprs: Vec<Expr> = from.iter().map(|arg| arg.expr.clone()).collect();
        done(Expr::concatenate(&exprs, axis), &from)
    }

    /// The operands of an elementwise operation with common chunks.
    #[staticmethod]
    fn align(args: Vec<Bound<'_, ArrayExpr>>, name: &str) -> PyResult<Vec<ArrayExpr>> {
        let exprs = args.iter().map(|arg| arg.get().expr.clone()).collect();
        let aligned = Expr::align(exprs, name).map_err(raise)?;
        Ok(aligned
            .into_iter()
            .zip(&args)
            .map(|(expr, arg)| {
                let arg = arg.get();
                ArrayExpr { expr, kept: arg.kept.clone(), asked: arg.asked.clone() }
            })
            .collect())
    }

    /// The chunks of an elementwise operation on aligned operands.
    #[staticmethod]
    fn broadcast_chunks<'py>(py: Python<'py>, args: Vec<Bound<'py, ArrayExpr>>) -> PyResult<Bound<'py, PyTuple>> {
        let exprs: Vec<Expr> = args.iter().map(|arg| arg.get().expr.clone()).collect();
        chunk_tuples(py, &Expr::broadcast_chunks(&exprs))
    }

    /// The expression and its plan as text.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        explain(&self.expr, &PyLayout).map_err(|failure| to_exception(py, &failure))
    }

    /// Adds the layers to a program; returns the numbers of the tasks that give the blocks, or one of them.
    #[pyo3(signature = (builder, block=None))]
    fn lower(&self, py: Python<'_>, builder: &Bound<'_, ProgramBuilder>, block: Option<u32>) -> PyResult<Vec<u32>> {
        for added in &self.kept {
            added.prepare(py, builder)?;
        }
        let brief = builder.get().brief;
        let plan = if brief { Plan::brief(&self.expr, &PyLayout) } else { Plan::of(&self.expr, &PyLayout) };
        let plan = plan.map_err(|failure| to_exception(py, &failure))?;
        let tasks = builder.get().edit(py, |builder| {
            let layer = plan.add_to(builder)?;
            Ok(match block {
                Some(block) => vec![builder.graph().task(layer, block)],
                None => builder.graph().tasks(layer).collect(),
            })
        })?;
        for (step, asked) in &self.asked {
            let token = if brief { step.token() } else { step.content() };
            builder.get().annotate_named(py, asked.bind(py), &token.to_string())?;
        }
        Ok(tasks)
    }
}

/// What a user wrote for `chunks=`, as lengths along each axis.
#[pyfunction]
#[pyo3(signature = (shape, specs, size_bytes, previous=None))]
pub(crate) fn normalize_array_chunks<'py>(
    py: Python<'py>,
    shape: Vec<usize>,
    specs: Vec<Bound<'py, PyAny>>,
    size_bytes: usize,
    previous: Option<Vec<Vec<usize>>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let specs = specs.iter().map(axis_spec).collect::<PyResult<Vec<AxisSpec>>>()?;
    let previous = previous.map(chunks);
    if previous.as_ref().is_some_and(|previous| previous.ndim() != shape.len()) {
        return Err(PyValueError::new_err("the previous chunks have another number of axes"));
    }
    let chunks = normalize(&shape, &specs, size_bytes, previous.as_ref()).map_err(raise)?;
    chunk_tuples(py, &chunks)
}
