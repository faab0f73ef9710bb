//! Arrays made from nothing, from blocks, and by the host.

use super::make;
use crate::chunks::Chunks;
use crate::dtype::{ElementType, is_complex};
use crate::error::{ArrayError, Result};
use crate::expr::{Expr, HostBlocks, HostInput, Op};
use crate::host::{BlockSource, HostKernel, Source};
use crate::ops::Binary;
use crate::scalar::Scalar;
use raskal_graph::Axis;
use raskal_store::{Block, DType};
use std::sync::Arc;

impl Expr {
    /// The same number everywhere.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] for complex types.
    pub fn full(value: impl Into<Scalar>, chunks: Chunks, dtype: DType) -> Result<Expr> {
        if is_complex(dtype) {
            return Err(ArrayError::NoKernel(format!("full of {}", dtype.name())));
        }
        let value = match (value.into(), dtype) {
            (value, DType::Bool) => Scalar::Bool(value.as_bool()),
            (value, DType::F32 | DType::F64) => Scalar::Float(value.as_f64()),
            (value, _) => Scalar::Int(value.as_i64()),
        };
        Ok(make(Op::Full(value), chunks, dtype.into(), &format!("{value:?}")))
    }

    /// Ones of 64-bit floats.
    pub fn ones(chunks: Chunks) -> Expr {
        make(Op::Full(Scalar::Float(1.0)), chunks, DType::F64.into(), "Float(1.0)")
    }

    /// Zeros of 64-bit floats.
    pub fn zeros(chunks: Chunks) -> Expr {
        make(Op::Full(Scalar::Float(0.0)), chunks, DType::F64.into(), "Float(0.0)")
    }

    /// Each element's own coordinate along `axis`, as 64-bit integers.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn index(axis: usize, chunks: Chunks) -> Result<Expr> {
        if axis >= chunks.ndim() {
            return Err(ArrayError::Value(format!("axis {axis} is out of range for {} axes", chunks.ndim())));
        }
        Ok(make(Op::Index(axis), chunks, DType::I64.into(), &axis.to_string()))
    }

    /// `start + step * i` along one axis: integers if both are, 64-bit floats otherwise.
    ///
    /// # Errors
    /// If `chunks` has not exactly one axis.
    pub fn ramp(start: Scalar, step: Scalar, chunks: Chunks) -> Result<Expr> {
        if chunks.ndim() != 1 {
            return Err(ArrayError::Value(format!("a ramp has one axis, its chunks have {}", chunks.ndim())));
        }
        let mut ramp = Expr::index(0, chunks)?;
        if step != Scalar::Int(1) {
            ramp = ramp.binary(Binary::Multiply, step)?;
        }
        if start != Scalar::Int(0) {
            ramp = ramp.binary(Binary::Add, start)?;
        }
        Ok(ramp)
    }

    /// A native block, cut by `chunks`.
    ///
    /// # Errors
    /// If the chunks do not sum to the block's shape.
    pub fn from_block(block: &Block, chunks: Chunks) -> Result<Expr> {
        chunks.check(block.shape(), "cut the block along")?;
        let source = BlockSource::cut(block, &chunks);
        Ok(Expr::source(Arc::new(source), chunks, block.dtype().into()))
    }

    /// Blocks that come from outside.
    pub fn source(source: Arc<dyn Source>, chunks: Chunks, dtype: ElementType) -> Expr {
        let parameters = source.prefix().to_owned();
        make(Op::Source(source), chunks, dtype, &parameters)
    }

    /// A function of the host language on blocks. `token` tells it from every other function.
    ///
    /// # Errors
    /// If an input names axes that it or the result does not have, or a grid that does not match the result's.
    pub fn host(
        name: &str,
        token: &str,
        kernel: Arc<dyn HostKernel>,
        inputs: Vec<HostInput>,
        chunks: Chunks,
        dtype: ElementType,
    ) -> Result<Expr> {
        let grid = chunks.numblocks();
        for (number, input) in inputs.iter().enumerate() {
            check_blocks(name, number, input, &grid)?;
        }
        let parameters = host_parameters(token, &inputs);
        Ok(make(Op::Host { name: name.to_owned(), kernel, inputs }, chunks, dtype, &parameters))
    }
}

/// What tells a function of the host, of which `token` is the name, from others on the same operands.
pub(crate) fn host_parameters(token: &str, inputs: &[HostInput]) -> String {
    let blocks: Vec<&HostBlocks> = inputs.iter().map(|input| &input.blocks).collect();
    format!("{token} {blocks:?}")
}

fn check_blocks(name: &str, number: usize, input: &HostInput, grid: &[u32]) -> Result<()> {
    let source = input.expr.chunks().numblocks();
    let misfit = |why: String| {
        Err(ArrayError::Value(format!("{name}: input {number} has blocks {source:?}, the result {grid:?}: {why}")))
    };
    match &input.blocks {
        HostBlocks::Map(axes) if axes.len() != source.len() => misfit(format!("{} axes are mapped", axes.len())),
        HostBlocks::Map(axes) => {
            for (axis, (from, &extent)) in axes.iter().zip(&source).enumerate() {
                let good = match *from {
                    Axis::Same(own) => grid.get(own as usize) == Some(&extent),
                    Axis::Moved(own, offset) => grid
                        .get(own as usize)
                        .is_some_and(|&own| offset >= 0 && i64::from(own) + i64::from(offset) <= i64::from(extent)),
                    Axis::Fixed(block) => block < extent,
                    Axis::Every => true,
                };
                if !good {
                    return misfit(format!("axis {axis} is mapped by {from:?}"));
                }
            }
            Ok(())
        }
        HostBlocks::Rows(rows) => {
            let (tasks, blocks) = (grid.iter().product::<u32>(), source.iter().product::<u32>());
            match rows.targets.iter().find(|&&block| block >= blocks) {
                Some(wrong) => misfit(format!("block {wrong} is listed")),
                None if rows.len() as u32 != tasks => misfit(format!("{} lists are given", rows.len())),
                None => Ok(()),
            }
        }
        HostBlocks::Tree(group) => {
            let combined: Vec<u32> = source.iter().zip(group).map(|(&blocks, &group)| blocks.div_ceil(group)).collect();
            if group.len() == source.len() && combined == grid {
                Ok(())
            } else {
                misfit(format!("groups are {group:?}"))
            }
        }
    }
}
