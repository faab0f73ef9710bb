//! Element types of expressions, and which type an operation gives (NumPy 2's rules).
//!
//! Start at [`ElementType`] and [`promote`].

use crate::error::{ArrayError, Result};
use bitcode::{Decode, Encode};
use raskal_store::DType;
use std::sync::Arc;

/// The element type of an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// One that native kernels know.
    Native(DType),
    /// One that only the host language knows (dates, text, objects).
    Host {
        /// The host's name of it.
        name: Arc<str>,
        /// Size of one element in bytes.
        size_bytes: usize,
    },
}

impl ElementType {
    /// NumPy's name of the type.
    pub fn name(&self) -> &str {
        match self {
            ElementType::Native(dtype) => dtype.name(),
            ElementType::Host { name, .. } => name,
        }
    }

    /// Size of one element in bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            ElementType::Native(dtype) => dtype.size_bytes(),
            ElementType::Host { size_bytes, .. } => *size_bytes,
        }
    }

    /// The native type.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host knows it.
    pub fn native(&self) -> Result<DType> {
        match self {
            ElementType::Native(dtype) => Ok(*dtype),
            ElementType::Host { name, .. } => Err(ArrayError::NoKernel(format!("elements of type {name}"))),
        }
    }
}

impl From<DType> for ElementType {
    fn from(dtype: DType) -> ElementType {
        ElementType::Native(dtype)
    }
}

/// The element types in which fused kernels compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Lane {
    /// Truth values.
    Bool,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
}

impl Lane {
    /// The lane that computes in exactly this type, if there is one.
    pub fn of(dtype: DType) -> Option<Lane> {
        Some(match dtype {
            DType::Bool => Lane::Bool,
            DType::I32 => Lane::I32,
            DType::I64 => Lane::I64,
            DType::F32 => Lane::F32,
            DType::F64 => Lane::F64,
            _ => return None,
        })
    }

    /// The lane's type.
    pub fn dtype(self) -> DType {
        match self {
            Lane::Bool => DType::Bool,
            Lane::I32 => DType::I32,
            Lane::I64 => DType::I64,
            Lane::F32 => DType::F32,
            Lane::F64 => DType::F64,
        }
    }

    /// The lane that computes in exactly this type.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if there is none.
    pub fn require(dtype: DType) -> Result<Lane> {
        Lane::of(dtype).ok_or_else(|| ArrayError::NoKernel(format!("elements of type {}", dtype.name())))
    }

    /// Size of one element in bytes.
    pub fn size_bytes(self) -> usize {
        self.dtype().size_bytes()
    }
}

/// Rank of a kind: truth values, integers, floats, complex numbers.
fn kind(dtype: DType) -> u8 {
    use DType::*;
    match dtype {
        Bool => 0,
        I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64 => 1,
        F32 | F64 => 2,
        C64 | C128 => 3,
    }
}

/// Whether the type is a float.
pub fn is_float(dtype: DType) -> bool {
    kind(dtype) == 2
}

/// Whether the type is complex.
pub fn is_complex(dtype: DType) -> bool {
    kind(dtype) == 3
}

/// Whether the type is an integer (booleans are not).
pub fn is_integer(dtype: DType) -> bool {
    kind(dtype) == 1
}

/// Whether the type is an unsigned integer.
pub fn is_unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64)
}

/// The type of a result that holds values of both types, as `numpy.promote_types` gives it.
///
/// ```
/// use raskal_array::dtype::promote;
/// use raskal_store::DType;
/// assert_eq!(promote(DType::I32, DType::F32), DType::F64);
/// assert_eq!(promote(DType::U64, DType::I8), DType::F64);
/// ```
pub fn promote(left: DType, right: DType) -> DType {
    use DType::*;
    if left == right {
        return left;
    }
    let (low, high) =
        if (kind(left), left as u8) <= (kind(right), right as u8) { (left, right) } else { (right, left) };
    match (kind(low), kind(high)) {
        (0, _) => high,
        (1, 1) => promote_integers(low, high),
        (1, _) if low.size_bytes() <= 2 => high,
        (1, 2) => F64,
        (1, _) => C128,
        (2, 3) if low == F64 => C128,
        _ => high,
    }
}

fn promote_integers(left: DType, right: DType) -> DType {
    use DType::*;
    if is_unsigned(left) == is_unsigned(right) {
        return if left.size_bytes() >= right.size_bytes() { left } else { right };
    }
    let (signed, unsigned) = if is_unsigned(left) { (right, left) } else { (left, right) };
    match signed.size_bytes().max(2 * unsigned.size_bytes()) {
        2 => I16,
        4 => I32,
        8 => I64,
        _ => F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_keeps_both_kinds() {
        use DType::*;
        let all = [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64, C64, C128];
        for left in all {
            for right in all {
                assert_eq!(promote(left, right), promote(right, left));
                assert!(kind(promote(left, right)) >= kind(left).max(kind(right)));
            }
        }
        assert_eq!(promote(I8, U8), I16);
        assert_eq!(promote(U32, I64), I64);
        assert_eq!(promote(I16, F32), F32);
        assert_eq!(promote(F64, C64), C128);
        assert_eq!(promote(Bool, U8), U8);
    }
}
