//! Inner loops of operations on two registers, compiled for several instruction sets.

use crate::column::{ColumnMut, ColumnRef};
use crate::ops::Binary;
use multiversion::multiversion;

#[inline(always)]
fn map<T: Copy, U>(a: &[T], b: &[T], out: &mut [U], f: impl Fn(T, T) -> U) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

macro_rules! compare_kernel {
    ($name:ident, $type:ident) => {
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(op: Binary, a: &[$type], b: &[$type], out: &mut [bool]) {
            match op {
                Binary::Equal => map(a, b, out, |a, b| a == b),
                Binary::NotEqual => map(a, b, out, |a, b| a != b),
                Binary::Less => map(a, b, out, |a, b| a < b),
                Binary::LessEqual => map(a, b, out, |a, b| a <= b),
                Binary::Greater => map(a, b, out, |a, b| a > b),
                Binary::GreaterEqual => map(a, b, out, |a, b| a >= b),
                _ => unreachable!("the operation's signature gives a number"),
            }
        }
    };
}
compare_kernel!(compare_f64, f64);
compare_kernel!(compare_f32, f32);
compare_kernel!(compare_i64, i64);
compare_kernel!(compare_i32, i32);

macro_rules! float_kernels {
    ($name:ident, $floor:ident, $remainder:ident, $type:ident) => {
        /// The quotient rounded down, consistent with the remainder, as Python defines both.
        fn $floor(a: $type, b: $type) -> $type {
            if b == 0.0 {
                return a / b;
            }
            let mut rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
                rest += b;
                quotient -= 1.0;
            }
            if rest.is_nan() {
                return rest;
            }
            if quotient == 0.0 {
                return (0.0 as $type).copysign(a / b);
            }
            let floor = quotient.floor();
            if quotient - floor > 0.5 { floor + 1.0 } else { floor }
        }

        /// The remainder with the sign of the divisor.
        fn $remainder(a: $type, b: $type) -> $type {
            let rest = a % b;
            if rest == 0.0 {
                return rest.copysign(b);
            }
            if (b < 0.0) != (rest < 0.0) { rest + b } else { rest }
        }

        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(op: Binary, a: &[$type], b: &[$type], out: &mut [$type]) {
            match op {
                Binary::Add => map(a, b, out, |a, b| a + b),
                Binary::Subtract => map(a, b, out, |a, b| a - b),
                Binary::Multiply => map(a, b, out, |a, b| a * b),
                Binary::Divide => map(a, b, out, |a, b| a / b),
                Binary::FloorDivide => map(a, b, out, $floor),
                Binary::Remainder => map(a, b, out, $remainder),
                Binary::Power => map(a, b, out, $type::powf),
                Binary::Maximum => map(a, b, out, |a, b| if a >= b || a.is_nan() { a } else { b }),
                Binary::Minimum => map(a, b, out, |a, b| if a <= b || a.is_nan() { a } else { b }),
                Binary::Fmax => map(a, b, out, |a, b| if a >= b || b.is_nan() { a } else { b }),
                Binary::Fmin => map(a, b, out, |a, b| if a <= b || b.is_nan() { a } else { b }),
                Binary::Hypot => map(a, b, out, $type::hypot),
                Binary::Arctan2 => map(a, b, out, $type::atan2),
                Binary::Copysign => map(a, b, out, $type::copysign),
                _ => unreachable!("the operation's signature asks for other lanes"),
            }
        }
    };
}
float_kernels!(float_f64, floor_f64, remainder_f64, f64);
float_kernels!(float_f32, floor_f32, remainder_f32, f32);

macro_rules! integer_kernels {
    ($name:ident, $floor:ident, $remainder:ident, $type:ident) => {
        /// The quotient rounded down; 0 for a division by 0, as NumPy gives it.
        fn $floor(a: $type, b: $type) -> $type {
            if b == 0 {
                return 0;
            }
            let quotient = a.wrapping_div(b);
            if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
        }

        /// The remainder with the sign of the divisor; 0 for a division by 0.
        fn $remainder(a: $type, b: $type) -> $type {
            if b == 0 {
                return 0;
            }
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        }

        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(op: Binary, a: &[$type], b: &[$type], out: &mut [$type]) {
            match op {
                Binary::Add => map(a, b, out, $type::wrapping_add),
                Binary::Subtract => map(a, b, out, $type::wrapping_sub),
                Binary::Multiply => map(a, b, out, $type::wrapping_mul),
                Binary::FloorDivide => map(a, b, out, $floor),
                Binary::Remainder => map(a, b, out, $remainder),
                Binary::Maximum | Binary::Fmax => map(a, b, out, $type::max),
                Binary::Minimum | Binary::Fmin => map(a, b, out, $type::min),
                Binary::BitwiseAnd => map(a, b, out, |a, b| a & b),
                Binary::BitwiseOr => map(a, b, out, |a, b| a | b),
                Binary::BitwiseXor => map(a, b, out, |a, b| a ^ b),
                _ => unreachable!("the operation's signature asks for other lanes"),
            }
        }
    };
}
integer_kernels!(integer_i64, floor_i64, remainder_i64, i64);
integer_kernels!(integer_i32, floor_i32, remainder_i32, i32);

fn truth(op: Binary, a: &[bool], b: &[bool], out: &mut [bool]) {
    match op {
        Binary::LogicalAnd | Binary::BitwiseAnd | Binary::Multiply | Binary::Minimum => map(a, b, out, |a, b| a & b),
        Binary::LogicalOr | Binary::BitwiseOr | Binary::Add | Binary::Maximum => map(a, b, out, |a, b| a | b),
        Binary::LogicalXor | Binary::BitwiseXor | Binary::NotEqual => map(a, b, out, |a, b| a ^ b),
        Binary::Equal => map(a, b, out, |a, b| a == b),
        Binary::Less => map(a, b, out, |a, b| !a & b),
        Binary::LessEqual => map(a, b, out, |a, b| !a | b),
        Binary::Greater => map(a, b, out, |a, b| a & !b),
        Binary::GreaterEqual => map(a, b, out, |a, b| a | !b),
        _ => unreachable!("the operation's signature asks for other lanes"),
    }
}

/// Applies the operation to each pair of elements.
pub(super) fn apply(op: Binary, a: ColumnRef<'_>, b: ColumnRef<'_>, out: ColumnMut<'_>) {
    match (a, b, out) {
        (ColumnRef::F64(a), ColumnRef::F64(b), ColumnMut::F64(out)) => float_f64(op, a, b, out),
        (ColumnRef::F32(a), ColumnRef::F32(b), ColumnMut::F32(out)) => float_f32(op, a, b, out),
        (ColumnRef::I64(a), ColumnRef::I64(b), ColumnMut::I64(out)) => integer_i64(op, a, b, out),
        (ColumnRef::I32(a), ColumnRef::I32(b), ColumnMut::I32(out)) => integer_i32(op, a, b, out),
        (ColumnRef::F64(a), ColumnRef::F64(b), ColumnMut::Bool(out)) => compare_f64(op, a, b, out),
        (ColumnRef::F32(a), ColumnRef::F32(b), ColumnMut::Bool(out)) => compare_f32(op, a, b, out),
        (ColumnRef::I64(a), ColumnRef::I64(b), ColumnMut::Bool(out)) => compare_i64(op, a, b, out),
        (ColumnRef::I32(a), ColumnRef::I32(b), ColumnMut::Bool(out)) => compare_i32(op, a, b, out),
        (ColumnRef::Bool(a), ColumnRef::Bool(b), ColumnMut::Bool(out)) => truth(op, a, b, out),
        _ => unreachable!("the program's lanes follow the operation's signature"),
    }
}

macro_rules! number_kernels {
    ($name:ident, $type:ident) => {
        /// The operation with the same number everywhere, if it is one that is simpler so.
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(op: Binary, a: &[$type], b: $type, out: &mut [$type]) -> bool {
            let each = a.iter().zip(out);
            match op {
                Binary::Add => each.for_each(|(a, out)| *out = a + b),
                Binary::Subtract => each.for_each(|(a, out)| *out = a - b),
                Binary::Multiply => each.for_each(|(a, out)| *out = a * b),
                Binary::Divide => each.for_each(|(a, out)| *out = a / b),
                // Missing elements stay: nothing compares with them.
                Binary::Maximum if !b.is_nan() => each.for_each(|(&a, out)| *out = if b > a { b } else { a }),
                Binary::Minimum if !b.is_nan() => each.for_each(|(&a, out)| *out = if b < a { b } else { a }),
                _ => return false,
            }
            true
        }
    };
}
number_kernels!(number_f64, f64);
number_kernels!(number_f32, f32);

/// As [`apply`], with a number as the second operand; false where nothing was done.
pub(super) fn apply_number(op: Binary, a: ColumnRef<'_>, b: f64, out: &mut ColumnMut<'_>) -> bool {
    match (a, out) {
        (ColumnRef::F64(a), ColumnMut::F64(out)) => number_f64(op, a, b, out),
        (ColumnRef::F32(a), ColumnMut::F32(out)) => number_f32(op, a, b as f32, out),
        _ => false,
    }
}

/// The second where the first is true, the third elsewhere.
pub(super) fn select(condition: ColumnRef<'_>, yes: ColumnRef<'_>, no: ColumnRef<'_>, out: ColumnMut<'_>) {
    fn choose<T: Copy>(condition: &[bool], yes: &[T], no: &[T], out: &mut [T]) {
        for (((out, &condition), &yes), &no) in out.iter_mut().zip(condition).zip(yes).zip(no) {
            *out = if condition { yes } else { no };
        }
    }
    let ColumnRef::Bool(condition) = condition else { unreachable!("a condition is a truth value") };
    match (yes, no, out) {
        (ColumnRef::F64(yes), ColumnRef::F64(no), ColumnMut::F64(out)) => choose(condition, yes, no, out),
        (ColumnRef::F32(yes), ColumnRef::F32(no), ColumnMut::F32(out)) => choose(condition, yes, no, out),
        (ColumnRef::I64(yes), ColumnRef::I64(no), ColumnMut::I64(out)) => choose(condition, yes, no, out),
        (ColumnRef::I32(yes), ColumnRef::I32(no), ColumnMut::I32(out)) => choose(condition, yes, no, out),
        (ColumnRef::Bool(yes), ColumnRef::Bool(no), ColumnMut::Bool(out)) => choose(condition, yes, no, out),
        _ => unreachable!("both branches have the result's lane"),
    }
}
