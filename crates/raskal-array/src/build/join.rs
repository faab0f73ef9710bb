//! The same elements in other blocks, and arrays put together.

use super::make;
use crate::chunks::{Chunks, common_lengths};
use crate::dtype::{ElementType, promote};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op};

impl Expr {
    /// The same elements in blocks of `chunks`.
    ///
    /// # Errors
    /// If the chunks do not sum to the shape.
    pub fn rechunk(&self, chunks: Chunks) -> Result<Expr> {
        if chunks == *self.chunks() {
            return Ok(self.clone());
        }
        chunks.check(self.shape(), "rechunk")?;
        let arg = match &self.node().op {
            Op::Rechunk(arg) => arg.clone(),
            _ => self.clone(),
        };
        if chunks == *arg.chunks() {
            return Ok(arg);
        }
        let dtype = arg.dtype().clone();
        Ok(make(Op::Rechunk(arg), chunks, dtype, ""))
    }

    /// Arrays one after the other along `axis`, in their common type.
    ///
    /// # Errors
    /// If there is none, or the other axes differ; the message shows the shapes.
    pub fn concatenate(args: &[Expr], axis: usize) -> Result<Expr> {
        let first = args.first().ok_or_else(|| ArrayError::Value("need at least one array to concatenate".into()))?;
        let refused = |other: &Expr| {
            ArrayError::value(
                format!(
                    "cannot concatenate shapes {} and {} along axis {axis}",
                    tuple(first.shape()),
                    tuple(other.shape())
                ),
                "all axes but that one must have the same length",
            )
        };
        let mut lengths = first.chunks().to_vec();
        if axis >= first.ndim() {
            return Err(refused(first));
        }
        for other in &args[1..] {
            if other.ndim() != first.ndim() {
                return Err(refused(other));
            }
            for (along, common) in lengths.iter_mut().enumerate().filter(|(along, _)| *along != axis) {
                if other.shape()[along] != first.shape()[along] {
                    return Err(refused(other));
                }
                *common = common_lengths(common, other.chunks().axis(along));
            }
        }
        let args = common_type(args)?;
        let mut aligned = Vec::with_capacity(args.len());
        for arg in &args {
            let mut own = lengths.clone();
            own[axis] = arg.chunks().axis(axis).to_vec();
            aligned.push(arg.rechunk(Chunks::new(own))?);
        }
        if let [only] = aligned.as_slice() {
            return Ok(only.clone());
        }
        lengths[axis] = aligned.iter().flat_map(|arg| arg.chunks().axis(axis).to_vec()).collect();
        let dtype = aligned[0].dtype().clone();
        let parameters = axis.to_string();
        Ok(make(Op::Concatenate { axis, args: aligned }, Chunks::new(lengths), dtype, &parameters))
    }
}

/// The arrays in their common type.
fn common_type(args: &[Expr]) -> Result<Vec<Expr>> {
    if args.iter().all(|arg| arg.dtype() == args[0].dtype()) {
        return Ok(args.to_vec());
    }
    let mut common = args[0].dtype().native()?;
    for arg in &args[1..] {
        common = promote(common, arg.dtype().native()?);
    }
    args.iter()
        .map(|arg| match arg.dtype() {
            ElementType::Native(own) if *own == common => Ok(arg.clone()),
            _ => arg.cast(common),
        })
        .collect()
}
