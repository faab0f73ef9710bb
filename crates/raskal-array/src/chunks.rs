//! How an array is cut into blocks: block lengths along each axis.
//!
//! Start at [`Chunks`]. Invariant: along each axis the lengths sum to the axis' length, and there is at least one.

use crate::error::{ArrayError, Result, tuple};
use std::sync::Arc;

/// Block lengths along each axis. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunks(Arc<[Arc<[usize]>]>);

impl Chunks {
    /// Chunks from explicit lengths; an axis without any becomes one empty block.
    pub fn new(axes: Vec<Vec<usize>>) -> Chunks {
        Chunks(axes.into_iter().map(|axis| if axis.is_empty() { vec![0] } else { axis }.into()).collect())
    }

    /// Blocks of `block` elements along each axis of `shape`, the last one shorter where it does not divide.
    pub fn regular(shape: &[usize], block: &[usize]) -> Chunks {
        Chunks::new(shape.iter().zip(block).map(|(&length, &block)| cut(length, block)).collect())
    }

    /// The whole array as one block.
    pub fn single(shape: &[usize]) -> Chunks {
        Chunks::new(shape.iter().map(|&length| vec![length]).collect())
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.0.len()
    }

    /// Block lengths along one axis.
    pub fn axis(&self, axis: usize) -> &[usize] {
        &self.0[axis]
    }

    /// Block lengths along all axes.
    pub fn axes(&self) -> impl Iterator<Item = &[usize]> {
        self.0.iter().map(|axis| &**axis)
    }

    /// Length of the array along each axis.
    pub fn shape(&self) -> Vec<usize> {
        self.axes().map(|axis| axis.iter().sum()).collect()
    }

    /// Number of blocks along each axis.
    pub fn numblocks(&self) -> Vec<u32> {
        self.axes().map(|axis| axis.len() as u32).collect()
    }

    /// Number of blocks.
    pub fn block_count(&self) -> u64 {
        self.axes().map(|axis| axis.len() as u64).product()
    }

    /// Shape of the block at `coordinates`.
    pub fn block_shape(&self, coordinates: &[u32]) -> Vec<usize> {
        self.axes().zip(coordinates).map(|(axis, &block)| axis[block as usize]).collect()
    }

    /// Longest block along each axis.
    pub fn largest(&self) -> Vec<usize> {
        self.axes().map(|axis| axis.iter().copied().max().unwrap_or(0)).collect()
    }

    /// The same chunks with one axis replaced.
    pub fn with_axis(&self, axis: usize, lengths: Vec<usize>) -> Chunks {
        let mut axes: Vec<Vec<usize>> = self.to_vec();
        axes[axis] = lengths;
        Chunks::new(axes)
    }

    /// The lengths as plain vectors.
    pub fn to_vec(&self) -> Vec<Vec<usize>> {
        self.axes().map(<[usize]>::to_vec).collect()
    }

    /// Checks that the lengths sum to `shape`.
    ///
    /// # Errors
    /// Names the axis, its chunks and both lengths.
    pub fn check(&self, shape: &[usize], what: &str) -> Result<()> {
        if self.ndim() != shape.len() {
            return Err(ArrayError::value(
                format!(
                    "cannot {what}: chunks {self} have {} axes, shape {} has {}",
                    self.ndim(),
                    tuple(shape),
                    shape.len()
                ),
                "pass one entry of chunks per axis, or one number for all axes",
            ));
        }
        for (axis, (lengths, &length)) in self.axes().zip(shape).enumerate() {
            let sum: usize = lengths.iter().sum();
            if sum != length {
                return Err(ArrayError::value(
                    format!(
                        "cannot {what} axis {axis}: chunks {} sum to {sum}, axis length is {length}",
                        tuple(lengths)
                    ),
                    format!("pass chunks that sum to {length}, or -1 for a single chunk"),
                ));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&tuple(self.axes().map(|axis| {
            if axis.len() > 6 {
                format!("({}, {}, ..., {}: {} blocks)", axis[0], axis[1], axis[axis.len() - 1], axis.len())
            } else {
                tuple(axis)
            }
        })))
    }
}

/// Cuts `length` into blocks of `block`, the last one shorter where it does not divide.
pub fn cut(length: usize, block: usize) -> Vec<usize> {
    if length == 0 || block == 0 {
        return vec![length];
    }
    let mut lengths = vec![block; length / block];
    if !length.is_multiple_of(block) {
        lengths.push(length % block);
    }
    lengths
}

/// Where each block starts, then the length of the axis.
pub fn bounds(lengths: &[usize]) -> Vec<usize> {
    let mut bounds = Vec::with_capacity(lengths.len() + 1);
    let mut at = 0;
    bounds.push(0);
    for length in lengths {
        at += length;
        bounds.push(at);
    }
    bounds
}

/// The block that holds element `index`, given the [`bounds`]; empty blocks hold nothing.
pub fn locate(bounds: &[usize], index: usize) -> usize {
    bounds.partition_point(|&bound| bound <= index) - 1
}

/// Lengths of the pieces that the elements `start, start + step, ...` (`count` of them) have in each block, empty pieces
/// left out. The pieces come in the order of the elements, so from the last block to the first if `step` is negative.
pub fn slice_lengths(lengths: &[usize], start: usize, step: i64, count: usize) -> Vec<usize> {
    if count == 0 {
        return vec![0];
    }
    let bounds = bounds(lengths);
    let mut pieces = Vec::new();
    let (mut at, mut left) = (start as i64, count);
    while left > 0 {
        let block = locate(&bounds, at as usize);
        let fit = if step > 0 {
            (bounds[block + 1] as i64 - at + step - 1) / step
        } else {
            (at - bounds[block] as i64) / -step + 1
        };
        let take = (fit as usize).min(left);
        pieces.push(take);
        at += step * take as i64;
        left -= take;
    }
    pieces
}

/// The coarsest lengths whose boundaries include all boundaries of `left` and `right`.
pub fn common_lengths(left: &[usize], right: &[usize]) -> Vec<usize> {
    let mut marks: Vec<usize> = bounds(left);
    marks.extend(bounds(right));
    marks.sort_unstable();
    marks.dedup();
    let lengths: Vec<usize> = marks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if lengths.is_empty() { vec![0] } else { lengths }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0usize..6, 1..6)
    }

    proptest! {
        #[test]
        fn a_cut_sums_to_its_length_in_equal_blocks_but_the_last(length in 0usize..100, block in 1usize..20) {
            let pieces = cut(length, block);
            prop_assert_eq!(pieces.iter().sum::<usize>(), length);
            prop_assert!(pieces[..pieces.len() - 1].iter().all(|&piece| piece == block));
        }

        #[test]
        fn a_located_element_is_within_its_block(lengths in lengths()) {
            let bounds = bounds(&lengths);
            for index in 0..lengths.iter().sum() {
                let block = locate(&bounds, index);
                prop_assert!(bounds[block] <= index && index < bounds[block + 1]);
            }
        }

        #[test]
        fn pieces_of_a_slice_each_lie_in_one_block(lengths in lengths(), start in 0usize..30, step in -5i64..6, wanted in 0usize..30) {
            let total: usize = lengths.iter().sum();
            prop_assume!(step != 0 && start < total);
            let room = if step > 0 { (total - 1 - start) as i64 / step } else { start as i64 / -step } as usize + 1;
            let count = wanted.min(room);
            let pieces = slice_lengths(&lengths, start, step, count);
            prop_assert_eq!(pieces.iter().sum::<usize>(), count);
            let bounds = bounds(&lengths);
            let mut at = start as i64;
            for &piece in &pieces {
                if count > 0 {
                    prop_assert!(piece > 0);
                    let last = at + step * (piece as i64 - 1);
                    prop_assert_eq!(locate(&bounds, at as usize), locate(&bounds, last as usize));
                    at = last + step;
                }
            }
        }

        #[test]
        fn common_lengths_keep_every_boundary(left in lengths(), right in lengths()) {
            let (total_left, total_right) = (left.iter().sum::<usize>(), right.iter().sum::<usize>());
            let mut right = right;
            let mut left = left;
            if total_left < total_right { left.push(total_right - total_left) } else { right.push(total_left - total_right) }
            let common = bounds(&common_lengths(&left, &right));
            prop_assert!(bounds(&left).iter().all(|bound| common.contains(bound)));
            prop_assert!(bounds(&right).iter().all(|bound| common.contains(bound)));
        }
    }
}
