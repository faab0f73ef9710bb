//! Lists of elements along axes.
//!
//! Start at [`Expr::take_runs`]. Where fewer elements are taken than there are, they are taken before the elementwise
//! operations that made them, down to what is stored or drawn; numbers made on the fly are made at the chosen places alone.

use super::make;
use crate::chunks::{Chunks, cut};
use crate::error::{ArrayError, Result, tuple};
use crate::expr::{Expr, Op, ViewAxis};
use crate::runs::Run;
use raskal_store::Block;
use std::sync::Arc;

impl Expr {
    /// The elements `indices` along `axis`. Blocks hold as many elements as the longest block did.
    ///
    /// # Errors
    /// If an index is out of range.
    pub fn take(&self, axis: usize, indices: Vec<usize>) -> Result<Expr> {
        let longest = self.chunks().axis(axis).iter().copied().max().unwrap_or(1).max(1);
        let lengths = cut(indices.len(), longest);
        let mut axes = vec![None; self.ndim()];
        axes[axis] = Some((Run::compress(indices), lengths));
        self.take_runs(axes)
    }

    /// Chosen elements along several axes at once: for each axis the runs and the lengths of the result's blocks, or
    /// `None` to keep it.
    ///
    /// # Errors
    /// If an element is out of range, or the lengths do not sum to the number of elements.
    pub fn take_runs(&self, axes: Vec<Option<(Vec<Run>, Vec<usize>)>>) -> Result<Expr> {
        let mut lengths = self.chunks().to_vec();
        let mut chosen: Vec<Option<Arc<[Run]>>> = vec![None; self.ndim()];
        for (axis, entry) in axes.into_iter().enumerate() {
            let Some((runs, own)) = entry else { continue };
            let length = *self.shape().get(axis).ok_or_else(|| {
                ArrayError::Index(format!("axis {axis} is out of bounds for shape {}", tuple(self.shape())))
            })?;
            if let Some(wrong) = runs.iter().find_map(|run| run.outside(length)) {
                return Err(ArrayError::Index(format!(
                    "index {wrong} is out of bounds for axis {axis} with length {length}"
                )));
            }
            let (count, sum) = (runs.iter().map(|run| run.count).sum::<usize>(), own.iter().sum::<usize>());
            if count != sum {
                return Err(ArrayError::Value(format!(
                    "blocks of {} elements along axis {axis} sum to {sum}, but {count} elements are chosen",
                    tuple(&own)
                )));
            }
            lengths[axis] = own;
            chosen[axis] = Some(runs.into());
        }
        let chosen = Chosen { axes: chosen, chunks: Chunks::new(lengths) };
        let size = |chunks: &Chunks| chunks.shape().iter().product::<usize>();
        if size(&chosen.chunks) < size(self.chunks()) { chosen.early(self) } else { Ok(chosen.here(self)) }
    }
}

/// What is taken along each axis, and the chunks of the result.
struct Chosen {
    axes: Vec<Option<Arc<[Run]>>>,
    chunks: Chunks,
}

impl Chosen {
    /// The elements of `expr`, copied from its blocks.
    fn here(&self, expr: &Expr) -> Expr {
        let parameters = format!("{:?}", self.axes);
        let op = Op::Take { arg: expr.clone(), axes: self.axes.clone() };
        make(op, self.chunks.clone(), expr.dtype().clone(), &parameters)
    }

    /// The elements of `expr`, taken as early as can be.
    fn early(&self, expr: &Expr) -> Result<Expr> {
        crate::deep(|| self.before(expr))
    }

    fn before(&self, expr: &Expr) -> Result<Expr> {
        let node = expr.node();
        let elementwise = |op: Op| Ok(make(op, self.chunks.clone(), node.dtype.clone(), ""));
        match &node.op {
            Op::Full(value) => {
                Ok(make(Op::Full(*value), self.chunks.clone(), node.dtype.clone(), &format!("{value:?}")))
            }
            Op::Index(axis) => match &self.axes[*axis] {
                None => Expr::index(*axis, self.chunks.clone()),
                Some(runs) => self.places(*axis, runs),
            },
            Op::Unary(op, arg) => elementwise(Op::Unary(*op, self.early(arg)?)),
            Op::Cast(dtype, arg) => elementwise(Op::Cast(*dtype, self.early(arg)?)),
            Op::Binary(op, [left, right]) => {
                elementwise(Op::Binary(*op, [self.operand(expr, left)?, self.operand(expr, right)?]))
            }
            Op::Select([a, b, c]) => {
                elementwise(Op::Select([self.operand(expr, a)?, self.operand(expr, b)?, self.operand(expr, c)?]))
            }
            _ => Ok(self.here(expr)),
        }
    }

    /// As [`Chosen::early`], for an operand that may lack axes of `expr` or stretch along them.
    fn operand(&self, expr: &Expr, arg: &Expr) -> Result<Expr> {
        let skipped = expr.ndim() - arg.ndim();
        let stretches = |axis: usize| arg.shape()[axis] != expr.shape()[axis + skipped];
        let axes: Vec<Option<Arc<[Run]>>> =
            (0..arg.ndim()).map(|axis| self.axes[axis + skipped].clone().filter(|_| !stretches(axis))).collect();
        if axes.iter().all(Option::is_none) {
            return Ok(arg.clone());
        }
        let lengths = (0..arg.ndim()).map(|axis| match stretches(axis) {
            true => arg.chunks().axis(axis).to_vec(),
            false => self.chunks.axis(axis + skipped).to_vec(),
        });
        Chosen { axes, chunks: Chunks::new(lengths.collect()) }.early(arg)
    }

    /// The numbers of the chosen elements along `axis`.
    fn places(&self, axis: usize, runs: &[Run]) -> Result<Expr> {
        let listed = runs.iter().flat_map(|run| (0..run.count as i64).map(|at| run.start as i64 + run.step * at));
        let block = Block::from_vec(listed.collect::<Vec<i64>>(), &[self.chunks.shape()[axis]]);
        let line = Expr::from_block(&block, Chunks::new(vec![self.chunks.axis(axis).to_vec()]))?;
        let along = ViewAxis::Along { axis, start: 0, step: 1 };
        Ok(line.view("broadcast_to", self.chunks.clone(), vec![along]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate;
    use crate::ops::Binary;

    #[test]
    fn few_elements_of_a_huge_range_cost_no_more_than_themselves() {
        let x = Expr::index(0, Chunks::regular(&[1 << 40], &[1 << 30])).unwrap();
        let y = x.binary(Binary::Multiply, 2i64).unwrap().take(0, vec![7, 1 << 39]).unwrap();
        assert_eq!(evaluate(&y).unwrap().as_slice::<i64>().unwrap(), [14, 1 << 40]);
    }

    #[test]
    fn elements_are_taken_before_operations_on_operands_of_several_shapes() {
        let x = Expr::from_block(&Block::from_vec((0..12i64).collect(), &[3, 4]), Chunks::regular(&[3, 4], &[2, 3]))
            .unwrap();
        let row =
            Expr::from_block(&Block::from_vec(vec![10i64, 20, 30, 40], &[4]), Chunks::regular(&[4], &[3])).unwrap();
        let column =
            Expr::from_block(&Block::from_vec(vec![1i64, 2, 3], &[3, 1]), Chunks::regular(&[3, 1], &[2, 1])).unwrap();
        let sum = x.binary(Binary::Add, &row).unwrap().binary(Binary::Multiply, &column).unwrap();
        let y = sum.take(1, vec![3, 0]).unwrap();
        assert_eq!(evaluate(&y).unwrap().as_slice::<i64>().unwrap(), [43, 10, 94, 28, 153, 54]);
    }
}
