//! The program of a fused kernel, as the planner writes it and as it travels to workers.

use crate::dtype::Lane;
use crate::ops::{Binary, Unary};
use crate::reduce::Reduction;
use crate::scalar::Scalar;
use bitcode::{Decode, Encode};

/// A typed program over the elements of an output block (or of the block that is reduced).
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct TileProgram {
    /// Block lengths along each axis of the space that the program walks.
    pub chunks: Vec<Vec<usize>>,
    /// How each input block is read.
    pub inputs: Vec<InputView>,
    /// The instructions; each writes a register of its own, numbered by its position.
    pub instructions: Vec<Instruction>,
    /// What becomes of the last values.
    pub output: Output,
}

/// How an input block is read: one entry per axis of the block.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct InputView {
    /// One entry per axis of the block.
    pub axes: Vec<InputAxis>,
}

/// Where an axis of an input block is read.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum InputAxis {
    /// Element `offset + step * i` for element `i` along the walked block's axis.
    Along {
        /// Axis of the walked space.
        axis: u32,
        /// The offset for each block along that axis; empty if every block is read whole.
        offsets: Vec<usize>,
        /// Distance between elements.
        step: i64,
    },
    /// Always this element.
    At(usize),
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Instruction {
    /// What it does.
    pub step: Step,
    /// The type of what it writes.
    pub lane: Lane,
}

/// What an instruction does; numbers name registers.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Step {
    /// Reads an input, converted to the instruction's lane.
    Load(u16),
    /// The same number everywhere.
    Constant(Scalar),
    /// `start + step * i` for the global coordinate `i` along an axis.
    Index {
        /// Axis of the walked space.
        axis: u32,
        /// Value at the origin.
        start: i64,
        /// Difference between neighbours.
        step: i64,
    },
    /// An operation on one register.
    Unary(Unary, u16),
    /// An operation on two registers.
    Binary(Binary, u16, u16),
    /// The second where the first is true, the third elsewhere.
    Select(u16, u16, u16),
    /// Converted to the instruction's lane.
    Cast(u16),
}

impl Step {
    /// The registers that the instruction reads.
    pub fn operands(&self) -> Vec<u16> {
        match *self {
            Step::Load(_) | Step::Constant(_) | Step::Index { .. } => vec![],
            Step::Unary(_, a) | Step::Cast(a) => vec![a],
            Step::Binary(_, a, b) => vec![a, b],
            Step::Select(a, b, c) => vec![a, b, c],
        }
    }
}

/// What becomes of the values.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Output {
    /// They are the output block.
    Elements {
        /// The register.
        value: u16,
        /// NumPy's name of the output's element type.
        dtype: String,
    },
    /// They are reduced.
    Reduce {
        /// How.
        kind: Reduction,
        /// The register.
        value: u16,
        /// The register of places, if the reduction looks for places.
        place: Option<u16>,
        /// Axes of the walked space.
        axes: Vec<u32>,
        /// How the result is finished, if one block is all there is to reduce; otherwise the output is partial.
        finish: Option<Finish>,
    },
}

/// How a reduction's result is finished.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Finish {
    /// NumPy's name of the result's element type.
    pub dtype: String,
    /// How many elements each result stands for.
    pub count: f64,
    /// Whether the reduced axes stay, with length 1.
    pub keepdims: bool,
}

impl std::fmt::Display for TileProgram {
    /// The program as one nested expression, inputs as `a`, `b`...
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.output {
            Output::Elements { value, .. } => f.write_str(&self.text(*value, 0)),
            Output::Reduce { kind, value, axes, .. } => {
                write!(f, "{}({}, axis={axes:?})", kind.name(), self.text(*value, 0))
            }
        }
    }
}

impl TileProgram {
    fn text(&self, register: u16, depth: usize) -> String {
        if depth > 12 {
            return "...".into();
        }
        let text = |register: u16| self.text(register, depth + 1);
        let instruction = &self.instructions[register as usize];
        match &instruction.step {
            Step::Load(input) => match char::from_u32(u32::from(b'a') + u32::from(*input)) {
                Some(letter) if *input < 26 => letter.to_string(),
                _ => format!("in{input}"),
            },
            Step::Constant(value) => value.to_string(),
            Step::Index { axis, start: 0, step: 1 } => format!("index{axis}"),
            Step::Index { axis, start, step } => format!("({start} + {step}*index{axis})"),
            Step::Unary(op, a) => format!("{}({})", op.name(), text(*a)),
            Step::Binary(op, a, b) => format!("{}({}, {})", op.name(), text(*a), text(*b)),
            Step::Select(a, b, c) => format!("where({}, {}, {})", text(*a), text(*b), text(*c)),
            Step::Cast(a) => format!("{}({})", instruction.lane.dtype().name(), text(*a)),
        }
    }
}
