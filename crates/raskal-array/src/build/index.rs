//! Indexing: integers, slices with steps, new axes, and a list of elements along one axis (which [`super::take`] does).

use crate::chunks::{Chunks, slice_lengths};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, ViewAxis};

/// One entry of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// One element; negative counts from the end. The axis is dropped.
    At(i64),
    /// Elements from `start` to before `stop`, as Python's slices count them.
    Range {
        /// First element.
        start: Option<i64>,
        /// End, not included.
        stop: Option<i64>,
        /// Distance.
        step: i64,
    },
    /// The whole axis.
    All,
    /// A new axis of length 1.
    New,
    /// These elements, in order; negative counts from the end.
    Take(Vec<i64>),
}

/// First element, distance and count of a slice of an axis, as `slice.indices` of Python gives them.
pub(crate) fn slice_range(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> (usize, usize) {
    let length = length as i64;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clip = |at: i64| (if at < 0 { at + length } else { at }).clamp(low, high);
    let start = start.map_or(if step > 0 { low } else { high }, clip);
    let stop = stop.map_or(if step > 0 { high } else { low }, clip);
    let span = if step > 0 { stop - start } else { start - stop };
    if span <= 0 { (0, 0) } else { (start as usize, ((span - 1) / step.abs() + 1) as usize) }
}

impl Expr {
    /// The elements that `indices` choose; axes beyond them are kept whole.
    ///
    /// # Errors
    /// If there are too many indices, one is out of range, a step is zero, or more than one is a list.
    pub fn get(&self, indices: &[Index]) -> Result<Expr> {
        let used = indices.iter().filter(|index| **index != Index::New).count();
        if used > self.ndim() {
            return Err(ArrayError::Index(format!(
                "too many indices: shape {} has {} axes, {used} were indexed",
                tuple(self.shape()),
                self.ndim()
            )));
        }
        let rest = std::iter::repeat_n(&Index::All, self.ndim() - used);
        let (mut views, mut lengths, mut takes) = (Vec::new(), Vec::new(), Vec::new());
        for index in indices.iter().chain(rest) {
            let (own, result) = (views.len(), lengths.len());
            match index {
                Index::New => lengths.push(vec![1]),
                Index::At(at) => views.push(ViewAxis::At(self.element(own, *at)?)),
                Index::All => {
                    views.push(ViewAxis::Along { axis: result, start: 0, step: 1 });
                    lengths.push(self.chunks().axis(own).to_vec());
                }
                Index::Range { step: 0, .. } => {
                    return Err(ArrayError::value(
                        format!("slice step along axis {own} of shape {} is zero", tuple(self.shape())),
                        "use a positive or negative step",
                    ));
                }
                Index::Range { start, stop, step } => {
                    let (first, count) = slice_range(self.shape()[own], *start, *stop, *step);
                    views.push(ViewAxis::Along { axis: result, start: first, step: *step });
                    lengths.push(slice_lengths(self.chunks().axis(own), first, *step, count));
                }
                Index::Take(list) => {
                    takes.push((result, list.iter().map(|&at| self.element(own, at)).collect::<Result<Vec<_>>>()?));
                    views.push(ViewAxis::Along { axis: result, start: 0, step: 1 });
                    lengths.push(self.chunks().axis(own).to_vec());
                }
            }
        }
        if takes.len() > 1 {
            return Err(ArrayError::value(
                "indexing with more than one list is not supported",
                "index one axis at a time: x[rows][:, columns]",
            ));
        }
        let viewed = self.view("getitem", Chunks::new(lengths), views);
        match takes.pop() {
            None => Ok(viewed),
            Some((axis, list)) => viewed.take(axis, list),
        }
    }

    fn element(&self, axis: usize, at: i64) -> Result<usize> {
        let length = self.shape()[axis];
        let element = if at < 0 { at + length as i64 } else { at };
        if element < 0 || element >= length as i64 {
            return Err(ArrayError::Index(format!("index {at} is out of bounds for axis {axis} with length {length}")));
        }
        Ok(element as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slice_chooses_what_counting_by_hand_chooses(
            length in 0usize..12,
            start in prop::option::of(-15i64..15),
            stop in prop::option::of(-15i64..15),
            step in prop_oneof![-4i64..0, 1i64..5],
        ) {
            let (first, count) = slice_range(length, start, stop, step);
            let chosen: Vec<i64> = (0..count as i64).map(|at| first as i64 + step * at).collect();
            let n = length as i64;
            // Python's rule: negative bounds count from the end, then everything beyond the array is left out.
            let from = start.map(|at| if at < 0 { at + n } else { at });
            let to = stop.map(|at| if at < 0 { at + n } else { at });
            let mut by_hand = Vec::new();
            let mut at = match from {
                None if step > 0 => 0,
                None => n - 1,
                Some(at) if step > 0 => at.max(0),
                Some(at) => at.min(n - 1),
            };
            while at >= 0 && at < n && to.is_none_or(|to| if step > 0 { at < to } else { at > to.max(-1) }) {
                by_hand.push(at);
                at += step;
            }
            prop_assert_eq!(chosen, by_hand);
        }
    }
}
