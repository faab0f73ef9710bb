//! Views: transposed, sliced, stretched. They cost no task of their own where an operation reads them.

use super::make;
use crate::chunks::Chunks;
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op, ViewAxis};

impl Expr {
    /// The axes in another order; `None` turns them round.
    ///
    /// # Errors
    /// If `order` is not a permutation of the axes.
    pub fn transpose(&self, order: Option<&[usize]>) -> Result<Expr> {
        let order: Vec<usize> = order.map_or_else(|| (0..self.ndim()).rev().collect(), <[usize]>::to_vec);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted != (0..self.ndim()).collect::<Vec<_>>() {
            return Err(ArrayError::value(
                format!(
                    "axes {} are not a permutation of the {} axes of shape {}",
                    tuple(&order),
                    self.ndim(),
                    tuple(self.shape())
                ),
                "list every axis once",
            ));
        }
        let chunks = Chunks::new(order.iter().map(|&axis| self.chunks().axis(axis).to_vec()).collect());
        let mut axes = vec![ViewAxis::At(0); self.ndim()];
        for (own, &from) in order.iter().enumerate() {
            axes[from] = ViewAxis::Along { axis: own, start: 0, step: 1 };
        }
        Ok(self.view("transpose", chunks, axes))
    }

    /// Stretched to `shape`: axes of length 1 repeat, new axes come first.
    ///
    /// # Errors
    /// If an axis is neither of that length nor 1, or there are too many axes.
    pub fn broadcast_to(&self, shape: &[usize], chunks: Option<Chunks>) -> Result<Expr> {
        let refused = || {
            ArrayError::value(
                format!("cannot broadcast shape {} to shape {}", tuple(self.shape()), tuple(shape)),
                "every axis, counted from the last, must have the wanted length or length 1",
            )
        };
        let new = shape.len().checked_sub(self.ndim()).ok_or_else(refused)?;
        let mut lengths: Vec<Vec<usize>> = shape.iter().map(|&length| vec![length]).collect();
        let mut axes = Vec::with_capacity(self.ndim());
        for axis in 0..self.ndim() {
            if self.shape()[axis] == shape[axis + new] {
                lengths[axis + new] = self.chunks().axis(axis).to_vec();
                axes.push(ViewAxis::Along { axis: axis + new, start: 0, step: 1 });
            } else if self.shape()[axis] == 1 {
                axes.push(ViewAxis::At(0));
            } else {
                return Err(refused());
            }
        }
        let chunks = match chunks {
            None => Chunks::new(lengths),
            Some(chunks) => {
                chunks.check(shape, "broadcast")?;
                for axis in &axes {
                    if let ViewAxis::Along { axis, .. } = axis {
                        lengths[*axis] = chunks.axis(*axis).to_vec();
                    }
                }
                let own = (0..self.ndim()).map(|axis| match axes[axis] {
                    ViewAxis::Along { axis, .. } => chunks.axis(axis).to_vec(),
                    ViewAxis::At(_) => self.chunks().axis(axis).to_vec(),
                });
                let aligned = self.rechunk(Chunks::new(own.collect()))?;
                return Ok(aligned.view("broadcast_to", chunks, axes));
            }
        };
        Ok(self.view("broadcast_to", chunks, axes))
    }

    /// A view of this array; the caller knows that it fits. Views of views become one view.
    pub(crate) fn view(&self, name: &'static str, chunks: Chunks, axes: Vec<ViewAxis>) -> Expr {
        let plain = |(axis, view): (usize, &ViewAxis)| *view == ViewAxis::Along { axis, start: 0, step: 1 };
        if chunks == *self.chunks() && axes.iter().enumerate().all(plain) {
            return self.clone();
        }
        if let Op::View { arg, axes: inner, .. } = &self.node().op {
            let composed = inner.iter().map(|&axis| compose(axis, &axes)).collect();
            return arg.view(name, chunks, composed);
        }
        let parameters = format!("{axes:?}");
        make(Op::View { name, arg: self.clone(), axes }, chunks, self.dtype().clone(), &parameters)
    }

    /// Whether the array is made on the fly from numbers alone, so that it takes any chunks for free.
    pub fn is_generated(&self) -> bool {
        self.node().generated
    }
}

/// Where an axis is found after `outer` views the result in which `inner` found it.
pub(crate) fn compose(inner: ViewAxis, outer: &[ViewAxis]) -> ViewAxis {
    let ViewAxis::Along { axis, start, step } = inner else { return inner };
    let at = |index: usize| (start as i64 + step * index as i64) as usize;
    match outer[axis] {
        ViewAxis::At(index) => ViewAxis::At(at(index)),
        ViewAxis::Along { axis, start: first, step: stride } => {
            ViewAxis::Along { axis, start: at(first), step: step * stride }
        }
    }
}
