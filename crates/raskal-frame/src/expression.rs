//! Arithmetic, comparison and logic on columns, with pandas' rules for missing values.
//!
//! Start at [`binary`] and [`unary`]. The engine skips null but takes NaN for the largest number, equal to itself;
//! pandas takes both for missing: comparisons with them are false (`!=`: true), and a comparison is never missing.

use crate::udf::nan_to_null;
use crate::{FrameError, Result};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::functions::expr_fn;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, when};

pub use datafusion::common::ScalarValue;
pub use datafusion::error::DataFusionError as ScalarError;

/// The same value in every row.
pub fn literal(value: ScalarValue) -> Expr {
    lit(value)
}

/// An operation on two columns, or a column and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `+`, also of texts.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, of whole numbers too.
    Divide,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
}

impl Binary {
    /// The operation that Python calls by this name (`add`, `truediv`, `lt`, `and_`...).
    ///
    /// # Errors
    /// If there is none.
    pub fn from_name(name: &str) -> Result<Binary> {
        Ok(match name {
            "add" => Binary::Add,
            "sub" => Binary::Subtract,
            "mul" => Binary::Multiply,
            "truediv" => Binary::Divide,
            "eq" => Binary::Equal,
            "ne" => Binary::NotEqual,
            "lt" => Binary::Less,
            "le" => Binary::LessEqual,
            "gt" => Binary::Greater,
            "ge" => Binary::GreaterEqual,
            "and_" => Binary::And,
            "or_" => Binary::Or,
            "xor" => Binary::Xor,
            other => return Err(FrameError::Unsupported(format!("operation '{other}' is not native"))),
        })
    }
}

/// An operation on one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-x`
    Negative,
    /// `~x`
    Not,
    /// `abs(x)`
    Absolute,
    /// `x.isna()`
    IsMissing,
    /// `x.notna()`
    IsPresent,
}

impl Unary {
    /// The operation that Python or pandas calls by this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_name(name: &str) -> Result<Unary> {
        Ok(match name {
            "neg" => Unary::Negative,
            "invert" => Unary::Not,
            "abs" => Unary::Absolute,
            "isna" => Unary::IsMissing,
            "notna" => Unary::IsPresent,
            other => return Err(FrameError::Unsupported(format!("operation '{other}' is not native"))),
        })
    }
}

/// How many nodes an expression may have before it is computed for itself.
pub(crate) const SIZE_MAX: usize = 200;

/// Number of nodes of an expression, counted up to a little over [`SIZE_MAX`].
pub(crate) fn size(value: &Expr) -> usize {
    let mut count = 0;
    let counted = value.apply(|_| {
        count += 1;
        Ok(if count > SIZE_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.map_or(usize::MAX, |_| count)
}

pub(crate) fn is_text(dtype: &DataType) -> bool {
    matches!(dtype, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// An operation on two values over the rows of `schema`.
///
/// # Errors
/// If their types do not allow it.
pub fn binary(operation: Binary, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let types = (left.get_type(schema)?, right.get_type(schema)?);
    match operation {
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => arithmetic(operation, left, right, types),
        Binary::And | Binary::Or | Binary::Xor => logic(operation, left, right, types),
        comparison => compare(comparison, left, right, types),
    }
}

fn refuse(operation: Binary, left: &DataType, right: &DataType) -> FrameError {
    FrameError::Type(format!(
        "operation {operation:?} is not native for {left} and {right}\nhint: use map_partitions for it"
    ))
}

fn arithmetic(operation: Binary, left: Expr, right: Expr, (a, b): (DataType, DataType)) -> Result<Expr> {
    if operation == Binary::Add && is_text(&a) && is_text(&b) {
        return Ok(Expr::BinaryExpr(BinaryExpr::new(left.into(), Operator::StringConcat, right.into())));
    }
    let number = |dtype: &DataType| dtype.is_numeric() || *dtype == DataType::Boolean;
    if !(number(&a) && number(&b)) || (a == DataType::Boolean && b == DataType::Boolean) {
        return Err(refuse(operation, &a, &b));
    }
    let (a, b) = (widened(&a), widened(&b));
    let common = if operation == Binary::Divide && !(a == DataType::Float32 && b == DataType::Float32) {
        DataType::Float64
    } else {
        common_number(&a, &b)
    };
    let operator = match operation {
        Binary::Add => Operator::Plus,
        Binary::Subtract => Operator::Minus,
        Binary::Multiply => Operator::Multiply,
        _ => Operator::Divide,
    };
    let (left, right) = (to_type(left, &common), to_type(right, &common));
    Ok(Expr::BinaryExpr(BinaryExpr::new(left.into(), operator, right.into())))
}

/// A truth value counts as a whole number.
fn widened(dtype: &DataType) -> DataType {
    if *dtype == DataType::Boolean { DataType::Int64 } else { dtype.clone() }
}

/// NumPy's type for a result of two numbers.
pub(crate) fn common_number(a: &DataType, b: &DataType) -> DataType {
    let bits = |dtype: &DataType| dtype.primitive_width().unwrap_or(8) * 8;
    match (a, b) {
        _ if a == b => a.clone(),
        _ if a.is_floating() && b.is_floating() => {
            if bits(a).max(bits(b)) > 32 {
                DataType::Float64
            } else {
                DataType::Float32
            }
        }
        _ if a.is_floating() || b.is_floating() => {
            let (float, integer) = if a.is_floating() { (a, b) } else { (b, a) };
            if bits(float) <= 32 && bits(integer) <= 16 { DataType::Float32 } else { DataType::Float64 }
        }
        _ => {
            let signed = a.is_signed_integer() || b.is_signed_integer();
            let unsigned_bits = [a, b].iter().filter(|one| one.is_unsigned_integer()).map(|one| bits(one)).max();
            let signed_bits = [a, b].iter().filter(|one| one.is_signed_integer()).map(|one| bits(one)).max();
            match (signed, unsigned_bits, signed_bits) {
                (true, Some(64), _) => DataType::Float64,
                (true, unsigned, own) => match unsigned.map_or(0, |bits| bits * 2).max(own.unwrap_or(0)) {
                    0..=8 => DataType::Int8,
                    9..=16 => DataType::Int16,
                    17..=32 => DataType::Int32,
                    _ => DataType::Int64,
                },
                (false, unsigned, _) => match unsigned.unwrap_or(64) {
                    0..=8 => DataType::UInt8,
                    9..=16 => DataType::UInt16,
                    17..=32 => DataType::UInt32,
                    _ => DataType::UInt64,
                },
            }
        }
    }
}

pub(crate) fn to_type(value: Expr, dtype: &DataType) -> Expr {
    match value {
        Expr::Literal(scalar, metadata) => match scalar.cast_to(dtype) {
            Ok(scalar) => Expr::Literal(scalar, metadata),
            Err(_) => cast(Expr::Literal(scalar, metadata), dtype.clone()),
        },
        other => cast(other, dtype.clone()),
    }
}

fn logic(operation: Binary, left: Expr, right: Expr, (a, b): (DataType, DataType)) -> Result<Expr> {
    if a != DataType::Boolean || b != DataType::Boolean {
        return Err(refuse(operation, &a, &b));
    }
    Ok(match operation {
        Binary::And => left.and(right),
        Binary::Or => left.or(right),
        // Two truth values differ.
        _ => Expr::BinaryExpr(BinaryExpr::new(left.into(), Operator::NotEq, right.into())),
    })
}

fn compare(operation: Binary, left: Expr, right: Expr, (a, b): (DataType, DataType)) -> Result<Expr> {
    let operator = match operation {
        Binary::Equal => Operator::Eq,
        Binary::NotEqual => Operator::NotEq,
        Binary::Less => Operator::Lt,
        Binary::LessEqual => Operator::LtEq,
        Binary::Greater => Operator::Gt,
        _ => Operator::GtEq,
    };
    // Where NaN, being the largest, would make the comparison true, and pandas says false.
    let guarded = match operation {
        Binary::Greater | Binary::GreaterEqual | Binary::Equal | Binary::NotEqual => may_be_nan(&left, &a),
        _ => may_be_nan(&right, &b),
    };
    let guard = match operation {
        Binary::Less | Binary::LessEqual => right.clone(),
        _ => left.clone(),
    };
    let known = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)));
    if operation == Binary::NotEqual {
        let different = Expr::IsNotFalse(Box::new(known));
        return Ok(if guarded { different.or(Expr::IsTrue(Box::new(expr_fn::isnan(guard)))) } else { different });
    }
    let known = if guarded { known.and(Expr::Not(Box::new(expr_fn::isnan(guard)))) } else { known };
    Ok(Expr::IsTrue(Box::new(known)))
}

fn may_be_nan(value: &Expr, dtype: &DataType) -> bool {
    let literal = match value {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => !value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => !value.is_nan(),
        _ => false,
    };
    dtype.is_floating() && !literal
}

/// An operation on one value over the rows of `schema`.
///
/// # Errors
/// If its type does not allow it.
pub fn unary(operation: Unary, value: Expr, schema: &DFSchema) -> Result<Expr> {
    let dtype = value.get_type(schema)?;
    let refuse = || FrameError::Type(format!("operation {operation:?} is not native for {dtype}"));
    match operation {
        Unary::IsMissing => Ok(is_missing(value, &dtype)),
        Unary::IsPresent => Ok(Expr::Not(Box::new(is_missing(value, &dtype)))),
        Unary::Not if dtype == DataType::Boolean => Ok(Expr::Not(Box::new(value))),
        Unary::Negative if dtype.is_numeric() && !dtype.is_unsigned_integer() => Ok(Expr::Negative(Box::new(value))),
        Unary::Absolute if dtype.is_numeric() => Ok(expr_fn::abs(value)),
        _ => Err(refuse()),
    }
}

/// Whether a value is missing: null, or NaN where that can be.
pub(crate) fn is_missing(value: Expr, dtype: &DataType) -> Expr {
    let null = value.clone().is_null();
    if dtype.is_floating() { null.or(Expr::IsTrue(Box::new(expr_fn::isnan(value)))) } else { null }
}

/// The value with null where it is NaN, for what only skips null.
pub(crate) fn skipping_nan(value: Expr, dtype: &DataType) -> Expr {
    if matches!(dtype, DataType::Float32 | DataType::Float64) { nan_to_null(value) } else { value }
}

/// A value with a constant in place of missing ones.
///
/// # Errors
/// If the constant does not fit the value's type.
pub fn fill_missing(value: Expr, constant: ScalarValue, schema: &DFSchema) -> Result<Expr> {
    let dtype = value.get_type(schema)?;
    let fits = constant
        .cast_to(&dtype)
        .ok()
        .filter(|cast| cast.cast_to(&constant.data_type()).ok().as_ref() == Some(&constant));
    let constant = fits.ok_or_else(|| {
        FrameError::Type(format!("cannot fill a column of {dtype} with {constant}, a {}", constant.data_type()))
    })?;
    Ok(when(is_missing(value.clone(), &dtype), lit(constant)).otherwise(value)?)
}

/// A condition as a filter sees it: a comparison that is unknown drops the row either way, so the wrapping that makes
/// it false is taken off, and the scan below can use the comparison to skip what it need not read.
pub(crate) fn as_predicate(condition: Expr) -> Expr {
    match condition {
        Expr::IsTrue(inner) => as_predicate(*inner),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            Expr::BinaryExpr(BinaryExpr::new(Box::new(as_predicate(*left)), op, Box::new(as_predicate(*right))))
        }
        other => other,
    }
}
