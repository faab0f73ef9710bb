//! Single numbers in expressions: typed ones, and the untyped ones that adapt to the array beside them.

use crate::dtype::{Lane, is_float, is_integer};
use crate::error::{ArrayError, Result};
use bitcode::{Decode, Encode};
use raskal_store::DType;

/// A plain number.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Scalar {
    /// The number as a float.
    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
        }
    }

    /// The number as an integer, truncated.
    pub fn as_i64(self) -> i64 {
        match self {
            Scalar::Bool(value) => i64::from(value),
            Scalar::Int(value) => value,
            Scalar::Float(value) => value as i64,
        }
    }

    /// Whether the number is not zero.
    pub fn as_bool(self) -> bool {
        match self {
            Scalar::Bool(value) => value,
            Scalar::Int(value) => value != 0,
            Scalar::Float(value) => value != 0.0,
        }
    }

    /// The number in the type of `lane`.
    pub fn to_lane(self, lane: Lane) -> Scalar {
        match lane {
            Lane::Bool => Scalar::Bool(self.as_bool()),
            Lane::I32 => Scalar::Int(i64::from(self.as_i64() as i32)),
            Lane::I64 => Scalar::Int(self.as_i64()),
            Lane::F32 => Scalar::Float(f64::from(self.as_f64() as f32)),
            Lane::F64 => Scalar::Float(self.as_f64()),
        }
    }

    /// The type that the untyped number takes beside an array of type `beside`, as NumPy 2 decides it.
    ///
    /// # Errors
    /// If an integer does not fit the array's integer type.
    pub fn weak_type(self, beside: DType) -> Result<DType> {
        Ok(match self {
            Scalar::Bool(_) => beside,
            Scalar::Int(value) if is_integer(beside) => {
                if !fits(value, beside) {
                    return Err(ArrayError::NoKernel(format!("the integer {value} does not fit {}", beside.name())));
                }
                beside
            }
            Scalar::Int(_) if beside == DType::Bool => DType::I64,
            Scalar::Float(_) if !is_float(beside) && beside != DType::C64 && beside != DType::C128 => DType::F64,
            _ => beside,
        })
    }
}

/// Whether the integer can be held by the integer type.
pub fn fits(value: i64, dtype: DType) -> bool {
    match dtype {
        DType::I8 => i8::try_from(value).is_ok(),
        DType::I16 => i16::try_from(value).is_ok(),
        DType::I32 => i32::try_from(value).is_ok(),
        DType::U8 => u8::try_from(value).is_ok(),
        DType::U16 => u16::try_from(value).is_ok(),
        DType::U32 => u32::try_from(value).is_ok(),
        DType::U64 => value >= 0,
        _ => true,
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Int(value) => write!(f, "{value}"),
            Scalar::Float(value) => write!(f, "{value:?}"),
        }
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Scalar {
        Scalar::Float(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Scalar {
        Scalar::Int(value)
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}
