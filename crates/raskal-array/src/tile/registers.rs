//! Which registers share memory, so that a long chain of operations still fits the cache.

use super::{Output, Step, TileProgram};
use crate::dtype::Lane;

/// Bytes that all registers of a tile take together: within a first-level cache of 32 KiB, beside the inputs.
const TILE_BYTES: usize = 16 << 10;

/// A slot for each register.
#[derive(Debug)]
pub(super) struct Registers {
    /// The slot of each instruction's value.
    pub(super) slots: Vec<usize>,
    /// The lane of each slot.
    pub(super) lanes: Vec<Lane>,
    /// Elements in a tile.
    pub(super) tile: usize,
}

impl Registers {
    /// Assigns slots; one is used again once its last reader is past. Constants keep theirs: they are filled once.
    pub(super) fn assign(program: &TileProgram) -> Registers {
        let count = program.instructions.len();
        let mut last_use: Vec<usize> = (0..count).collect();
        for (number, instruction) in program.instructions.iter().enumerate() {
            for operand in instruction.step.operands() {
                last_use[operand as usize] = number;
            }
        }
        let (value, place) = match program.output {
            Output::Elements { value, .. } => (value, None),
            Output::Reduce { value, place, .. } => (value, place),
        };
        for register in std::iter::once(value).chain(place) {
            last_use[register as usize] = count;
        }
        let (mut slots, mut lanes, mut free): (Vec<usize>, Vec<Lane>, Vec<usize>) =
            (Vec::new(), Vec::new(), Vec::new());
        for (number, instruction) in program.instructions.iter().enumerate() {
            let constant = matches!(instruction.step, Step::Constant(_));
            let reused = free.iter().position(|&slot| lanes[slot] == instruction.lane).filter(|_| !constant);
            slots.push(match reused {
                Some(position) => free.swap_remove(position),
                None => {
                    lanes.push(instruction.lane);
                    lanes.len() - 1
                }
            });
            let mut ended = instruction.step.operands();
            ended.sort_unstable();
            ended.dedup();
            for operand in ended.into_iter().map(usize::from) {
                let constant = matches!(program.instructions[operand].step, Step::Constant(_));
                if last_use[operand] == number && !constant {
                    free.push(slots[operand]);
                }
            }
        }
        let bytes: usize = lanes.iter().map(|lane| lane.size_bytes()).sum();
        let tile = (TILE_BYTES / bytes.max(1)).clamp(128, 2048) & !31;
        Registers { slots, lanes, tile }
    }
}
