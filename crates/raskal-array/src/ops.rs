//! The elementwise operations that have a native kernel: names, type rules and cost.
//!
//! Start at [`Unary`] and [`Binary`]. Names are NumPy's. What is not listed, or listed for other element types, runs
//! through NumPy on the block.

use crate::dtype::{Lane, is_complex, is_float, promote};
use crate::error::{ArrayError, Result};
use bitcode::{Decode, Encode};
use raskal_store::DType;

macro_rules! operations {
    ($(#[$doc:meta])* $kind:ident { $($name:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
        #[allow(missing_docs)]
        pub enum $kind { $($name),* }

        impl $kind {
            /// Every operation.
            pub const ALL: &[$kind] = &[$($kind::$name),*];

            /// NumPy's name of the operation.
            pub fn name(self) -> &'static str {
                match self { $($kind::$name => $text),* }
            }

            /// The operation that NumPy calls `name`.
            pub fn from_name(name: &str) -> Option<$kind> {
                match name { $($text => Some($kind::$name),)* _ => None }
            }
        }
    };
}

operations!(
    /// Operations on one array.
    Unary {
        Negative = "negative", Positive = "positive", Absolute = "absolute", Sign = "sign", Square = "square",
        Sqrt = "sqrt", Cbrt = "cbrt", Reciprocal = "reciprocal", Exp = "exp", Exp2 = "exp2", Expm1 = "expm1",
        Log = "log", Log2 = "log2", Log10 = "log10", Log1p = "log1p", Sin = "sin", Cos = "cos", Tan = "tan",
        Arcsin = "arcsin", Arccos = "arccos", Arctan = "arctan", Sinh = "sinh", Cosh = "cosh", Tanh = "tanh",
        Arcsinh = "arcsinh", Arccosh = "arccosh", Arctanh = "arctanh", Floor = "floor", Ceil = "ceil",
        Trunc = "trunc", Rint = "rint", Deg2rad = "deg2rad", Rad2deg = "rad2deg", IsNan = "isnan", IsInf = "isinf",
        IsFinite = "isfinite", Signbit = "signbit", LogicalNot = "logical_not", Invert = "invert",
    }
);

operations!(
    /// Operations on two arrays.
    Binary {
        Add = "add", Subtract = "subtract", Multiply = "multiply", Divide = "divide",
        FloorDivide = "floor_divide", Remainder = "remainder", Power = "power", Maximum = "maximum",
        Minimum = "minimum", Fmax = "fmax", Fmin = "fmin", Hypot = "hypot", Arctan2 = "arctan2",
        Copysign = "copysign", Equal = "equal", NotEqual = "not_equal", Less = "less", LessEqual = "less_equal",
        Greater = "greater", GreaterEqual = "greater_equal", LogicalAnd = "logical_and", LogicalOr = "logical_or",
        LogicalXor = "logical_xor", BitwiseAnd = "bitwise_and", BitwiseOr = "bitwise_or",
        BitwiseXor = "bitwise_xor",
    }
);

/// In which type an operation reads its operands, and the type of what it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Type of the operands.
    pub operand: Lane,
    /// Type of the result.
    pub result: Lane,
}

fn no_kernel(name: &str, dtype: DType) -> ArrayError {
    ArrayError::NoKernel(format!("{name} of {}", dtype.name()))
}

/// The float type in which NumPy computes functions such as `sqrt` of `dtype`, if a lane computes in it.
fn float_lane(dtype: DType) -> Option<Lane> {
    match dtype {
        DType::F32 | DType::I16 | DType::U16 => Some(Lane::F32),
        DType::F64 | DType::I32 | DType::I64 | DType::U32 | DType::U64 => Some(Lane::F64),
        // NumPy computes these in half precision or complex numbers.
        DType::Bool | DType::I8 | DType::U8 | DType::C64 | DType::C128 => None,
    }
}

impl Unary {
    /// The operation's types on elements of type `dtype`.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host can do it.
    pub fn signature(self, dtype: DType) -> Result<Signature> {
        use Unary::*;
        let refused = || no_kernel(self.name(), dtype);
        let same = |lane| Signature { operand: lane, result: lane };
        let exact = || Lane::of(dtype).ok_or_else(refused);
        match self {
            LogicalNot if !is_complex(dtype) => Ok(same(Lane::Bool)),
            IsNan | IsInf | IsFinite | Signbit if is_float(dtype) => {
                Ok(Signature { operand: exact()?, result: Lane::Bool })
            }
            Invert if !is_float(dtype) => exact().map(same),
            Absolute if dtype == DType::Bool => Ok(same(Lane::Bool)),
            Negative | Positive | Absolute | Sign | Square if dtype != DType::Bool => exact().map(same),
            Floor | Ceil | Trunc | Reciprocal if is_float(dtype) => exact().map(same),
            LogicalNot | IsNan | IsInf | IsFinite | Signbit | Invert | Negative | Positive | Absolute | Sign
            | Square | Floor | Ceil | Trunc | Reciprocal => Err(refused()),
            _ => float_lane(dtype).map(same).ok_or_else(refused),
        }
    }

    /// Whether one element costs many times what reading it costs.
    pub fn is_heavy(self) -> bool {
        use Unary::*;
        matches!(
            self,
            Cbrt | Exp
                | Exp2
                | Expm1
                | Log
                | Log2
                | Log10
                | Log1p
                | Sin
                | Cos
                | Tan
                | Arcsin
                | Arccos
                | Arctan
                | Sinh
                | Cosh
                | Tanh
                | Arcsinh
                | Arccosh
                | Arctanh
        )
    }
}

impl Binary {
    /// Whether the result is a truth value from comparing the operands.
    pub fn is_comparison(self) -> bool {
        use Binary::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    /// Whether the operation is on truth values.
    pub fn is_logical(self) -> bool {
        matches!(self, Binary::LogicalAnd | Binary::LogicalOr | Binary::LogicalXor)
    }

    /// The operation's types on elements of types `left` and `right`.
    ///
    /// # Errors
    /// [`ArrayError::NoKernel`] if only the host can do it.
    pub fn signature(self, left: DType, right: DType) -> Result<Signature> {
        use Binary::*;
        let common = promote(left, right);
        let same = |lane| Ok(Signature { operand: lane, result: lane });
        if self.is_logical() && !is_complex(common) {
            return same(Lane::Bool);
        }
        if self.is_comparison() && (left == DType::U64 || right == DType::U64) {
            // NumPy compares unsigned with signed integers exactly; lanes would go through floats.
            return Err(no_kernel(self.name(), DType::U64));
        }
        let lane = Lane::of(common).ok_or_else(|| no_kernel(self.name(), common))?;
        match self {
            _ if self.is_comparison() => Ok(Signature { operand: lane, result: Lane::Bool }),
            BitwiseAnd | BitwiseOr | BitwiseXor if !is_float(common) => same(lane),
            BitwiseAnd | BitwiseOr | BitwiseXor => Err(no_kernel(self.name(), common)),
            Divide | Hypot | Arctan2 | Copysign => match lane {
                Lane::F32 => same(Lane::F32),
                Lane::Bool if self != Divide => Err(no_kernel(self.name(), common)),
                _ => same(Lane::F64),
            },
            Add | Multiply | Maximum | Minimum if lane == Lane::Bool => same(Lane::Bool),
            _ if lane == Lane::Bool => Err(no_kernel(self.name(), common)),
            // Negative exponents of integers are an error in NumPy, which only the values show.
            Power if !is_float(common) => Err(no_kernel(self.name(), common)),
            _ => same(lane),
        }
    }

    /// Whether one element costs many times what reading it costs.
    pub fn is_heavy(self) -> bool {
        matches!(self, Binary::Power | Binary::Hypot | Binary::Arctan2 | Binary::Remainder | Binary::FloorDivide)
    }
}
