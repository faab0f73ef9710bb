//! Moving elements that native copies do not know (dates, text, objects): the same plans, run by NumPy's indexing.

use crate::error::from_exception;
use crate::value::{from_python, to_python};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySlice, PyTuple};
use raskal_array::HostLayout;
use raskal_array::assemble::{Assemble, Piece};
use raskal_array::blocks::ReshapeBlocks;
use raskal_runtime::{Call, EncodedFunction, Failure, Function, FunctionRegistry};
use raskal_store::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const ASSEMBLE_CODEC: &str = "python.array.assemble";
const RESHAPE_CODEC: &str = "python.array.reshape";

/// Makes the functions.
pub(crate) struct PyLayout;

impl HostLayout for PyLayout {
    fn assemble(&self, plan: Assemble) -> Result<Arc<dyn Function>, Failure> {
        Ok(Arc::new(HostAssemble(plan)))
    }

    fn reshape(&self, plan: ReshapeBlocks) -> Result<Arc<dyn Function>, Failure> {
        Ok(Arc::new(HostReshape(plan)))
    }
}

struct HostAssemble(Assemble);

impl HostAssemble {
    fn assemble<'py>(&self, py: Python<'py>, call: &Call<'_>) -> PyResult<Bound<'py, PyAny>> {
        let (shape, pieces) = self.0.task(call.index);
        let inputs = call.inputs.iter().map(|input| to_python(py, input)).collect::<PyResult<Vec<_>>>()?;
        let numpy = py.import("numpy")?;
        if !inputs[0].is_instance(&numpy.getattr("ndarray")?)? {
            return joined(py, &inputs, pieces, shape.len());
        }
        let keywords = PyDict::new(py);
        keywords.set_item("dtype", inputs[0].getattr("dtype")?)?;
        keywords.set_item("shape", PyTuple::new(py, &shape)?)?;
        let result = numpy.call_method("empty_like", (&inputs[0],), Some(&keywords))?;
        for piece in &pieces {
            let part = read(py, &inputs[piece.input], piece, shape.len())?;
            let place = piece
                .at
                .iter()
                .zip(&piece.shape)
                .map(|(&at, &count)| PySlice::new(py, at as isize, (at + count) as isize, 1));
            result.set_item(PyTuple::new(py, place)?, part)?;
        }
        Ok(result)
    }
}

/// The pieces of blocks that can't be written to, such as sparse ones, one after the other along each axis.
fn joined<'py>(
    py: Python<'py>,
    inputs: &[Bound<'py, PyAny>],
    mut pieces: Vec<Piece>,
    ndim: usize,
) -> PyResult<Bound<'py, PyAny>> {
    pieces.sort_by(|one, other| one.at.cmp(&other.at));
    let grid = (0..ndim).map(|axis| pieces.iter().map(|piece| piece.at[axis]).collect::<BTreeSet<_>>().len());
    let grid = PyTuple::new(py, grid.collect::<Vec<_>>())?;
    let numpy = py.import("numpy")?;
    let parts = PyList::empty(py);
    for piece in &pieces {
        let part = read(py, &inputs[piece.input], piece, ndim)?;
        let shape = PyTuple::new(py, &piece.shape)?;
        let whole = part.getattr("shape")?.eq(&shape)?;
        parts.append(if whole { part } else { numpy.call_method1("broadcast_to", (part, shape))? })?;
    }
    py.import("raskal.array.blockview")?.call_method1("nested_join", (parts, grid))
}

/// What a piece reads, with its axes in the order of the result's and length 1 where it repeats.
fn read<'py>(py: Python<'py>, input: &Bound<'py, PyAny>, piece: &Piece, ndim: usize) -> PyResult<Bound<'py, PyAny>> {
    let key = PyList::empty(py);
    let mut along = Vec::new();
    for axis in &piece.axes {
        match axis.axis {
            None => key.append(axis.start)?,
            Some(own) => {
                along.push(own);
                let end = axis.start as i64 + axis.step * piece.shape[own] as i64;
                let stop = if end < 0 { None } else { Some(end) };
                let slice = py.import("builtins")?.call_method1("slice", (axis.start, stop, axis.step))?;
                key.append(slice)?;
            }
        }
    }
    let part = input.get_item(key.to_tuple())?;
    if along.is_empty() && ndim == 0 {
        return Ok(part);
    }
    let mut order: Vec<usize> = (0..along.len()).collect();
    order.sort_by_key(|&position| along[position]);
    let turned = part.call_method1("transpose", (PyTuple::new(py, order)?,))?;
    let shape: Vec<usize> = (0..ndim).map(|axis| if along.contains(&axis) { piece.shape[axis] } else { 1 }).collect();
    turned.call_method1("reshape", (PyTuple::new(py, shape)?,))
}

impl Function for HostAssemble {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        Python::attach(|py| self.assemble(py, &call).map(from_python).map_err(|error| from_exception(py, error)))
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let encoded = self.0.encode()?;
        Ok(EncodedFunction { codec: ASSEMBLE_CODEC, ..encoded })
    }

    fn describe(&self) -> String {
        format!("numpy copies of {}", self.0.dtype)
    }
}

struct HostReshape(ReshapeBlocks);

impl Function for HostReshape {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        Python::attach(|py| {
            let input = call.inputs.first().ok_or_else(|| Failure::internal("nothing to reshape"))?;
            let reshape = || {
                let shape = PyTuple::new(py, self.0.block_shape(call.index))?;
                to_python(py, input)?.call_method1("reshape", (shape,)).map(from_python)
            };
            reshape().map_err(|error| from_exception(py, error))
        })
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        let encoded = self.0.encode()?;
        Ok(EncodedFunction { codec: RESHAPE_CODEC, ..encoded })
    }

    fn describe(&self) -> String {
        format!("numpy reshape of {}", self.0.dtype)
    }
}

fn unreadable(bytes: &Bytes, error: impl std::fmt::Display) -> Failure {
    Failure::internal(format!("an array plan of {} bytes: {error}", bytes.len()))
}

fn decode_assemble(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let plan: Assemble = bitcode::decode(bytes).map_err(|error| unreadable(bytes, error))?;
    Ok(Arc::new(HostAssemble(plan)))
}

fn decode_reshape(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
    let plan: ReshapeBlocks = bitcode::decode(bytes).map_err(|error| unreadable(bytes, error))?;
    Ok(Arc::new(HostReshape(plan)))
}

/// Adds the decoders.
pub(crate) fn register(registry: &mut FunctionRegistry) {
    registry.register(ASSEMBLE_CODEC, decode_assemble);
    registry.register(RESHAPE_CODEC, decode_reshape);
}
