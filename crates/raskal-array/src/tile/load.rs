//! Reading tiles of input blocks: with strides, repeated, converted.

use crate::column::{ColumnMut, ColumnRef};
use raskal_store::{Block, DType};

/// A stream of elements over the walked box: where it starts and how far each axis moves it.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Position (or value) at the origin.
    pub(super) base: i64,
    /// Distance along each axis.
    pub(super) strides: Vec<i64>,
}

impl Stream {
    /// Whether the elements lie one behind the other in the order of the walk.
    pub(super) fn is_flat(&self, shape: &[usize]) -> bool {
        let mut expected = 1;
        for (&length, &stride) in shape.iter().zip(&self.strides).rev() {
            if stride != expected {
                return false;
            }
            expected *= length as i64;
        }
        true
    }

    /// Position of element `at` of the walk over `shape`.
    pub(super) fn position(&self, shape: &[usize], at: usize) -> i64 {
        let (mut rest, mut position) = (at, self.base);
        for (&length, &stride) in shape.iter().zip(&self.strides).rev() {
            position += (rest % length) as i64 * stride;
            rest /= length;
        }
        position
    }
}

/// Calls `visit(offset in the tile, length, position of the stream)` for each run along the last axis of elements
/// `start..start + count` of the walk over `shape`.
pub(super) fn for_runs(
    shape: &[usize],
    stream: &Stream,
    start: usize,
    count: usize,
    mut visit: impl FnMut(usize, usize, i64),
) {
    let Some(last) = shape.len().checked_sub(1) else {
        return visit(0, count, stream.base);
    };
    let length = shape[last];
    let mut at = start;
    let end = start + count;
    while at < end {
        let column = at % length;
        let run = (length - column).min(end - at);
        visit(at - start, run, stream.position(shape, at));
        at += run;
    }
}

/// The elements `from..from + count` of a block as they lie, if they are of one lane.
pub(super) fn borrowed(block: &Block, from: usize, count: usize) -> Option<ColumnRef<'_>> {
    let to = from + count;
    Some(match block.dtype() {
        DType::F64 => ColumnRef::F64(&block.as_slice::<f64>()?[from..to]),
        DType::F32 => ColumnRef::F32(&block.as_slice::<f32>()?[from..to]),
        DType::I64 => ColumnRef::I64(&block.as_slice::<i64>()?[from..to]),
        DType::I32 => ColumnRef::I32(&block.as_slice::<i32>()?[from..to]),
        DType::Bool => ColumnRef::Bool(&block.as_slice::<bool>()?[from..to]),
        _ => return None,
    })
}

/// Asks for elements that are read soon, while the processor computes with others: chains of operations leave it no reads
/// of its own to run ahead with.
#[inline]
pub(super) fn prefetch(block: &Block, from: usize, count: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        const LINE_BYTES: usize = 64;
        let bytes = block.as_bytes();
        let size = block.dtype().size_bytes();
        let end = ((from + count) * size).min(bytes.len());
        for line in bytes.get(from * size..end).unwrap_or(&[]).chunks(LINE_BYTES) {
            #[expect(unsafe_code)]
            // SAFETY: a hint, which changes nothing and may name any address; this one is in the block.
            unsafe {
                _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast());
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (block, from, count);
}

fn spread<T: Copy, U: Copy>(source: &[T], position: i64, stride: i64, out: &mut [U], convert: impl Fn(T) -> U) {
    match stride {
        0 => out.fill(convert(source[position as usize])),
        1 => {
            let source = &source[position as usize..position as usize + out.len()];
            out.iter_mut().zip(source).for_each(|(out, &value)| *out = convert(value));
        }
        _ => {
            let mut position = position;
            for out in out {
                *out = convert(source[position as usize]);
                position += stride;
            }
        }
    }
}

/// Whether a number is not zero.
fn is_true<T: PartialEq + Default>(value: T) -> bool {
    value != T::default()
}

macro_rules! gather_as {
    ($block:expr, $position:expr, $stride:expr, $out:expr, $convert:ident, $number:ident) => {
        match $block.dtype() {
            DType::F64 => gather_as!(@go f64, $block, $position, $stride, $out, $convert, $number),
            DType::F32 => gather_as!(@go f32, $block, $position, $stride, $out, $convert, $number),
            DType::I64 => gather_as!(@go i64, $block, $position, $stride, $out, $convert, $number),
            DType::I32 => gather_as!(@go i32, $block, $position, $stride, $out, $convert, $number),
            DType::I16 => gather_as!(@go i16, $block, $position, $stride, $out, $convert, $number),
            DType::I8 => gather_as!(@go i8, $block, $position, $stride, $out, $convert, $number),
            DType::U64 => gather_as!(@go u64, $block, $position, $stride, $out, $convert, $number),
            DType::U32 => gather_as!(@go u32, $block, $position, $stride, $out, $convert, $number),
            DType::U16 => gather_as!(@go u16, $block, $position, $stride, $out, $convert, $number),
            DType::U8 => gather_as!(@go u8, $block, $position, $stride, $out, $convert, $number),
            DType::Bool => {
                let source = $block.as_slice::<bool>().unwrap_or(&[]);
                spread(source, $position, $stride, $out, |value| gather_as!(@$convert u8::from(value), $number))
            }
            DType::C64 | DType::C128 => unreachable!("complex inputs were refused before the loop"),
        }
    };
    (@go $type:ident, $block:expr, $position:expr, $stride:expr, $out:expr, $convert:ident, $number:ident) => {{
        let source = $block.as_slice::<$type>().unwrap_or(&[]);
        spread(source, $position, $stride, $out, |value: $type| gather_as!(@$convert value, $number))
    }};
    (@cast $value:expr, $number:ident) => { $value as $number };
    (@truth $value:expr, $number:ident) => { is_true($value) };
}

/// Reads a run of a block, `stride` apart from `position` on, converted to the lane of `out`.
pub(super) fn gather(block: &Block, position: i64, stride: i64, out: ColumnMut<'_>) {
    match out {
        ColumnMut::F64(out) => gather_as!(block, position, stride, out, cast, f64),
        ColumnMut::F32(out) => gather_as!(block, position, stride, out, cast, f32),
        ColumnMut::I64(out) => gather_as!(block, position, stride, out, cast, i64),
        ColumnMut::I32(out) => gather_as!(block, position, stride, out, cast, i32),
        ColumnMut::Bool(out) => gather_as!(block, position, stride, out, truth, bool),
    }
}
