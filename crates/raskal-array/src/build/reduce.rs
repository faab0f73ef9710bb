//! Reductions along axes.

use super::make;
use crate::chunks::Chunks;
use crate::dtype::{is_complex, is_float, is_unsigned};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op};
use crate::ops::Unary;
use crate::reduce::Reduction;
use crate::scalar::Scalar;
use raskal_store::DType;

/// How many blocks one task combines in all, if nobody says otherwise.
const SPLIT_EVERY: u32 = 16;

impl Expr {
    /// A reduction along `axes` (all if `None`).
    ///
    /// # Errors
    /// If an axis does not exist or comes twice, a minimum of nothing is asked for, or only the host can do it.
    pub fn reduce(&self, kind: Reduction, axes: Option<&[usize]>, keepdims: bool) -> Result<Expr> {
        self.reduce_by(kind, axes, keepdims, None)
    }

    /// As [`Expr::reduce`]; `split_every` is how many blocks one task combines in all.
    ///
    /// # Errors
    /// As [`Expr::reduce`].
    pub fn reduce_by(
        &self,
        kind: Reduction,
        axes: Option<&[usize]>,
        keepdims: bool,
        split_every: Option<u32>,
    ) -> Result<Expr> {
        let axes = self.reduced_axes(axes)?;
        let own = self.dtype().native()?;
        let (operand, dtype) = kind.types(own)?;
        if let Some((loose, chunks)) = self.reduced_before_rechunk(&axes, keepdims) {
            return loose.reduce_by(kind, Some(&axes), keepdims, split_every)?.rechunk(chunks);
        }
        let count: usize = axes.iter().map(|&axis| self.shape()[axis]).product();
        if count == 0 && kind.needs_elements() {
            return Err(ArrayError::value(
                format!(
                    "{} of shape {} along {} has no elements and no identity",
                    kind.name(),
                    tuple(self.shape()),
                    tuple(&axes)
                ),
                "reduce other axes, or skip empty arrays",
            ));
        }
        let mut arg = self.clone();
        if let Some(filler) = kind.fills_nan()
            && is_float(own)
        {
            arg = arg.unary(Unary::IsNan)?.select(Scalar::Float(filler), &arg)?;
        }
        let arg = arg.cast(operand)?;
        let split = split_every.unwrap_or(SPLIT_EVERY);
        if split < 2 {
            return Err(ArrayError::value(format!("split_every={split} combines nothing"), "pass 2 or more"));
        }
        let share = f64::from(split).powf(1.0 / axes.len().max(1) as f64);
        let split_every = ((share + 1e-9) as u32).max(2);
        let lengths = (0..self.ndim()).filter_map(|axis| match axes.contains(&axis) {
            false => Some(self.chunks().axis(axis).to_vec()),
            true => keepdims.then(|| vec![1]),
        });
        let chunks = Chunks::new(lengths.collect());
        let parameters = format!("{kind:?} {axes:?} {keepdims} {split_every}");
        Ok(make(Op::Reduce { kind, arg, axes, keepdims, split_every }, chunks, dtype.into(), &parameters))
    }

    /// The array before it was rechunked, if it is as well reduced in those blocks, and the chunks of the result: what is
    /// moved then is partial results. Not where blocks are so short along the reduced axes that they would hardly shrink.
    fn reduced_before_rechunk(&self, axes: &[usize], keepdims: bool) -> Option<(Expr, Chunks)> {
        const SHRINKS: usize = 16;
        let loose = self.before_rechunk()?;
        let blocks: usize = axes.iter().map(|&axis| loose.chunks().axis(axis).len()).product();
        let elements: usize = axes.iter().map(|&axis| loose.shape()[axis]).product();
        let lengths = (0..self.ndim()).filter_map(|axis| match axes.contains(&axis) {
            false => Some(self.chunks().axis(axis).to_vec()),
            true => keepdims.then(|| vec![1]),
        });
        (elements / blocks.max(1) >= SHRINKS).then(|| (loose, Chunks::new(lengths.collect())))
    }

    /// The array without the rechunking at its root, below elementwise operations on it alone.
    fn before_rechunk(&self) -> Option<Expr> {
        let again = |arg: &Expr, op: &dyn Fn(Expr) -> Op| {
            let loose = crate::deep(|| arg.before_rechunk())?;
            let chunks = loose.chunks().clone();
            Some(make(op(loose), chunks, self.dtype().clone(), ""))
        };
        match &self.node().op {
            Op::Rechunk(arg) if !arg.is_generated() => Some(arg.clone()),
            Op::Unary(op, arg) => again(arg, &|arg| Op::Unary(*op, arg)),
            Op::Cast(to, arg) => again(arg, &|arg| Op::Cast(*to, arg)),
            Op::Binary(op, [left, right]) if right.ndim() == 0 => {
                again(left, &|left| Op::Binary(*op, [left, right.clone()]))
            }
            Op::Binary(op, [left, right]) if left.ndim() == 0 => {
                again(right, &|right| Op::Binary(*op, [left.clone(), right]))
            }
            _ => None,
        }
    }

    fn reduced_axes(&self, axes: Option<&[usize]>) -> Result<Vec<usize>> {
        let Some(axes) = axes else { return Ok((0..self.ndim()).collect()) };
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if let Some(&wrong) = sorted.iter().find(|&&axis| axis >= self.ndim()) {
            return Err(ArrayError::Value(format!("axis {wrong} is out of bounds for shape {}", tuple(self.shape()))));
        }
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ArrayError::Value(format!("axis {} is given twice in {}", pair[0], tuple(axes))));
        }
        Ok(sorted)
    }

    /// The sum along `axes` (all if `None`).
    ///
    /// # Errors
    /// As [`Expr::reduce`].
    pub fn sum(&self, axes: Option<&[usize]>) -> Result<Expr> {
        self.reduce(Reduction::Sum, axes, false)
    }

    /// The mean along `axes` (all if `None`).
    ///
    /// # Errors
    /// As [`Expr::reduce`].
    pub fn mean(&self, axes: Option<&[usize]>) -> Result<Expr> {
        self.reduce(Reduction::Mean, axes, false)
    }
}

impl Reduction {
    /// The type in which the kernel reads elements of type `own`, and the type of the result.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host can do it.
    pub fn types(self, own: DType) -> Result<(DType, DType)> {
        use Reduction::*;
        let refused = || ArrayError::NoKernel(format!("{} of {}", self.name(), own.name()));
        if is_complex(own) {
            return Err(refused());
        }
        let whole = if is_unsigned(own) { DType::U64 } else { DType::I64 };
        let wide = if is_float(own) { DType::F64 } else { DType::I64 };
        match self {
            Any | All => Ok((DType::Bool, DType::Bool)),
            Sum | Prod | NanSum | NanProd if is_float(own) => Ok((DType::F64, own)),
            Sum | Prod | NanSum | NanProd => Ok((DType::I64, whole)),
            Mean | MeanOfMoments | Var { .. } | Std { .. } if is_float(own) => Ok((DType::F64, own)),
            Mean | MeanOfMoments | Var { .. } | Std { .. } => Ok((DType::F64, DType::F64)),
            // These compare; the largest unsigned integers do not fit the signed lane.
            Min | Max | NanMin | NanMax | ArgMin | ArgMax if own == DType::U64 => Err(refused()),
            Min | Max | NanMin | NanMax => Ok((wide, own)),
            ArgMin | ArgMax => Ok((wide, DType::I64)),
        }
    }
}
