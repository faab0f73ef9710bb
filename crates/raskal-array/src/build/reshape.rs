//! The same elements in row-major order under another shape.
//!
//! Start at [`Expr::reshape`]. Axes of the old and the new shape are matched in groups of equal products; within a group
//! only the first axis stays cut, at places that are a boundary of both, so that blocks correspond one to one.

use super::make;
use crate::chunks::{Chunks, cut};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op};

impl Expr {
    /// The same elements in row-major order under `shape`.
    ///
    /// # Errors
    /// If the shapes do not hold the same number of elements.
    pub fn reshape(&self, shape: &[usize]) -> Result<Expr> {
        if shape == self.shape() {
            return Ok(self.clone());
        }
        let (old_size, new_size): (usize, usize) = (self.shape().iter().product(), shape.iter().product());
        if old_size != new_size {
            return Err(ArrayError::value(
                format!(
                    "cannot reshape {} elements of shape {} into shape {} of {new_size}",
                    old_size,
                    tuple(self.shape()),
                    tuple(shape)
                ),
                "the products of the two shapes must be equal; pass -1 for one axis to have it computed",
            ));
        }
        if old_size == 0 {
            let arg = self.rechunk(Chunks::single(self.shape()))?;
            return Ok(make(Op::Reshape(arg), Chunks::single(shape), self.dtype().clone(), ""));
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (old, new) in groups(self.shape(), shape) {
            let (lengths_before, lengths_after) = match_group(self, old, &shape[new]);
            before.extend(lengths_before);
            after.extend(lengths_after);
        }
        let arg = self.rechunk(Chunks::new(before))?;
        let dtype = arg.dtype().clone();
        Ok(make(Op::Reshape(arg), Chunks::new(after), dtype, ""))
    }
}

type Span = std::ops::Range<usize>;

/// Matches the axes of two shapes of equal products into the smallest groups of equal products.
fn groups(old: &[usize], new: &[usize]) -> Vec<(Span, Span)> {
    let (mut i, mut j, mut groups) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        let (from, to) = (i, j);
        let (mut left, mut right) = (1, 1);
        if i < old.len() {
            left = old[i];
            i += 1;
        }
        if j < new.len() && (left != 1 || i == old.len() || new[j] == 1) {
            right = new[j];
            j += 1;
        }
        while left != right {
            if left < right {
                left *= old[i];
                i += 1;
            } else {
                right *= new[j];
                j += 1;
            }
        }
        groups.push((from..i, to..j));
    }
    groups
}

/// Chunks of one group's axes before and after, with the same number of blocks of the same sizes.
fn match_group(arg: &Expr, old: Span, new: &[usize]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let old_shape = &arg.shape()[old.clone()];
    if old_shape == new {
        let same: Vec<Vec<usize>> = old.map(|axis| arg.chunks().axis(axis).to_vec()).collect();
        return (same.clone(), same);
    }
    let whole = |shape: &[usize]| -> Vec<Vec<usize>> { shape.iter().map(|&length| vec![length]).collect() };
    let (mut before, mut after) = (whole(old_shape), whole(new));
    let (Some(&old_first), Some(&new_first)) = (old_shape.first(), new.first()) else { return (before, after) };
    let (old_rest, new_rest) = (old_shape[1..].iter().product::<usize>(), new[1..].iter().product::<usize>());
    let unit = lcm(old_rest, new_rest);
    let longest = arg.chunks().axis(old.start).iter().copied().max().unwrap_or(1).max(1);
    // Blocks are about as large as they were, counting that the other axes of the group become whole.
    let others: usize = (old.start + 1..old.end)
        .map(|axis| arg.chunks().axis(axis).iter().copied().max().unwrap_or(1).max(1))
        .product();
    let elements = (longest * others / unit).max(1) * unit;
    let own = arg.chunks().axis(old.start);
    before[0] = if own.iter().all(|&length| (length * old_rest).is_multiple_of(unit)) && others == old_rest {
        own.to_vec()
    } else {
        cut(old_first, (elements / old_rest).clamp(1, old_first))
    };
    after[0] = before[0].iter().map(|&length| length * old_rest / new_rest).collect();
    debug_assert_eq!(after[0].iter().sum::<usize>(), new_first);
    (before, after)
}

fn lcm(left: usize, right: usize) -> usize {
    let (mut a, mut b) = (left, right);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    left / a * right
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_are_matched_in_the_smallest_groups() {
        assert_eq!(groups(&[4, 6], &[4, 2, 3]), [(0..1, 0..1), (1..2, 1..3)]);
        assert_eq!(groups(&[6, 4], &[8, 3]), [(0..2, 0..2)]);
    }

    proptest! {
        #[test]
        fn blocks_correspond_one_to_one(
            factors in prop::collection::vec(1usize..5, 1..5), split in 0usize..5, block in 1usize..7,
        ) {
            let shape: Vec<usize> = factors.clone();
            let split = split.min(factors.len());
            let target = [factors[..split].iter().product::<usize>(), factors[split..].iter().product()];
            let blocks: Vec<usize> = shape.iter().map(|_| block).collect();
            let x = Expr::ones(Chunks::regular(&shape, &blocks));
            let y = x.reshape(&target).unwrap();
            prop_assert_eq!(y.shape(), target);
            if let Op::Reshape(arg) = &y.node().op {
                prop_assert_eq!(arg.chunks().block_count(), y.chunks().block_count());
                let sizes = |chunks: &Chunks| -> Vec<usize> {
                    let grid = chunks.numblocks();
                    (0..chunks.block_count() as u32)
                        .map(|at| chunks.block_shape(&raskal_graph::layer::coordinates(&grid, at)).iter().product())
                        .collect()
                };
                prop_assert_eq!(sizes(arg.chunks()), sizes(y.chunks()));
            }
        }
    }
}
