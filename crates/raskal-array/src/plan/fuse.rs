//! Turns the fused part of an expression into one tile program.
//!
//! Start at [`Fuse::value`]. It descends from the expression with a view (where each axis of the operand is found in the
//! walked block), so that slices, transpositions and broadcasts end up as strides of the inputs at the leaves.

use super::share::is_fused;
use crate::build::compose;
use crate::dtype::{Lane, is_complex};
use crate::expr::{Expr, Op, ViewAxis};
use crate::tile::{Instruction, Step};
use raskal_graph::Token;
use raskal_runtime::Failure;
use std::collections::{HashMap, HashSet};

/// A program being written.
pub(super) struct Fuse<'a> {
    kept: &'a HashSet<Token>,
    known: HashMap<(Token, Vec<ViewAxis>, Lane), u16>,
    /// The instructions so far.
    pub(super) instructions: Vec<Instruction>,
    /// What the program reads, and how.
    pub(super) inputs: Vec<(Expr, Vec<ViewAxis>)>,
}

/// The view of an array by itself.
pub(super) fn identity(ndim: usize) -> Vec<ViewAxis> {
    (0..ndim).map(|axis| ViewAxis::Along { axis, start: 0, step: 1 }).collect()
}

/// The lane in which an expression's elements are computed, if they are real numbers.
pub(super) fn lane_of(expr: &Expr) -> Option<Lane> {
    use raskal_store::DType::*;
    match expr.dtype().native().ok()? {
        C64 | C128 => None,
        dtype => Some(Lane::of(dtype).unwrap_or(match dtype {
            I8 | I16 | U8 | U16 => Lane::I32,
            _ => Lane::I64,
        })),
    }
}

impl<'a> Fuse<'a> {
    /// An empty program; expressions in `kept` are read, not computed.
    pub(super) fn new(kept: &'a HashSet<Token>) -> Fuse<'a> {
        Fuse { kept, known: HashMap::new(), instructions: Vec::new(), inputs: Vec::new() }
    }

    /// The register of an expression's elements, seen through `view` and converted to `lane`.
    pub(super) fn value(&mut self, expr: &Expr, view: &[ViewAxis], lane: Lane) -> Result<u16, Failure> {
        let key = (expr.token(), view.to_vec(), lane);
        if let Some(&register) = self.known.get(&key) {
            return Ok(register);
        }
        let register = if is_fused(expr) && !self.kept.contains(&expr.token()) {
            crate::deep(|| self.computed(expr, view, lane))?
        } else {
            self.loaded(expr, view, lane)?
        };
        self.known.insert(key, register);
        Ok(register)
    }

    /// As [`Fuse::value`], for an expression that is computed here whatever `kept` says.
    pub(super) fn computed(&mut self, expr: &Expr, view: &[ViewAxis], lane: Lane) -> Result<u16, Failure> {
        let own =
            lane_of(expr).ok_or_else(|| Failure::internal("a fused kernel of elements that are no real numbers"))?;
        let step = match &expr.node().op {
            Op::View { arg, axes, .. } => {
                let composed: Vec<ViewAxis> = axes.iter().map(|&axis| compose(axis, view)).collect();
                return self.value(arg, &composed, lane);
            }
            Op::Rechunk(arg) => return self.value(arg, view, lane),
            // What is narrower than a lane wraps round when the result is stored, so it must not be skipped.
            Op::Cast(_, arg) => {
                let read = self.value(arg, view, own)?;
                return Ok(self.converted(read, own, lane));
            }
            Op::Full(value) => return self.push(Step::Constant(value.to_lane(own).to_lane(lane)), lane),
            Op::Index(axis) => match view[*axis] {
                ViewAxis::At(element) => Step::Constant(crate::scalar::Scalar::Int(element as i64)),
                ViewAxis::Along { axis, start, step } => Step::Index { axis: axis as u32, start: start as i64, step },
            },
            Op::Unary(op, arg) => Step::Unary(*op, self.operand(expr, arg, view)?),
            Op::Binary(op, [left, right]) => {
                Step::Binary(*op, self.operand(expr, left, view)?, self.operand(expr, right, view)?)
            }
            Op::Select([condition, yes, no]) => Step::Select(
                self.operand(expr, condition, view)?,
                self.operand(expr, yes, view)?,
                self.operand(expr, no, view)?,
            ),
            _ => return Err(Failure::internal(format!("'{}' can't be fused", expr.op_name()))),
        };
        let register = self.push(step, own)?;
        Ok(self.converted(register, own, lane))
    }

    fn operand(&mut self, expr: &Expr, arg: &Expr, view: &[ViewAxis]) -> Result<u16, Failure> {
        let lane = lane_of(arg).ok_or_else(|| Failure::internal("an operand is no real number"))?;
        let skipped = expr.ndim() - arg.ndim();
        let own: Vec<ViewAxis> = (0..arg.ndim())
            .map(|axis| match arg.shape()[axis] {
                1 if expr.shape()[axis + skipped] != 1 => ViewAxis::At(0),
                _ => view[axis + skipped],
            })
            .collect();
        self.value(arg, &own, lane)
    }

    fn loaded(&mut self, expr: &Expr, view: &[ViewAxis], lane: Lane) -> Result<u16, Failure> {
        if expr.dtype().native().map_or(true, is_complex) {
            return Err(Failure::internal(format!(
                "a fused kernel can't read elements of type {}",
                expr.dtype().name()
            )));
        }
        let known = self.inputs.iter().position(|(input, seen)| input.token() == expr.token() && seen == view);
        let input = known.unwrap_or_else(|| {
            self.inputs.push((expr.clone(), view.to_vec()));
            self.inputs.len() - 1
        });
        self.push(Step::Load(input as u16), lane)
    }

    fn converted(&mut self, register: u16, from: Lane, to: Lane) -> u16 {
        if from == to {
            return register;
        }
        self.instructions.push(Instruction { step: Step::Cast(register), lane: to });
        (self.instructions.len() - 1) as u16
    }

    fn push(&mut self, step: Step, lane: Lane) -> Result<u16, Failure> {
        if self.instructions.len() + 2 > usize::from(u16::MAX) {
            return Err(Failure::new(
                raskal_types::ErrorKind::Unsupported,
                format!(
                    "an expression fuses more than {} operations into one kernel\nhint: call persist() on a part of it",
                    u16::MAX
                ),
            ));
        }
        self.instructions.push(Instruction { step, lane });
        Ok((self.instructions.len() - 1) as u16)
    }
}
