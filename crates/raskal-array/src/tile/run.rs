//! The loop over tiles.
//!
//! Start at [`run`]. The walk is over one block in row-major order, its axes joined wherever every input allows, cut into
//! tiles of a few thousand elements; each instruction of the program runs over a whole tile before the next one.

use super::load::{Stream, borrowed, for_runs, gather, prefetch};
use super::registers::Registers;
use super::{Finish, InputAxis, InputView, Output, Step, TileProgram, binary, unary};
use crate::column::{Column, ColumnRef, to_block};
use crate::copy::strides;
use crate::dtype::{Lane, is_complex};
use crate::error::tuple;
use crate::reduce::Accumulator;
use raskal_runtime::Failure;
use raskal_store::{Block, DType};
use raskal_types::ErrorKind;

/// A block's part of the program: its box, and a stream for every instruction that reads or counts.
struct Walk {
    shape: Vec<usize>,
    streams: Vec<Option<Stream>>,
    /// Where each element's result is kept, if the elements are reduced.
    kept: Option<Stream>,
}

/// Runs the program for the block at `coordinates`; `bounds` are where blocks start along each axis.
pub(super) fn run(
    program: &TileProgram,
    registers: &Registers,
    bounds: &[Vec<usize>],
    coordinates: &[u32],
    inputs: &[Block],
) -> Result<Block, Failure> {
    if let Some(block) = inputs.iter().find(|block| is_complex(block.dtype())) {
        return Err(Failure::new(
            ErrorKind::Type,
            format!(
                "a fused kernel got {block:?}, but complex elements were not announced\nhint: pass dtype= to the operation that made the block"
            ),
        ));
    }
    let shape: Vec<usize> = program.chunks.iter().zip(coordinates).map(|(axis, &block)| axis[block as usize]).collect();
    let mut walk = Walk { streams: streams(program, bounds, coordinates, &shape, inputs)?, kept: None, shape };
    match &program.output {
        Output::Elements { value, dtype } => {
            let shape = walk.shape.clone();
            walk.join();
            let lane = program.instructions[*value as usize].lane;
            let mut out = Column::zeros(lane, shape.iter().product());
            for_tiles(program, registers, &walk, inputs, Some((*value, &mut out)), |_, _, _| ());
            match DType::from_name(dtype) {
                Some(dtype) if dtype == lane.dtype() => Ok(out.into_block(&shape)),
                Some(dtype) => to_block(out, dtype, &shape),
                None => Err(Failure::internal(format!("a kernel's result has the unknown type '{dtype}'"))),
            }
        }
        Output::Reduce { kind, value, place, axes, finish } => {
            let reduced = |axis: usize| axes.contains(&(axis as u32));
            let kept: Vec<usize> =
                walk.shape.iter().enumerate().map(|(axis, &length)| if reduced(axis) { 1 } else { length }).collect();
            let mut kept_strides = strides(&kept);
            axes.iter().for_each(|&axis| kept_strides[axis as usize] = 0);
            walk.kept = Some(Stream { base: 0, strides: kept_strides });
            walk.join();
            // Sums read 32-bit floats as they are.
            let float = matches!(program.instructions[*value as usize].lane, Lane::F64 | Lane::F32);
            let mut accumulator = Accumulator::new(*kind, float, kept.iter().product());
            let stream = walk.kept.clone().unwrap_or(Stream { base: 0, strides: vec![] });
            let each = stream.strides.last().is_some_and(|&stride| stride == 1);
            if let Some((columns, values)) = whole_rows(program, &walk, &stream, *value, inputs) {
                accumulator.fold_rows(columns, values);
                return finish_reduction(accumulator, *kind, &kept, finish.as_ref(), &reduced);
            }
            for_tiles(program, registers, &walk, inputs, None, |tile, start, count| {
                let values = tile.get(*value, count);
                let places = place.map(|place| tile.get(place, count));
                for_runs(&walk.shape, &stream, start, count, |offset, length, at| {
                    let values = values.slice(offset, offset + length);
                    let places = match places.map(|places| places.slice(offset, offset + length)) {
                        Some(ColumnRef::I64(places)) => places,
                        _ => &[],
                    };
                    if each {
                        accumulator.fold_each(at as usize, values, places);
                    } else {
                        accumulator.fold_run(at as usize, values, places);
                    }
                });
            });
            finish_reduction(accumulator, *kind, &kept, finish.as_ref(), &reduced)
        }
    }
}

/// The elements of an input that is reduced as it lies, along its first axis alone, and the length of its rows.
fn whole_rows<'a>(
    program: &TileProgram,
    walk: &Walk,
    kept: &Stream,
    value: u16,
    inputs: &'a [Block],
) -> Option<(usize, ColumnRef<'a>)> {
    let ([rows, columns], [0, 1], [instruction]) = (&walk.shape[..], &kept.strides[..], &program.instructions[..])
    else {
        return None;
    };
    let (Step::Load(input), Some(stream)) = (&instruction.step, walk.streams.get(usize::from(value))?) else {
        return None;
    };
    let block = &inputs[usize::from(*input)];
    if !stream.is_flat(&walk.shape) || block.dtype() != instruction.lane.dtype() {
        return None;
    }
    Some((*columns, borrowed(block, stream.base as usize, rows * columns)?))
}

fn finish_reduction(
    accumulator: Accumulator,
    kind: crate::reduce::Reduction,
    kept: &[usize],
    finish: Option<&Finish>,
    reduced: &dyn Fn(usize) -> bool,
) -> Result<Block, Failure> {
    let Some(Finish { dtype, count, keepdims }) = finish else { return Ok(accumulator.into_partial(kept)) };
    let shape: Vec<usize> =
        (0..kept.len()).filter(|&axis| *keepdims || !reduced(axis)).map(|axis| kept[axis]).collect();
    let dtype = DType::from_name(dtype).ok_or_else(|| Failure::internal(format!("unknown result type '{dtype}'")))?;
    accumulator.finish(kind, *count, dtype, &shape)
}

/// The streams of one block's inputs and indices.
fn streams(
    program: &TileProgram,
    bounds: &[Vec<usize>],
    coordinates: &[u32],
    shape: &[usize],
    inputs: &[Block],
) -> Result<Vec<Option<Stream>>, Failure> {
    program
        .instructions
        .iter()
        .map(|instruction| match &instruction.step {
            Step::Load(input) => {
                let (view, block) = (&program.inputs[*input as usize], &inputs[*input as usize]);
                input_stream(view, block, coordinates, shape).map(Some)
            }
            Step::Index { axis, start, step } => {
                let first = bounds[*axis as usize][coordinates[*axis as usize] as usize] as i64;
                let mut strides = vec![0; shape.len()];
                strides[*axis as usize] = *step;
                Ok(Some(Stream { base: start + step * first, strides }))
            }
            _ => Ok(None),
        })
        .collect()
}

fn input_stream(view: &InputView, block: &Block, coordinates: &[u32], shape: &[usize]) -> Result<Stream, Failure> {
    let misfit = || {
        Failure::new(
            ErrorKind::Value,
            format!(
                "a block of shape {} arrived where the expression announced other chunks (the result's block is {})\n\
                 hint: pass chunks= to map_blocks if the function changes the shape",
                tuple(block.shape()),
                tuple(shape)
            ),
        )
    };
    if view.axes.len() != block.shape().len() {
        return Err(misfit());
    }
    let given = strides(block.shape());
    let mut stream = Stream { base: 0, strides: vec![0; shape.len()] };
    for ((axis, &stride), &extent) in view.axes.iter().zip(&given).zip(block.shape()) {
        match axis {
            InputAxis::At(at) => {
                if *at >= extent && !shape.contains(&0) {
                    return Err(misfit());
                }
                stream.base += *at as i64 * stride;
            }
            InputAxis::Along { axis, offsets, step } => {
                let axis = *axis as usize;
                let offset = offsets.get(coordinates[axis] as usize).copied().unwrap_or(0) as i64;
                let last = offset + step * (shape[axis] as i64 - 1);
                // Else a block that is longer than announced would go unnoticed.
                let whole = offsets.is_empty() && *step == 1 && extent != shape[axis];
                if shape[axis] > 0 && (offset.max(last) >= extent as i64 || last < 0 || whole) {
                    return Err(misfit());
                }
                stream.base += offset * stride;
                stream.strides[axis] += step * stride;
            }
        }
    }
    Ok(stream)
}

impl Walk {
    /// Drops axes of length 1 and joins neighbours along which every stream goes on as it goes along the inner one.
    fn join(&mut self) {
        let mut axis = 0;
        while axis < self.shape.len() {
            if self.shape[axis] == 1 {
                self.shape.remove(axis);
                self.each_stream(|stream| {
                    stream.strides.remove(axis);
                });
            } else {
                axis += 1;
            }
        }
        let mut axis = self.shape.len().saturating_sub(1);
        while axis > 0 {
            let inner = self.shape[axis] as i64;
            let mut joined = true;
            self.each_stream(|stream| joined &= stream.strides[axis - 1] == stream.strides[axis] * inner);
            if joined {
                self.shape[axis - 1] *= self.shape.remove(axis);
                self.each_stream(|stream| {
                    stream.strides.remove(axis - 1);
                });
            }
            axis -= 1;
        }
    }

    fn each_stream(&mut self, mut visit: impl FnMut(&mut Stream)) {
        self.streams.iter_mut().flatten().chain(&mut self.kept).for_each(&mut visit);
    }
}

/// The registers of the tile at hand.
struct Tile<'a> {
    columns: Vec<Column>,
    slots: &'a [usize],
    /// Registers that are read from an input as it lies.
    direct: Vec<Option<ColumnRef<'a>>>,
}

impl Tile<'_> {
    fn get(&self, register: u16, count: usize) -> ColumnRef<'_> {
        match self.direct[register as usize] {
            Some(column) => column,
            None => self.columns[self.slots[register as usize]].slice(0, count),
        }
    }
}

/// Rows from this length on are walked one by one.
const ROW_LEN_MIN: usize = 512;

/// Runs the instructions tile by tile. The values of the register in `out` are written there directly; `visit` sees the
/// registers of each tile, where it starts and how long it is.
fn for_tiles(
    program: &TileProgram,
    registers: &Registers,
    walk: &Walk,
    inputs: &[Block],
    mut out: Option<(u16, &mut Column)>,
    mut visit: impl FnMut(&Tile<'_>, usize, usize),
) {
    let total: usize = walk.shape.iter().product();
    let longest = registers.tile.min(total.max(1));
    let mut tile = Tile {
        columns: registers.lanes.iter().map(|&lane| Column::zeros(lane, longest)).collect(),
        slots: &registers.slots,
        direct: vec![None; program.instructions.len()],
    };
    for (number, instruction) in program.instructions.iter().enumerate() {
        if let Step::Constant(value) = instruction.step {
            tile.columns[registers.slots[number]].slice_mut(0, longest).fill(value);
        }
    }
    let flat: Vec<bool> =
        walk.streams.iter().map(|stream| stream.as_ref().is_some_and(|stream| stream.is_flat(&walk.shape))).collect();
    // Where rows are long, no tile crosses the end of one: inputs that repeat or skip rows are then read as they lie.
    let row = walk.shape.last().copied().filter(|&length| walk.shape.len() > 1 && length >= ROW_LEN_MIN);
    let mut start = 0;
    while start < total {
        let mut count = longest.min(total - start);
        if let Some(row) = row {
            count = count.min(row - start % row);
        }
        for (number, instruction) in program.instructions.iter().enumerate() {
            if let (Step::Load(input), Some(stream)) = (&instruction.step, &walk.streams[number])
                && (flat[number] || row.is_some() && stream.strides.last() == Some(&1))
                && let block = &inputs[*input as usize]
                && block.dtype() == instruction.lane.dtype()
            {
                let from = if flat[number] { stream.base + start as i64 } else { stream.position(&walk.shape, start) };
                tile.direct[number] = borrowed(block, from as usize, count);
                if flat[number] {
                    prefetch(block, from as usize + count, count);
                }
            }
            let to_out = out.as_mut().filter(|(value, _)| usize::from(*value) == number);
            match to_out {
                Some((_, column)) => {
                    step(program, number, &tile, walk, inputs, start, count, column, start);
                }
                None if tile.direct[number].is_some() || matches!(instruction.step, Step::Constant(_)) => {}
                None => {
                    let slot = registers.slots[number];
                    let mut to = std::mem::replace(&mut tile.columns[slot], Column::Bool(Vec::new()));
                    step(program, number, &tile, walk, inputs, start, count, &mut to, 0);
                    tile.columns[slot] = to;
                }
            }
        }
        visit(&tile, start, count);
        start += count;
    }
}

/// Runs one instruction over one tile, writing to `to` from `first` on.
#[expect(clippy::too_many_arguments, reason = "the loop's state, spelled out for the inner loop")]
fn step(
    program: &TileProgram,
    number: usize,
    tile: &Tile<'_>,
    walk: &Walk,
    inputs: &[Block],
    start: usize,
    count: usize,
    to: &mut Column,
    first: usize,
) {
    let get = |register: u16| tile.get(register, count);
    let mut out = to.slice_mut(first, first + count);
    match (&program.instructions[number].step, &walk.streams[number]) {
        (Step::Load(input), Some(stream)) => {
            if let Some(column) = tile.direct[number] {
                return out.copy_from(column);
            }
            let stride = stream.strides.last().copied().unwrap_or(0);
            for_runs(&walk.shape, stream, start, count, |offset, length, position| {
                let out = to.slice_mut(first + offset, first + offset + length);
                gather(&inputs[*input as usize], position, stride, out);
            });
        }
        (Step::Index { .. }, Some(stream)) => {
            let stride = stream.strides.last().copied().unwrap_or(0);
            let Column::I64(out) = to else { unreachable!("an index is a 64-bit integer") };
            for_runs(&walk.shape, stream, start, count, |offset, length, value| {
                let run = &mut out[first + offset..first + offset + length];
                run.iter_mut().enumerate().for_each(|(at, out)| *out = value + stride * at as i64);
            });
        }
        (Step::Constant(value), _) => out.fill(*value),
        (Step::Unary(op, a), _) => unary::apply(*op, get(*a), out),
        (Step::Binary(op, a, b), _) => {
            let number = match program.instructions[usize::from(*b)].step {
                Step::Constant(number) => Some(number),
                _ => None,
            };
            if !number.is_some_and(|number| binary::apply_number(*op, get(*a), number.as_f64(), &mut out)) {
                binary::apply(*op, get(*a), get(*b), out);
            }
        }
        (Step::Select(a, b, c), _) => binary::select(get(*a), get(*b), get(*c), out),
        (Step::Cast(a), _) => out.cast_from(get(*a)),
        (Step::Load(_) | Step::Index { .. }, None) => unreachable!("streams were made for these"),
    }
}
