//! Copying regions of blocks with steps, permutations and offsets, for any element type.
//!
//! Start at [`copy_region`]; [`Region`] is the general form that writes into a part of an output.

use num_complex::Complex;
use raskal_store::{Block, DType, Element};

/// Where an axis of the source is read from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CopyAxis {
    /// Axis of the result that it runs along; `None` reads one element.
    pub axis: Option<usize>,
    /// First element.
    pub start: usize,
    /// Distance between elements.
    pub step: i64,
}

impl CopyAxis {
    /// Elements from `start`, `step` apart, along `axis` of the result.
    pub fn along(axis: usize, start: usize, step: i64) -> CopyAxis {
        CopyAxis { axis: Some(axis), start, step }
    }
}

/// A copy of the elements that `axes` (one per axis of `source`) read, of shape `shape`. Axes of the result that nothing
/// runs along repeat.
pub fn copy_region(source: &Block, axes: &[CopyAxis], shape: &[usize]) -> Block {
    let mut out = Output::new(source.dtype(), shape);
    out.write(source, axes, &vec![0; shape.len()], shape);
    out.into_block()
}

/// Distance in elements between neighbours along each axis of a C-contiguous array.
pub fn strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1] as i64;
    }
    strides
}

/// A walk over a box: extent, and distance in source and result, along each axis.
struct Region {
    shape: Vec<usize>,
    from: Vec<i64>,
    to: Vec<i64>,
}

impl Region {
    fn copy<T: Element>(&self, source: &[T], start: i64, out: &mut [T], first: i64) {
        if self.shape.contains(&0) {
            return;
        }
        let Some(last) = self.shape.len().checked_sub(1) else {
            out[first as usize] = source[start as usize];
            return;
        };
        let (count, from, to) = (self.shape[last], self.from[last], self.to[last]);
        let mut point = vec![0usize; last];
        let (mut read, mut write) = (start, first);
        loop {
            if from == 1 && to == 1 {
                let (read, write) = (read as usize, write as usize);
                out[write..write + count].copy_from_slice(&source[read..read + count]);
            } else {
                for element in 0..count as i64 {
                    out[(write + element * to) as usize] = source[(read + element * from) as usize];
                }
            }
            let mut axis = last;
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                point[axis] += 1;
                read += self.from[axis];
                write += self.to[axis];
                if point[axis] < self.shape[axis] {
                    break;
                }
                read -= self.from[axis] * point[axis] as i64;
                write -= self.to[axis] * point[axis] as i64;
                point[axis] = 0;
            }
        }
    }
}

macro_rules! outputs {
    ($($dtype:ident => $type:ty),*) => {
        /// A block being put together.
        pub struct Output { values: Values, shape: Vec<usize> }

        enum Values { $($dtype(Vec<$type>)),* }

        impl Output {
            /// Zeros of `shape`.
            pub fn new(dtype: DType, shape: &[usize]) -> Output {
                let length = shape.iter().product();
                let values = match dtype { $(DType::$dtype => Values::$dtype(vec![<$type>::default(); length])),* };
                Output { values, shape: shape.to_vec() }
            }

            /// Whether the element type is `dtype`.
            pub fn takes(&self, dtype: DType) -> bool {
                match self.values { $(Values::$dtype(_) => dtype == DType::$dtype),* }
            }

            fn copy(&mut self, region: &Region, source: &Block, start: i64, first: i64) {
                match &mut self.values {
                    $(Values::$dtype(out) => match source.as_slice::<$type>() {
                        Some(source) => region.copy(source, start, out, first),
                        None => unreachable!("the caller checked the element type"),
                    }),*
                }
            }

            /// The finished block.
            pub fn into_block(self) -> Block {
                match self.values { $(Values::$dtype(values) => Block::from_vec(values, &self.shape)),* }
            }
        }
    };
}
outputs!(Bool => bool, I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8, U16 => u16, U32 => u32, U64 => u64,
    F32 => f32, F64 => f64, C64 => Complex<f32>, C128 => Complex<f64>);

impl Output {
    /// Writes what `axes` read of `source`, a box of `shape`, at `at`. The element types must be the same.
    pub fn write(&mut self, source: &Block, axes: &[CopyAxis], at: &[usize], shape: &[usize]) {
        let own = strides(&self.shape);
        let given = strides(source.shape());
        let mut from = vec![0i64; shape.len()];
        let mut start = 0i64;
        for (axis, &stride) in axes.iter().zip(&given) {
            start += axis.start as i64 * stride;
            if let Some(along) = axis.axis {
                from[along] += axis.step * stride;
            }
        }
        let first = at.iter().zip(&own).map(|(&at, &stride)| at as i64 * stride).sum();
        self.copy(&Region { shape: shape.to_vec(), from, to: own }, source, start, first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_region_with_steps_reads_the_right_elements() {
        let block = Block::from_vec((0..12i64).collect(), &[3, 4]);
        let axes = [CopyAxis::along(1, 2, -1), CopyAxis::along(0, 1, 2)];
        let copy = copy_region(&block, &axes, &[2, 3]);
        assert_eq!(copy.as_slice::<i64>().unwrap(), [9, 5, 1, 11, 7, 3]);
    }
}
