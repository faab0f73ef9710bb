//! Blocks put together from parts of other blocks: rechunking, chosen elements, slices and transpositions.
//!
//! Start at [`Assemble`]: per axis, which source blocks each result block reads and where each part goes. A task's parts
//! are the product over the axes. The host language can run the same plan on blocks that native copies do not know.

use crate::chunks::{Chunks, bounds, locate};
use crate::copy::{CopyAxis, Output};
use crate::error::tuple;
use crate::expr::ViewAxis;
use crate::runs::Run;
use bitcode::{Decode, Encode};
use bytes::Bytes;
use raskal_graph::layer::{coordinates, index};
use raskal_graph::{Axis, Csr, EdgeMap, Stretch};
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Block, DType, Value};
use raskal_types::ErrorKind;
use std::sync::Arc;

/// The codec of [`Assemble`].
pub const CODEC: &str = "array.assemble";

/// Where the blocks of a result come from.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Assemble {
    /// Block lengths of the result.
    pub chunks: Vec<Vec<usize>>,
    /// NumPy's name of the element type.
    pub dtype: String,
    /// One entry per axis of the source.
    pub axes: Vec<SourceAxis>,
}

/// Where the parts along an axis of the source go.
#[derive(Clone, Debug, Encode, Decode)]
pub enum SourceAxis {
    /// Along an axis of the result; one entry per block of the result along it.
    Along(u32, Vec<AxisParts>),
    /// Always element `.1` of block `.0`.
    At(u32, usize),
}

/// What one result block reads along one axis.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct AxisParts {
    /// The source blocks, each once.
    pub blocks: Vec<u32>,
    /// The parts, in the order of the result.
    pub parts: Vec<Part>,
}

/// Neighbouring elements of one source block that are neighbours in the result.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Part {
    /// Position in [`AxisParts::blocks`].
    pub block: u32,
    /// First element.
    pub start: usize,
    /// Distance between elements.
    pub step: i64,
    /// Number of elements.
    pub count: usize,
}

/// One copy of a task.
pub struct Piece {
    /// Which input.
    pub input: usize,
    /// How each axis of the input is read.
    pub axes: Vec<CopyAxis>,
    /// Where it goes in the result.
    pub at: Vec<usize>,
    /// Its extent.
    pub shape: Vec<usize>,
}

impl AxisParts {
    fn push(&mut self, block: u32, start: usize, step: i64, count: usize) {
        let block = match self.blocks.iter().rposition(|&known| known == block) {
            Some(position) => position as u32,
            None => {
                self.blocks.push(block);
                self.blocks.len() as u32 - 1
            }
        };
        self.parts.push(Part { block, start, step, count });
    }

    /// The parts that result blocks of `lengths` read when element `i` of the result is element `start + step * i` of an
    /// axis cut by `source`.
    pub fn affine(source: &[usize], lengths: &[usize], start: usize, step: i64) -> Vec<AxisParts> {
        AxisParts::chosen(source, lengths, &[Run { start, step, count: lengths.iter().sum() }])
    }

    /// The parts that result blocks of `lengths` read when the result is the elements of `runs` of an axis cut by `source`.
    pub fn chosen(source: &[usize], lengths: &[usize], runs: &[Run]) -> Vec<AxisParts> {
        let limits = bounds(source);
        let mut rest = runs.iter().copied();
        let mut open: Option<Run> = None;
        lengths
            .iter()
            .map(|&length| {
                let (mut own, mut left) = (AxisParts::default(), length);
                while left > 0 {
                    let Some(run) = open.take().or_else(|| rest.next()) else { break };
                    if run.count == 0 {
                        continue;
                    }
                    let block = locate(&limits, run.start);
                    let at = run.start as i64;
                    let room = if run.step > 0 {
                        (limits[block + 1] as i64 - at + run.step - 1) / run.step
                    } else {
                        (at - limits[block] as i64) / -run.step + 1
                    };
                    let count = (room as usize).min(left).min(run.count);
                    own.push(block as u32, run.start - limits[block], run.step, count);
                    open = run.after(count);
                    left -= count;
                }
                if own.blocks.is_empty() {
                    // An empty block still reads one, so that the task knows what kind of array it makes.
                    own.blocks.push(0);
                }
                own
            })
            .collect()
    }
}

impl SourceAxis {
    /// The source blocks as a stretch for each block of the result; none if some are not neighbours in order.
    fn stretch(&self) -> Option<Stretch> {
        match self {
            SourceAxis::At(block, _) => Some(Stretch { along: None, ranges: vec![(*block, block + 1)] }),
            SourceAxis::Along(along, parts) => {
                let range = |parts: &AxisParts| {
                    let (first, last) = (*parts.blocks.first()?, *parts.blocks.last()?);
                    parts.blocks.iter().copied().eq(first..=last).then_some((first, last + 1))
                };
                let ranges = parts.iter().map(range).collect::<Option<Vec<_>>>()?;
                let ordered = ranges.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
                ordered.then(|| Stretch::along(*along, ranges))
            }
        }
    }
}

impl Assemble {
    /// The plan of a view of an array cut by `source`.
    pub fn view(source: &Chunks, chunks: &Chunks, dtype: &str, axes: &[ViewAxis]) -> Assemble {
        let axes = axes
            .iter()
            .enumerate()
            .map(|(own, view)| match *view {
                ViewAxis::At(element) => {
                    let limits = bounds(source.axis(own));
                    let block = locate(&limits, element);
                    SourceAxis::At(block as u32, element - limits[block])
                }
                ViewAxis::Along { axis, start, step } => {
                    SourceAxis::Along(axis as u32, AxisParts::affine(source.axis(own), chunks.axis(axis), start, step))
                }
            })
            .collect();
        Assemble { chunks: chunks.to_vec(), dtype: dtype.to_owned(), axes }
    }

    /// The plan of the same elements in other blocks.
    pub fn rechunk(source: &Chunks, chunks: &Chunks, dtype: &str) -> Assemble {
        let same: Vec<ViewAxis> = (0..chunks.ndim()).map(|axis| ViewAxis::Along { axis, start: 0, step: 1 }).collect();
        Assemble::view(source, chunks, dtype, &same)
    }

    /// The plan of the elements of `runs` along each axis that has some.
    pub fn take(source: &Chunks, chunks: &Chunks, dtype: &str, runs: &[Option<Arc<[Run]>>]) -> Assemble {
        let axes = runs
            .iter()
            .enumerate()
            .map(|(axis, runs)| {
                let (own, result) = (source.axis(axis), chunks.axis(axis));
                let parts = match runs {
                    Some(runs) => AxisParts::chosen(own, result, runs),
                    None => AxisParts::affine(own, result, 0, 1),
                };
                SourceAxis::Along(axis as u32, parts)
            })
            .collect();
        Assemble { chunks: chunks.to_vec(), dtype: dtype.to_owned(), axes }
    }

    /// Number of blocks of the result along each axis.
    pub fn grid(&self) -> Vec<u32> {
        self.chunks.iter().map(|axis| axis.len() as u32).collect()
    }

    /// The dependency of the result's tasks on a source of `grid` blocks: a formula where there is one.
    pub fn edge(&self, grid: &[u32]) -> EdgeMap {
        let own = self.grid();
        let formula: Option<Vec<Axis>> = self
            .axes
            .iter()
            .zip(grid)
            .map(|(axis, &extent)| match axis {
                SourceAxis::At(block, _) => Some(Axis::Fixed(*block)),
                SourceAxis::Along(along, parts) => {
                    let first = i64::from(*parts.first()?.blocks.first()?);
                    let straight = parts.iter().enumerate().all(
                        |(at, parts)| matches!(parts.blocks[..], [block] if i64::from(block) == first + at as i64),
                    );
                    match (straight, first) {
                        (false, _) => None,
                        (true, 0) if extent == own[*along as usize] => Some(Axis::Same(*along)),
                        (true, first) => Some(Axis::Moved(*along, first as i32)),
                    }
                }
            })
            .collect();
        if let Some(axes) = formula {
            return EdgeMap::BlockMap { axes };
        }
        if let Some(axes) = self.axes.iter().map(SourceAxis::stretch).collect() {
            return EdgeMap::Stretches { axes };
        }
        let mut rows = Csr::default();
        let mut row = Vec::new();
        for task in 0..own.iter().product::<u32>() {
            row.clear();
            let at = coordinates(&own, task);
            let lists: Vec<&[u32]> = self.axes.iter().map(|axis| self.blocks(axis, &at)).collect();
            product(&lists, &mut |point| row.push(index(grid, point)));
            rows.push(&row);
        }
        EdgeMap::Explicit(rows)
    }

    fn blocks<'a>(&self, axis: &'a SourceAxis, at: &[u32]) -> &'a [u32] {
        match axis {
            SourceAxis::At(block, _) => std::slice::from_ref(block),
            SourceAxis::Along(along, parts) => &parts[at[*along as usize] as usize].blocks,
        }
    }

    /// Shape of the block at `index`, and the copies that fill it.
    pub fn task(&self, index: u32) -> (Vec<usize>, Vec<Piece>) {
        let at = coordinates(&self.grid(), index);
        let shape: Vec<usize> = self.chunks.iter().zip(&at).map(|(axis, &block)| axis[block as usize]).collect();
        let counts: Vec<usize> = self.axes.iter().map(|axis| self.blocks(axis, &at).len()).collect();
        let parts: Vec<Vec<u32>> = self
            .axes
            .iter()
            .map(|axis| match axis {
                SourceAxis::At(..) => vec![0],
                SourceAxis::Along(along, parts) => {
                    (0..parts[at[*along as usize] as usize].parts.len() as u32).collect()
                }
            })
            .collect();
        let lists: Vec<&[u32]> = parts.iter().map(Vec::as_slice).collect();
        let mut pieces = Vec::new();
        product(&lists, &mut |point| pieces.push(self.piece(point, &at, &shape, &counts)));
        (shape, pieces)
    }

    fn piece(&self, point: &[u32], at: &[u32], shape: &[usize], counts: &[usize]) -> Piece {
        let mut piece = Piece { input: 0, axes: Vec::new(), at: vec![0; shape.len()], shape: shape.to_vec() };
        for ((axis, &number), &count) in self.axes.iter().zip(point).zip(counts) {
            let block = match axis {
                SourceAxis::At(_, offset) => {
                    piece.axes.push(CopyAxis { axis: None, start: *offset, step: 1 });
                    0
                }
                SourceAxis::Along(along, parts) => {
                    let along = *along as usize;
                    let own = &parts[at[along] as usize].parts;
                    let part = &own[number as usize];
                    piece.axes.push(CopyAxis::along(along, part.start, part.step));
                    piece.at[along] = own[..number as usize].iter().map(|part| part.count).sum();
                    piece.shape[along] = part.count;
                    part.block as usize
                }
            };
            piece.input = piece.input * count + block;
        }
        piece
    }

    /// Puts a block together.
    ///
    /// # Errors
    /// If an input is not of the announced type, or too small.
    pub fn assemble(&self, index: u32, inputs: &[Block]) -> Result<Block, Failure> {
        let (shape, pieces) = self.task(index);
        let dtype = DType::from_name(&self.dtype)
            .ok_or_else(|| Failure::internal(format!("native copies do not know the type '{}'", self.dtype)))?;
        let mut out = Output::new(dtype, &shape);
        for piece in pieces {
            let input = &inputs[piece.input];
            let reach = |axis: &CopyAxis| match axis.axis {
                None => axis.start as i64,
                Some(along) => (axis.start as i64).max(axis.start as i64 + axis.step * (piece.shape[along] as i64 - 1)),
            };
            let fits = input.shape().len() == piece.axes.len()
                && piece.axes.iter().zip(input.shape()).all(|(axis, &extent)| reach(axis) < extent as i64);
            if !out.takes(input.dtype()) || !fits {
                return Err(Failure::new(
                    ErrorKind::Value,
                    format!(
                        "a block of shape {} and type {} arrived where the expression announced {} in other chunks\n\
                         hint: pass dtype= and chunks= to map_blocks if the function changes them",
                        tuple(input.shape()),
                        input.dtype().name(),
                        self.dtype
                    ),
                ));
            }
            out.write(input, &piece.axes, &piece.at, &piece.shape);
        }
        Ok(out.into_block())
    }

    /// Reads what [`Function::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        let plan: Assemble = bitcode::decode(bytes)
            .map_err(|error| Failure::internal(format!("a plan of copies of {} bytes: {error}", bytes.len())))?;
        Ok(Arc::new(plan))
    }
}

/// Calls `visit` with each choice of one entry per list, the last list varying fastest.
fn product(lists: &[&[u32]], visit: &mut dyn FnMut(&[u32])) {
    let mut point = Vec::with_capacity(lists.len());
    descend(lists, &mut point, visit);
}

fn descend(lists: &[&[u32]], point: &mut Vec<u32>, visit: &mut dyn FnMut(&[u32])) {
    let Some(list) = lists.get(point.len()) else { return visit(point) };
    for &entry in *list {
        point.push(entry);
        descend(lists, point, visit);
        point.pop();
    }
}

impl Function for Assemble {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let inputs: Vec<Block> = call.inputs.iter().map(Value::as_block).collect::<Result<_, _>>()?;
        self.assemble(call.index, &inputs).map(Value::from)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: CODEC, shared: bitcode::encode(self).into(), tasks: None })
    }

    fn describe(&self) -> String {
        "native copies".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::cut;
    use proptest::prelude::*;

    /// Runs a plan over `values` cut by `source`, and joins the result's blocks of one axis.
    fn run(plan: &Assemble, values: &[i64], source: &[usize]) -> Vec<i64> {
        let limits = bounds(source);
        let blocks: Vec<Block> = limits
            .windows(2)
            .map(|pair| Block::from_vec(values[pair[0]..pair[1]].to_vec(), &[pair[1] - pair[0]]))
            .collect();
        let grid = [source.len() as u32];
        let edge = plan.edge(&grid);
        (0..plan.grid()[0])
            .flat_map(|task| {
                let mut inputs = Vec::new();
                edge.predecessors(&plan.grid(), task, &grid, |block| inputs.push(blocks[block as usize].clone()));
                plan.assemble(task, &inputs).unwrap().as_slice::<i64>().unwrap().to_vec()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn rechunking_keeps_every_element(source in prop::collection::vec(0usize..5, 1..6), block in 1usize..7) {
            let values: Vec<i64> = (0..source.iter().sum::<usize>() as i64).collect();
            let chunks = Chunks::new(vec![cut(values.len(), block)]);
            let plan = Assemble::rechunk(&Chunks::new(vec![source.clone()]), &chunks, "int64");
            prop_assert_eq!(run(&plan, &values, &source), values);
        }

        #[test]
        fn chosen_elements_arrive_in_their_order(
            source in prop::collection::vec(1usize..5, 1..6),
            wanted in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            block in 1usize..7,
        ) {
            let values: Vec<i64> = (0..source.iter().sum::<usize>() as i64).map(|value| value * 10).collect();
            let indices: Vec<usize> = wanted.iter().map(|index| index.index(values.len())).collect();
            let chunks = Chunks::new(vec![cut(indices.len(), block)]);
            let runs = [Some(Run::compress(indices.clone()).into())];
            let plan = Assemble::take(&Chunks::new(vec![source.clone()]), &chunks, "int64", &runs);
            let expected: Vec<i64> = indices.iter().map(|&index| values[index]).collect();
            prop_assert_eq!(run(&plan, &values, &source), expected);
        }
    }

    #[test]
    fn a_plan_of_copies_survives_the_wire() {
        let plan = Assemble::rechunk(&Chunks::new(vec![vec![2, 2]]), &Chunks::new(vec![vec![3, 1]]), "int64");
        let encoded = plan.encode().unwrap();
        assert_eq!(encoded.codec, CODEC);
        let decoded = Assemble::decode(&encoded.shared).unwrap();
        let block = |from: i64| Value::from(Block::from_vec(vec![from, from + 1], &[2]));
        let call = Call { index: 0, shape: &[2], inputs: vec![block(0), block(2)], payload: &[] };
        assert_eq!(decoded.run(call).unwrap().as_block().unwrap().as_slice::<i64>().unwrap(), [0, 1, 2]);
    }
}
