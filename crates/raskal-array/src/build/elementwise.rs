//! Elementwise operations: broadcasting, common chunks, types.

use super::make;
use crate::chunks::{Chunks, common_lengths};
use crate::dtype::{Lane, is_complex, promote};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op};
use crate::ops::{Binary, Unary};
use crate::scalar::Scalar;
use raskal_store::DType;

/// An operand of an elementwise operation.
#[derive(Clone)]
pub enum Operand {
    /// An array.
    Array(Expr),
    /// An untyped number that adapts to the array beside it.
    Weak(Scalar),
}

impl From<&Expr> for Operand {
    fn from(expr: &Expr) -> Operand {
        Operand::Array(expr.clone())
    }
}

impl From<Expr> for Operand {
    fn from(expr: Expr) -> Operand {
        Operand::Array(expr)
    }
}

impl<T: Into<Scalar>> From<T> for Operand {
    fn from(value: T) -> Operand {
        Operand::Weak(value.into())
    }
}

impl Operand {
    fn dtype(&self) -> Result<Option<DType>> {
        match self {
            Operand::Array(expr) => expr.dtype().native().map(Some),
            Operand::Weak(_) => Ok(None),
        }
    }

    fn into_expr(self, dtype: DType) -> Result<Expr> {
        match self {
            Operand::Array(expr) => Ok(expr),
            Operand::Weak(value) => Expr::full(value, Chunks::new(vec![]), dtype),
        }
    }
}

/// The types of operands, untyped numbers adapted to the arrays among them.
fn settle(operands: &[&Operand]) -> Result<Vec<DType>> {
    let mut strong = None;
    for operand in operands {
        if let Some(dtype) = operand.dtype()? {
            strong = Some(strong.map_or(dtype, |other| promote(other, dtype)));
        }
    }
    let strong = strong.ok_or_else(|| ArrayError::Type("an operation needs at least one array".into()))?;
    operands
        .iter()
        .map(|operand| match operand {
            Operand::Array(expr) => expr.dtype().native(),
            Operand::Weak(value) => value.weak_type(strong),
        })
        .collect()
}

impl Expr {
    /// An elementwise operation on this array.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host can do it for this type.
    pub fn unary(&self, op: Unary) -> Result<Expr> {
        let signature = op.signature(self.dtype().native()?)?;
        let arg = self.cast(signature.operand.dtype())?;
        Ok(make(Op::Unary(op, arg), self.chunks().clone(), signature.result.dtype().into(), ""))
    }

    /// An elementwise operation on this array and another, or a number, broadcast.
    ///
    /// # Errors
    /// If the shapes do not broadcast; [`ArrayError::NoKernel`] if only the host can do it for these types.
    pub fn binary(&self, op: Binary, right: impl Into<Operand>) -> Result<Expr> {
        Expr::binary_of(op, self.into(), right.into())
    }

    /// An elementwise operation on two operands of which one at least is an array.
    ///
    /// # Errors
    /// As [`Expr::binary`].
    pub fn binary_of(op: Binary, left: Operand, right: Operand) -> Result<Expr> {
        let types = settle(&[&left, &right])?;
        let signature = op.signature(types[0], types[1])?;
        if op == Binary::Power
            && let (Operand::Array(base), Operand::Weak(exponent)) = (&left, &right)
            && let Some(power) = base.cast(signature.operand.dtype())?.plain_power(exponent.as_f64())
        {
            return power;
        }
        let operand = signature.operand.dtype();
        let args = align(
            vec![left.into_expr(types[0])?.cast(operand)?, right.into_expr(types[1])?.cast(operand)?],
            op.name(),
        )?;
        let chunks = broadcast_chunks(&args);
        let [left, right]: [Expr; 2] = args.try_into().map_err(|_| ArrayError::Type("two operands".into()))?;
        Ok(make(Op::Binary(op, [left, right]), chunks, signature.result.dtype().into(), ""))
    }

    /// This array to a power that costs a few products or a root; each is within a unit in the last place of `pow`.
    fn plain_power(&self, exponent: f64) -> Option<Result<Expr>> {
        let square = || self.unary(Unary::Square);
        if exponent == 2.0 {
            Some(square())
        } else if exponent == 3.0 {
            Some(square().and_then(|square| square.binary(Binary::Multiply, self)))
        } else if exponent == 1.0 {
            Some(self.unary(Unary::Positive))
        } else if exponent == -1.0 {
            Some(self.unary(Unary::Reciprocal))
        } else {
            None
        }
    }

    /// Elements of `yes` where this array is true, of `no` elsewhere, broadcast.
    ///
    /// # Errors
    /// As [`Expr::binary`].
    pub fn select(&self, yes: impl Into<Operand>, no: impl Into<Operand>) -> Result<Expr> {
        let (yes, no) = (yes.into(), no.into());
        let (types, common) = match (&yes, &no) {
            // NumPy treats two untyped numbers as arrays of its default types.
            (Operand::Weak(yes), Operand::Weak(no)) => {
                let types = vec![yes.weak_type(DType::Bool)?, no.weak_type(DType::Bool)?];
                let common = promote(types[0], types[1]);
                (types, common)
            }
            _ => {
                let types = settle(&[&yes, &no])?;
                let common = promote(types[0], types[1]);
                (types, common)
            }
        };
        Lane::require(common)?;
        let condition = self.cast(DType::Bool)?;
        let args = align(
            vec![condition, yes.into_expr(types[0])?.cast(common)?, no.into_expr(types[1])?.cast(common)?],
            "where",
        )?;
        let chunks = broadcast_chunks(&args);
        let args: [Expr; 3] = args.try_into().map_err(|_| ArrayError::Type("three operands".into()))?;
        Ok(make(Op::Select(args), chunks, common.into(), ""))
    }

    /// The elements as another type.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host can convert between these types.
    pub fn cast(&self, dtype: DType) -> Result<Expr> {
        let own = self.dtype().native()?;
        if own == dtype {
            return Ok(self.clone());
        }
        if is_complex(own) || is_complex(dtype) {
            return Err(ArrayError::NoKernel(format!("astype from {} to {}", own.name(), dtype.name())));
        }
        if let (Op::Full(value), Some(from), Some(to)) = (&self.node().op, Lane::of(own), Lane::of(dtype)) {
            return Expr::full(value.to_lane(from).to_lane(to), self.chunks().clone(), dtype);
        }
        Ok(make(Op::Cast(dtype, self.clone()), self.chunks().clone(), dtype.into(), ""))
    }

    /// The operands with the same chunks along the axes that they share, as an elementwise operation needs them.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn align(args: Vec<Expr>, name: &str) -> Result<Vec<Expr>> {
        align(args, name)
    }

    /// The chunks of an elementwise operation on aligned operands.
    pub fn broadcast_chunks(args: &[Expr]) -> Chunks {
        broadcast_chunks(args)
    }
}

/// The shape that `shapes` broadcast to.
///
/// # Errors
/// If two lengths of an axis differ and neither is 1; the message shows all shapes.
pub(crate) fn broadcast_shape(shapes: &[&[usize]], name: &str) -> Result<Vec<usize>> {
    let ndim = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1usize; ndim];
    for shape in shapes {
        for (axis, &length) in (ndim - shape.len()..).zip(shape.iter()) {
            if length == 1 || length == result[axis] {
                continue;
            }
            if result[axis] != 1 {
                let all: Vec<String> = shapes.iter().map(|shape| tuple(*shape)).collect();
                return Err(ArrayError::value(
                    format!(
                        "{name}: operands could not be broadcast together with shapes {}: lengths {} and {length} of \
                         axis {axis} differ and neither is 1",
                        all.join(" "),
                        result[axis]
                    ),
                    "insert an axis with x[:, None], transpose, or slice one operand",
                ));
            }
            result[axis] = length;
        }
    }
    Ok(result)
}

fn align(args: Vec<Expr>, name: &str) -> Result<Vec<Expr>> {
    let shapes: Vec<&[usize]> = args.iter().map(Expr::shape).collect();
    let shape = broadcast_shape(&shapes, name)?;
    let chunks = broadcast_chunks(&args);
    args.into_iter()
        .map(|arg| {
            let skipped = shape.len() - arg.ndim();
            let wanted = (0..arg.ndim()).map(|axis| match arg.shape()[axis] {
                1 if shape[axis + skipped] != 1 => arg.chunks().axis(axis).to_vec(),
                _ => chunks.axis(axis + skipped).to_vec(),
            });
            arg.rechunk(Chunks::new(wanted.collect()))
        })
        .collect()
}

fn broadcast_chunks(args: &[Expr]) -> Chunks {
    let ndim = args.iter().map(Expr::ndim).max().unwrap_or(0);
    let mut axes: Vec<Option<Vec<usize>>> = vec![None; ndim];
    // Arrays that store something decide; what is made on the fly takes any chunks.
    for generated in [false, true] {
        for arg in args.iter().filter(|arg| arg.is_generated() == generated) {
            for axis in 0..arg.ndim() {
                let place = &mut axes[axis + ndim - arg.ndim()];
                let lengths = arg.chunks().axis(axis);
                *place = Some(match place.take() {
                    Some(known) if known.iter().sum::<usize>() == 1 && known.len() == 1 => lengths.to_vec(),
                    Some(known) if arg.shape()[axis] == 1 || generated => known,
                    Some(known) => common_lengths(&known, lengths),
                    None => lengths.to_vec(),
                });
            }
        }
    }
    Chunks::new(axes.into_iter().map(|axis| axis.unwrap_or_else(|| vec![1])).collect())
}
