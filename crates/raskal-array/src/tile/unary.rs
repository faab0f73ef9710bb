//! Inner loops of operations on one register, compiled for several instruction sets.

use super::transcendental::Transcendental;
use crate::column::{ColumnMut, ColumnRef};
use crate::ops::Unary;
use multiversion::multiversion;
use multiversion::target::target_cfg_f;

#[inline(always)]
fn map<T: Copy, U>(a: &[T], out: &mut [U], f: impl Fn(T) -> U) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out = f(a);
    }
}

/// Runs a function in the form that the instruction set at hand has; only in functions compiled for several.
macro_rules! fused {
    ($name:ident, $a:expr, $out:expr) => {
        if target_cfg_f!(target_feature = "fma") {
            map($a, $out, Transcendental::$name::<true>)
        } else {
            map($a, $out, Transcendental::$name::<false>)
        }
    };
}

/// Replaces the results of large angles, of which there are few.
#[inline(always)]
fn patch_angles<T: Transcendental>(a: &[T], out: &mut [T], function: impl Fn(T) -> T) {
    if a.iter().fold(false, |any, a| any | a.is_large()) {
        for (out, &a) in out.iter_mut().zip(a).filter(|(_, a)| a.is_large()) {
            *out = function(a);
        }
    }
}

macro_rules! float_kernels {
    ($value:ident, $test:ident, $type:ident) => {
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $value(op: Unary, a: &[$type], out: &mut [$type]) {
            match op {
                Unary::Negative => map(a, out, |a| -a),
                Unary::Positive => map(a, out, |a| a),
                Unary::Absolute => map(a, out, $type::abs),
                Unary::Sign => map(a, out, |a| {
                    if a > 0.0 {
                        1.0
                    } else if a < 0.0 {
                        -1.0
                    } else {
                        a * 0.0
                    }
                }),
                Unary::Square => map(a, out, |a| a * a),
                Unary::Sqrt => map(a, out, $type::sqrt),
                Unary::Cbrt => map(a, out, $type::cbrt),
                Unary::Reciprocal => map(a, out, |a| 1.0 / a),
                Unary::Exp if a.iter().fold(true, |all, a| all & a.is_ordinary()) => fused!(exp_ordinary, a, out),
                Unary::Exp => fused!(exp, a, out),
                Unary::Exp2 => fused!(exp2, a, out),
                Unary::Expm1 => fused!(expm1, a, out),
                Unary::Log => fused!(log, a, out),
                Unary::Log2 => fused!(log2, a, out),
                Unary::Log10 => fused!(log10, a, out),
                Unary::Log1p => fused!(log1p, a, out),
                Unary::Sin => {
                    fused!(sin, a, out);
                    patch_angles(a, out, $type::sin);
                }
                Unary::Cos => {
                    fused!(cos, a, out);
                    patch_angles(a, out, $type::cos);
                }
                Unary::Tan => map(a, out, $type::tan),
                Unary::Arcsin => map(a, out, $type::asin),
                Unary::Arccos => map(a, out, $type::acos),
                Unary::Arctan => map(a, out, $type::atan),
                Unary::Sinh => map(a, out, $type::sinh),
                Unary::Cosh => map(a, out, $type::cosh),
                Unary::Tanh => fused!(tanh, a, out),
                Unary::Arcsinh => map(a, out, $type::asinh),
                Unary::Arccosh => map(a, out, $type::acosh),
                Unary::Arctanh => map(a, out, $type::atanh),
                Unary::Floor => map(a, out, $type::floor),
                Unary::Ceil => map(a, out, $type::ceil),
                Unary::Trunc => map(a, out, $type::trunc),
                Unary::Rint => map(a, out, $type::round_ties_even),
                Unary::Deg2rad => map(a, out, |a| a * (std::$type::consts::PI / 180.0)),
                Unary::Rad2deg => map(a, out, |a| a * (180.0 / std::$type::consts::PI)),
                Unary::IsNan | Unary::IsInf | Unary::IsFinite | Unary::Signbit | Unary::LogicalNot | Unary::Invert => {
                    unreachable!("the operation's signature gives a truth value")
                }
            }
        }

        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $test(op: Unary, a: &[$type], out: &mut [bool]) {
            match op {
                Unary::IsNan => map(a, out, $type::is_nan),
                Unary::IsInf => map(a, out, $type::is_infinite),
                Unary::IsFinite => map(a, out, $type::is_finite),
                Unary::Signbit => map(a, out, $type::is_sign_negative),
                _ => unreachable!("the operation's signature gives a number"),
            }
        }
    };
}
float_kernels!(value_f64, test_f64, f64);
float_kernels!(value_f32, test_f32, f32);

macro_rules! integer_kernels {
    ($value:ident, $type:ident) => {
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $value(op: Unary, a: &[$type], out: &mut [$type]) {
            match op {
                Unary::Negative => map(a, out, $type::wrapping_neg),
                Unary::Positive => map(a, out, |a| a),
                Unary::Absolute => map(a, out, $type::wrapping_abs),
                Unary::Sign => map(a, out, $type::signum),
                Unary::Square => map(a, out, |a| a.wrapping_mul(a)),
                Unary::Invert => map(a, out, |a| !a),
                _ => unreachable!("the operation's signature asks for floats"),
            }
        }
    };
}
integer_kernels!(value_i32, i32);
integer_kernels!(value_i64, i64);

/// Applies the operation to each element.
pub(super) fn apply(op: Unary, a: ColumnRef<'_>, out: ColumnMut<'_>) {
    match (a, out) {
        (ColumnRef::F64(a), ColumnMut::F64(out)) => value_f64(op, a, out),
        (ColumnRef::F32(a), ColumnMut::F32(out)) => value_f32(op, a, out),
        (ColumnRef::I64(a), ColumnMut::I64(out)) => value_i64(op, a, out),
        (ColumnRef::I32(a), ColumnMut::I32(out)) => value_i32(op, a, out),
        (ColumnRef::F64(a), ColumnMut::Bool(out)) => test_f64(op, a, out),
        (ColumnRef::F32(a), ColumnMut::Bool(out)) => test_f32(op, a, out),
        (ColumnRef::Bool(a), ColumnMut::Bool(out)) => match op {
            Unary::LogicalNot | Unary::Invert => map(a, out, |a| !a),
            _ => map(a, out, |a| a),
        },
        _ => unreachable!("the program's lanes follow the operation's signature"),
    }
}
