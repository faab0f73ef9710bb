//! One step per materialised operation.
//!
//! Start at [`plan`]. Each expression that is not computed inside another's kernel becomes a step (a reduction several).

use super::fuse::{Fuse, identity, lane_of};
use super::pieces::pieces;
use super::reduction::{Reduce, shared_moments};
use super::share::kept;
use super::{Plan, Step, Work};
use crate::assemble::{Assemble, SourceAxis};
use crate::blocks::{Mirror, Pass, ReshapeBlocks};
use crate::chunks::Chunks;
use crate::dtype::{Lane, is_complex};
use crate::expr::{Expr, HostBlocks, HostInput, Op, ViewAxis};
use crate::host::{HostKernel, HostLayout};
use crate::tile::{InputAxis, InputView, Output, TileFunction, TileProgram};
use raskal_graph::{Axis, Csr, EdgeMap, Stretch, Token};
use raskal_runtime::{Failure, Function};
use raskal_types::SlotClass;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The layers that compute `expr`.
pub(super) fn plan(expr: &Expr, host: &dyn HostLayout, brief: bool) -> Result<Plan, Failure> {
    let (kept, moments) = (kept(expr), shared_moments(expr));
    let mut lowering = Lowering {
        host,
        brief,
        kept: &kept,
        moments: &moments,
        steps: Vec::new(),
        known: HashMap::new(),
        levels: HashMap::new(),
    };
    let output = lowering.step(expr)?;
    Ok(Plan { steps: lowering.steps, output })
}

pub(super) struct Lowering<'a> {
    host: &'a dyn HostLayout,
    /// Whether prefixes are those of this process, instead of content.
    brief: bool,
    pub(super) kept: &'a HashSet<Token>,
    /// The means, variances and deviations that are one pass over the same elements.
    pub(super) moments: &'a HashSet<Token>,
    pub(super) steps: Vec<Step>,
    known: HashMap<Token, usize>,
    /// Levels of reductions by their prefix: what several results merge is merged once.
    pub(super) levels: HashMap<String, usize>,
}

impl Lowering<'_> {
    /// A native step of an expression.
    pub(super) fn native(&self, expr: &Expr, function: Arc<dyn Function>, inputs: Vec<(usize, EdgeMap)>) -> Step {
        Step {
            prefix: if self.brief { expr.brief_name() } else { expr.name() },
            grid: expr.chunks().numblocks(),
            work: Work::Function(function),
            inputs,
            class: SlotClass::Native,
            eager: false,
            block_bytes: expr.chunks().largest().iter().product::<usize>() * expr.dtype().size_bytes(),
            host_reason: None,
        }
    }

    /// What the prefixes of an expression's layers end in.
    pub(super) fn token(&self, expr: &Expr) -> Token {
        if self.brief { expr.token() } else { expr.content() }
    }

    /// The step that gives the blocks of `expr`.
    fn step(&mut self, expr: &Expr) -> Result<usize, Failure> {
        if let Some(&known) = self.known.get(&expr.token()) {
            return Ok(known);
        }
        let step = crate::deep(|| self.made(expr))?;
        self.steps.push(step);
        self.known.insert(expr.token(), self.steps.len() - 1);
        Ok(self.steps.len() - 1)
    }

    /// The step itself; those before it are added.
    fn made(&mut self, expr: &Expr) -> Result<Step, Failure> {
        Ok(match &expr.node().op {
            Op::Source(source) => {
                Step { work: Work::Source(source.clone()), ..self.native(expr, Arc::new(Pass), vec![]) }
            }
            Op::Host { kernel, inputs, .. } => self.host(expr, kernel.as_ref(), inputs)?,
            Op::Reduce { kind, arg, axes, keepdims, split_every } => {
                let (kind, keepdims, split_every) = (*kind, *keepdims, *split_every);
                self.reduce(&Reduce { expr, kind, arg, axes, keepdims, split_every })?
            }
            Op::Rechunk(arg) if !arg.is_generated() => self.rechunk(expr, arg)?,
            Op::Take { arg, axes } => {
                let plan = Assemble::take(arg.chunks(), expr.chunks(), expr.dtype().name(), axes);
                self.assemble(expr, arg, plan)?
            }
            Op::Concatenate { axis, args } => self.concatenate(expr, *axis, args)?,
            Op::Reshape(arg) => self.reshape(expr, arg)?,
            Op::View { arg, axes, .. } if expr.dtype().native().map_or(true, is_complex) => {
                let plan = Assemble::view(arg.chunks(), expr.chunks(), expr.dtype().name(), axes);
                self.assemble(expr, arg, plan)?
            }
            _ => self.elements(expr)?,
        })
    }

    /// A fused kernel that gives the elements of `expr`.
    fn elements(&mut self, expr: &Expr) -> Result<Step, Failure> {
        let dtype = expr.dtype().native()?;
        let lane = lane_of(expr).ok_or_else(|| Failure::internal("elements of a fused kernel are real numbers"))?;
        let mut fuse = Fuse::new(self.kept);
        let value = match &expr.node().op {
            // The result's type is no lane: computed in the operand's, converted when it is stored.
            Op::Cast(_, arg) if Lane::of(dtype).is_none() => {
                let own = lane_of(arg).ok_or_else(|| Failure::internal("a conversion of real numbers"))?;
                fuse.value(arg, &identity(arg.ndim()), own)?
            }
            _ => fuse.computed(expr, &identity(expr.ndim()), lane)?,
        };
        let output = Output::Elements { value, dtype: dtype.name().to_owned() };
        let (program, inputs) = self.program(fuse, expr.chunks(), output)?;
        Ok(self.native(expr, Arc::new(TileFunction::new(program)), inputs))
    }

    /// Finishes a program: how its inputs are read, block by block, and the edges to their steps.
    pub(super) fn program(
        &mut self,
        fuse: Fuse<'_>,
        chunks: &Chunks,
        output: Output,
    ) -> Result<(TileProgram, Vec<(usize, EdgeMap)>), Failure> {
        let (mut views, mut edges) = (Vec::new(), Vec::new());
        for (input, view) in &fuse.inputs {
            let source = self.step(input)?;
            let plan = Assemble::view(input.chunks(), chunks, input.dtype().name(), view);
            edges.push((source, plan.edge(&input.chunks().numblocks())));
            let axes = plan.axes.iter().zip(view).enumerate();
            let axes = axes.map(|(own, (axis, view))| input_axis(axis, view, input.chunks().axis(own)));
            views.push(InputView { axes: axes.collect::<Result<_, _>>()? });
        }
        let program = TileProgram { chunks: chunks.to_vec(), inputs: views, instructions: fuse.instructions, output };
        Ok((program, edges))
    }

    /// Each block read whole by whoever needs a part of it; or, where that would hold too much at once, blocks cut into the
    /// pieces that go to different blocks, as soon as they are there.
    fn rechunk(&mut self, expr: &Expr, arg: &Expr) -> Result<Step, Failure> {
        let (chunks, dtype) = (expr.chunks(), expr.dtype().name());
        let source = self.step(arg)?;
        let Some(pieces) = pieces(arg.chunks(), chunks, expr.dtype().size_bytes()) else {
            return self.assemble_step(expr, source, arg.chunks(), Assemble::rechunk(arg.chunks(), chunks, dtype));
        };
        let cut = Assemble::rechunk(arg.chunks(), &pieces, dtype);
        let mut cut = self.assemble_step(expr, source, arg.chunks(), cut)?;
        cut.prefix = format!("pieces-{}", self.token(expr));
        cut.grid = pieces.numblocks();
        cut.block_bytes = pieces.largest().iter().product::<usize>() * expr.dtype().size_bytes();
        cut.eager = true;
        self.steps.push(cut);
        let cut = self.steps.len() - 1;
        self.assemble_step(expr, cut, &pieces, Assemble::rechunk(&pieces, chunks, dtype))
    }

    fn assemble(&mut self, expr: &Expr, arg: &Expr, plan: Assemble) -> Result<Step, Failure> {
        let source = self.step(arg)?;
        self.assemble_step(expr, source, arg.chunks(), plan)
    }

    fn assemble_step(&self, expr: &Expr, source: usize, blocks: &Chunks, plan: Assemble) -> Result<Step, Failure> {
        let edge = plan.edge(&blocks.numblocks());
        if expr.dtype().native().is_ok() {
            return Ok(self.native(expr, Arc::new(plan), vec![(source, edge)]));
        }
        let function = self.host.assemble(plan)?;
        Ok(by_host(self.native(expr, function, vec![(source, edge)]), expr))
    }

    fn reshape(&mut self, expr: &Expr, arg: &Expr) -> Result<Step, Failure> {
        let source = self.step(arg)?;
        let plan = ReshapeBlocks { chunks: expr.chunks().to_vec(), dtype: expr.dtype().name().to_owned() };
        let inputs = vec![(source, EdgeMap::OneToOne)];
        if expr.dtype().native().is_ok() {
            return Ok(self.native(expr, Arc::new(plan), inputs));
        }
        let function = self.host.reshape(plan)?;
        Ok(by_host(self.native(expr, function, inputs), expr))
    }

    /// Blocks of the operands, renumbered: each task passes one block on.
    fn concatenate(&mut self, expr: &Expr, axis: usize, args: &[Expr]) -> Result<Step, Failure> {
        let grid = expr.chunks().numblocks();
        let mut inputs = Vec::with_capacity(args.len());
        let mut first = 0;
        for arg in args {
            let source = self.step(arg)?;
            let own = arg.chunks().numblocks()[axis];
            let moved = |block: u32| (block.saturating_sub(first).min(own), (block + 1).saturating_sub(first).min(own));
            let stretch = |(place, &extent): (usize, &u32)| {
                Stretch::along(
                    place as u32,
                    (0..extent).map(|block| if place == axis { moved(block) } else { (block, block + 1) }),
                )
            };
            inputs.push((source, EdgeMap::Stretches { axes: grid.iter().enumerate().map(stretch).collect() }));
            first += own;
        }
        Ok(self.native(expr, Arc::new(Pass), inputs))
    }

    fn host(&mut self, expr: &Expr, kernel: &dyn HostKernel, inputs: &[HostInput]) -> Result<Step, Failure> {
        let (mut edges, mut transposed) = (Vec::new(), Vec::new());
        for input in inputs {
            let turned = kernel.takes_transposed().then(|| turned(input)).flatten();
            let (source, map) = match &turned {
                Some((source, axes, _)) => (self.step(source)?, EdgeMap::BlockMap { axes: axes.clone() }),
                None => (
                    self.step(&input.expr)?,
                    match &input.blocks {
                        HostBlocks::Map(axes) => EdgeMap::BlockMap { axes: axes.clone() },
                        HostBlocks::Tree(group) => EdgeMap::Tree { group: group.clone() },
                        HostBlocks::Rows(rows) => EdgeMap::Explicit(rows.as_ref().clone()),
                    },
                ),
            };
            edges.push((source, map));
            transposed.push(turned.map(|(_, _, order)| order));
        }
        let symmetric = kernel.is_product() && is_symmetric(expr, &edges);
        let half = symmetric.then(|| half(expr, &mut edges, &self.steps)).flatten();
        let function = kernel.function(&transposed)?;
        let mut step = self.native(expr, function, edges);
        step.class = kernel.class();
        step.host_reason = (step.class == SlotClass::Python).then(|| kernel.reason());
        let Some((grid, mirror)) = half else { return Ok(step) };
        step.prefix = format!("half-{}", self.token(expr));
        step.grid = grid;
        self.steps.push(step);
        Ok(self.native(expr, Arc::new(Mirror), vec![(self.steps.len() - 1, mirror)]))
    }
}

/// Whether a product reads, for block (i, j), the blocks that it reads for block (j, i), with its operands exchanged.
fn is_symmetric(expr: &Expr, edges: &[(usize, EdgeMap)]) -> bool {
    let [(left, EdgeMap::BlockMap { axes: rows }), (right, EdgeMap::BlockMap { axes: columns })] = edges else {
        return false;
    };
    let exchanged = |(row, column): (&Axis, &Axis)| match (row, column) {
        (Axis::Same(0), Axis::Same(1)) => true,
        (row, column) => row == column && !matches!(row, Axis::Same(_) | Axis::Moved(..)),
    };
    let chunks = expr.chunks();
    left == right
        && expr.ndim() == 2
        && expr.dtype().native().is_ok()
        && chunks.axis(0) == chunks.axis(1)
        && chunks.axis(0).len() > 1
        && rows.len() == columns.len()
        && rows.iter().zip(columns).all(exchanged)
}

/// The most dependencies of half a product that are listed one by one.
const LISTED_MAX: u64 = 1 << 24;

/// Keeps of the tasks of a symmetric product those on and above the diagonal: their grid, and the dependency on them of the
/// whole. `edges` become those of the half. None, and nothing changed, if they were too many to list.
fn half(expr: &Expr, edges: &mut [(usize, EdgeMap)], steps: &[Step]) -> Option<(Vec<u32>, EdgeMap)> {
    let extent = expr.chunks().axis(0).len() as u32;
    let blocks: u64 =
        edges.iter().map(|(source, _)| steps[*source].grid.iter().map(|&n| u64::from(n)).product::<u64>()).sum();
    // Each row of blocks is read with every other.
    if blocks * u64::from(extent) > LISTED_MAX {
        return None;
    }
    for (source, map) in edges.iter_mut() {
        let source = &steps[*source].grid;
        let mut rows = Csr::default();
        let mut blocks = Vec::new();
        for row in 0..extent {
            for column in row..extent {
                blocks.clear();
                map.predecessors(&[extent, extent], row * extent + column, source, |block| blocks.push(block));
                rows.push(&blocks);
            }
        }
        *map = EdgeMap::Explicit(rows);
    }
    let mut rows = Csr::default();
    for row in 0..extent {
        (0..extent).for_each(|column| rows.push(&[Mirror::half(extent, row, column)]));
    }
    Some((vec![extent * (extent + 1) / 2], EdgeMap::Explicit(rows)))
}

fn by_host(mut step: Step, expr: &Expr) -> Step {
    step.class = SlotClass::Python;
    step.host_reason = Some(format!("elements of type {}", expr.dtype().name()));
    step
}

/// How one axis of an input, cut by `lengths`, is read by a kernel.
fn input_axis(axis: &SourceAxis, view: &ViewAxis, lengths: &[usize]) -> Result<InputAxis, Failure> {
    match (axis, view) {
        (SourceAxis::At(_, offset), _) => Ok(InputAxis::At(*offset)),
        (SourceAxis::Along(along, parts), ViewAxis::Along { step, .. }) => {
            let mut offsets = Vec::with_capacity(parts.len());
            let mut whole = *step == 1;
            for block in parts {
                let length = lengths[block.blocks[0] as usize];
                whole &= block.parts.iter().map(|part| part.count).sum::<usize>() == length;
                match block.parts.as_slice() {
                    [] => offsets.push(0),
                    [only] => offsets.push(only.start),
                    more => {
                        return Err(Failure::internal(format!(
                            "a kernel's block reads {} blocks of an input along one axis",
                            more.len()
                        )));
                    }
                }
            }
            if whole {
                offsets.clear();
            }
            Ok(InputAxis::Along { axis: *along, offsets, step: *step })
        }
        (SourceAxis::Along(..), ViewAxis::At(_)) => Err(Failure::internal("an input's axis is read in two ways")),
    }
}

/// An operand that only has its axes permuted: what is permuted, its blocks, and the order of axes.
fn turned(input: &HostInput) -> Option<(&Expr, Vec<Axis>, Vec<usize>)> {
    let (Op::View { arg, axes, .. }, HostBlocks::Map(blocks)) = (&input.expr.node().op, &input.blocks) else {
        return None;
    };
    if arg.ndim() != input.expr.ndim() {
        return None;
    }
    let mut order = vec![0; axes.len()];
    let mut map = Vec::with_capacity(axes.len());
    for (own, view) in axes.iter().enumerate() {
        match *view {
            ViewAxis::Along { axis, start: 0, step: 1 } if arg.shape()[own] == input.expr.shape()[axis] => {
                order[axis] = own;
                map.push(blocks[axis]);
            }
            _ => return None,
        }
    }
    Some((arg, map, order))
}
