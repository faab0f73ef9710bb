//! The steps of a reduction: one pass over each block, then partial results merged level by level.
//!
//! Start at [`Lowering::reduce`]. A mean and a variance of the same elements share all steps but the last.

use super::Step;
use super::fuse::{Fuse, identity};
use super::lower::Lowering;
use crate::dtype::Lane;
use crate::expr::{Expr, Op};
use crate::reduce::Reduction;
use crate::reduce::combine::Combine;
use crate::scalar::Scalar;
use crate::tile::{Finish, Output, TileFunction};
use raskal_graph::{Axis, EdgeMap, Stretch, Token};
use raskal_runtime::Failure;
use raskal_store::DType;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A node of kind [`Op::Reduce`], taken apart.
pub(super) struct Reduce<'a> {
    pub(super) expr: &'a Expr,
    pub(super) kind: Reduction,
    pub(super) arg: &'a Expr,
    pub(super) axes: &'a [usize],
    pub(super) keepdims: bool,
    pub(super) split_every: u32,
}

impl Reduce<'_> {
    fn finish(&self) -> Finish {
        Finish {
            dtype: self.expr.dtype().name().to_owned(),
            count: self.axes.iter().map(|&axis| self.arg.shape()[axis] as f64).product(),
            keepdims: self.keepdims,
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.axes.iter().map(|&axis| axis as u32).collect()
    }

    /// Bytes of a partial result.
    fn partial_bytes(&self) -> usize {
        let largest = self.arg.chunks().largest();
        let kept: usize =
            (0..self.arg.ndim()).filter(|axis| !self.axes.contains(axis)).map(|axis| largest[axis]).product();
        let parts = match self.kind {
            Reduction::Var { .. } | Reduction::Std { .. } | Reduction::MeanOfMoments => 3,
            Reduction::ArgMin | Reduction::ArgMax => 2,
            _ => 1,
        };
        kept * 8 * parts
    }
}

impl Lowering<'_> {
    /// The last step of a reduction; those before it are added.
    pub(super) fn reduce(&mut self, reduce: &Reduce<'_>) -> Result<Step, Failure> {
        let shared = self.moments.contains(&reduce.expr.token());
        if shared && reduce.kind == Reduction::Mean {
            return self.merged(&Reduce { kind: Reduction::MeanOfMoments, ..*reduce }, true);
        }
        let grid = reduce.arg.chunks().numblocks();
        if !shared && reduce.axes.iter().all(|&axis| grid[axis] == 1) {
            return self.blockwise(reduce, Some(reduce.finish()));
        }
        self.merged(reduce, shared)
    }

    /// One pass over each block, finished there or left as a partial result.
    fn blockwise(&mut self, reduce: &Reduce<'_>, finish: Option<Finish>) -> Result<Step, Failure> {
        let Reduce { expr, kind, arg, axes, keepdims, .. } = *reduce;
        let float = arg.dtype().native()? == DType::F64;
        let mut fuse = Fuse::new(self.kept);
        let value = match &arg.node().op {
            // Sums are kept in 64 bits and read 32-bit floats as they are.
            Op::Cast(_, narrow) if float && kind.is_sum() && narrow.dtype() == &DType::F32.into() => {
                fuse.value(narrow, &identity(arg.ndim()), Lane::F32)?
            }
            _ => fuse.value(arg, &identity(arg.ndim()), if float { Lane::F64 } else { Lane::I64 })?,
        };
        let place = if kind.needs_places() { Some(places(&mut fuse, arg, axes)?) } else { None };
        let finished = finish.is_some();
        let output = Output::Reduce { kind, value, place, axes: reduce.numbers(), finish };
        let (program, inputs) = self.program(fuse, arg.chunks(), output)?;
        let inputs = if finished && !keepdims { without_axes(inputs, axes) } else { inputs };
        Ok(self.native(expr, Arc::new(TileFunction::new(program)), inputs))
    }

    fn merged(&mut self, reduce: &Reduce<'_>, shared: bool) -> Result<Step, Failure> {
        let Reduce { expr, kind, arg, axes, keepdims, split_every } = *reduce;
        let (name, token, level_kind) = if shared {
            let parts = [self.token(arg).to_string(), format!("{axes:?} {split_every}")];
            ("moments", Token::of(&parts), Reduction::Var { ddof: 0 })
        } else {
            (kind.name(), self.token(expr), kind)
        };
        let float = arg.dtype().native()? == DType::F64;
        let mut grid = arg.chunks().numblocks();
        let mut source = match self.levels.get(&format!("{name}-partial-{token}")) {
            Some(&known) => known,
            None => {
                let first = self.blockwise(&Reduce { kind: level_kind, ..*reduce }, None)?;
                self.level(format!("{name}-partial-{token}"), &grid, reduce, first)
            }
        };
        let mut number = 0;
        loop {
            let group: Vec<u32> =
                (0..grid.len()).map(|axis| if axes.contains(&axis) { split_every } else { 1 }).collect();
            let merged: Vec<u32> = grid.iter().zip(&group).map(|(&blocks, &group)| blocks.div_ceil(group)).collect();
            if axes.iter().all(|&axis| merged[axis] == 1) {
                let combine = Combine { kind, float, axes: reduce.numbers(), finish: Some(reduce.finish()) };
                return Ok(self.native(expr, Arc::new(combine), vec![(source, merge_all(axes, grid.len(), keepdims))]));
            }
            number += 1;
            let prefix = format!("{name}-merge{number}-{token}");
            source = match self.levels.get(&prefix) {
                Some(&known) => known,
                None => {
                    let combine = Combine { kind: level_kind, float, axes: reduce.numbers(), finish: None };
                    let step = self.native(expr, Arc::new(combine), vec![(source, EdgeMap::Tree { group })]);
                    self.level(prefix, &merged, reduce, step)
                }
            };
            grid = merged;
        }
    }

    /// Adds a level that gives partial results.
    fn level(&mut self, prefix: String, grid: &[u32], reduce: &Reduce<'_>, step: Step) -> usize {
        let number = self.steps.len();
        self.levels.insert(prefix.clone(), number);
        self.steps.push(Step { prefix, grid: grid.to_vec(), block_bytes: reduce.partial_bytes(), ..step });
        number
    }
}

/// The means, variances and deviations below `root` that another one of the same elements comes beside, a variance among
/// them.
pub(super) fn shared_moments(root: &Expr) -> HashSet<Token> {
    /// Results of one pass: what is reduced, along what, in which steps; and each result with whether it is a variance.
    type Passes<'a> = HashMap<(Token, &'a [usize], u32), Vec<(Token, bool)>>;
    let mut groups = Passes::new();
    let (mut seen, mut stack) = (HashSet::new(), vec![root]);
    while let Some(expr) = stack.pop() {
        if !seen.insert(expr.token()) {
            continue;
        }
        stack.extend(expr.node().op.args());
        if let Op::Reduce { kind, arg, axes, split_every, .. } = &expr.node().op {
            let spread = matches!(kind, Reduction::Var { .. } | Reduction::Std { .. });
            if spread || (*kind == Reduction::Mean && arg.dtype().native().is_ok_and(crate::dtype::is_float)) {
                groups.entry((arg.token(), axes, *split_every)).or_default().push((expr.token(), spread));
            }
        }
    }
    let several = groups.into_values().filter(|group| group.len() > 1 && group.iter().any(|(_, spread)| *spread));
    several.flatten().map(|(token, _)| token).collect()
}

/// Each element's place: its coordinate along the one reduced axis, or its number in row-major order.
fn places(fuse: &mut Fuse<'_>, arg: &Expr, axes: &[usize]) -> Result<u16, Failure> {
    let view = identity(arg.ndim());
    let mut place: Option<Expr> = None;
    let mut stride = 1i64;
    for &axis in axes.iter().rev() {
        let index = Expr::index(axis, arg.chunks().clone())?;
        let term = if stride == 1 { index } else { index.binary(crate::ops::Binary::Multiply, Scalar::Int(stride))? };
        place = Some(match place {
            None => term,
            Some(place) => place.binary(crate::ops::Binary::Add, &term)?,
        });
        stride *= arg.shape()[axis] as i64;
    }
    let place = match place {
        Some(place) => place,
        None => Expr::full(Scalar::Int(0), arg.chunks().clone(), DType::I64)?,
    };
    fuse.value(&place, &view, Lane::I64)
}

/// Dependencies of a grid that loses `axes`, along each of which it has one block.
fn without_axes(inputs: Vec<(usize, EdgeMap)>, axes: &[usize]) -> Vec<(usize, EdgeMap)> {
    let own = |axis: u32| axis - axes.iter().filter(|&&gone| gone < axis as usize).count() as u32;
    let entry = |entry: Axis| match entry {
        Axis::Same(axis) if axes.contains(&(axis as usize)) => Axis::Fixed(0),
        Axis::Moved(axis, first) if axes.contains(&(axis as usize)) => Axis::Fixed(first as u32),
        Axis::Same(axis) => Axis::Same(own(axis)),
        Axis::Moved(axis, offset) => Axis::Moved(own(axis), offset),
        other => other,
    };
    let stretch = |stretch: Stretch| {
        let along = stretch.along.filter(|&axis| !axes.contains(&(axis as usize))).map(own);
        Stretch { along, ranges: stretch.ranges }
    };
    let map = |map: EdgeMap| match map {
        EdgeMap::BlockMap { axes } => EdgeMap::BlockMap { axes: axes.into_iter().map(entry).collect() },
        EdgeMap::Stretches { axes } => EdgeMap::Stretches { axes: axes.into_iter().map(stretch).collect() },
        // Listed by the number of the task, which stays the same.
        other => other,
    };
    inputs.into_iter().map(|(source, edge)| (source, map(edge))).collect()
}

/// The dependency of the last level of a reduction: every block along the reduced axes.
fn merge_all(axes: &[usize], ndim: usize, keepdims: bool) -> EdgeMap {
    let mut own = 0;
    let map = (0..ndim)
        .map(|axis| {
            let reduced = axes.contains(&axis);
            let entry = if reduced { Axis::Every } else { Axis::Same(own) };
            own += u32::from(!reduced || keepdims);
            entry
        })
        .collect();
    EdgeMap::BlockMap { axes: map }
}
