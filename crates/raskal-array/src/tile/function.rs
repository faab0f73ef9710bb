//! A tile program as the function of a layer.

use super::registers::Registers;
use super::{Output, TileProgram, run};
use crate::chunks::bounds;
use bytes::Bytes;
use raskal_graph::layer::coordinates;
use raskal_runtime::{Call, EncodedFunction, Failure, Function};
use raskal_store::{Block, Value};
use std::sync::Arc;

/// The codec of fused kernels.
pub const CODEC: &str = "array.tiles";

/// Runs a [`TileProgram`] on the blocks of each task.
pub struct TileFunction {
    program: TileProgram,
    registers: Registers,
    bounds: Vec<Vec<usize>>,
    grid: Vec<u32>,
}

impl TileFunction {
    /// The function of a program.
    pub fn new(program: TileProgram) -> TileFunction {
        let registers = Registers::assign(&program);
        let bounds = program.chunks.iter().map(|axis| bounds(axis)).collect();
        let grid = program.chunks.iter().map(|axis| axis.len() as u32).collect();
        TileFunction { program, registers, bounds, grid }
    }

    /// The program.
    pub fn program(&self) -> &TileProgram {
        &self.program
    }

    /// Runs the program for the block at `coordinates`.
    ///
    /// # Errors
    /// If a block is not of the shape that the expression announced.
    pub fn run_block(&self, coordinates: &[u32], inputs: &[Block]) -> Result<Block, Failure> {
        run::run(&self.program, &self.registers, &self.bounds, coordinates, inputs)
    }

    /// Reads what [`Function::encode`] wrote, and checks that every number in it is in range.
    ///
    /// # Errors
    /// If the bytes are not a sound program.
    pub fn decode(bytes: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        let program: TileProgram = bitcode::decode(bytes)
            .map_err(|error| Failure::internal(format!("a fused kernel of {} bytes: {error}", bytes.len())))?;
        let registers = program.instructions.len();
        let sound = program.instructions.iter().enumerate().all(|(number, instruction)| {
            instruction.step.operands().iter().all(|&operand| usize::from(operand) < number)
        });
        let value = match program.output {
            Output::Elements { value, .. } | Output::Reduce { value, .. } => usize::from(value),
        };
        if !sound || value >= registers {
            return Err(Failure::internal("a fused kernel names registers that it does not write"));
        }
        Ok(Arc::new(TileFunction::new(program)))
    }
}

impl Function for TileFunction {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let inputs: Vec<Block> = call.inputs.iter().map(Value::as_block).collect::<Result<_, _>>()?;
        if inputs.len() != self.program.inputs.len() {
            return Err(Failure::internal(format!(
                "a fused kernel of {} inputs got {}",
                self.program.inputs.len(),
                inputs.len()
            )));
        }
        // The layer's grid may lack the axes that were reduced to one block; the number of the task is the same.
        self.run_block(&coordinates(&self.grid, call.index), &inputs).map(Value::from)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: CODEC, shared: bitcode::encode(&self.program).into(), tasks: None })
    }

    fn describe(&self) -> String {
        format!("native {}", self.program)
    }
}
