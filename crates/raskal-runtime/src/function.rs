//! What a layer's tasks do, and how that travels to a worker.
//!
//! A layer has one [`Function`]; a task is the function and an index. Locally the function is called as it is. For a
//! cluster it is encoded once per layer; the worker finds the decoder by the codec's name in its [`FunctionRegistry`].

use crate::Failure;
use crate::graft::{AFTER_CODEC, After, within};
use bytes::Bytes;
use raskal_graph::layer::coordinates;
use raskal_store::Value;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// One call of a layer's function for one task.
pub struct Call<'a> {
    /// The task's index in its layer.
    pub index: u32,
    /// The layer's grid.
    pub shape: &'a [u32],
    /// The values of the task's inputs, in the order of the layer's edges.
    pub inputs: Vec<Value>,
    /// This task's own part of an encoded function ([`TaskPayloads`]); empty when the function was not encoded.
    pub payload: &'a [u8],
}

impl Call<'_> {
    /// The task's coordinates in the layer's grid.
    pub fn coordinates(&self) -> Vec<u32> {
        coordinates(self.shape, self.index)
    }
}

/// What the tasks of one layer do.
///
/// Functions of [`raskal_types::SlotClass::Python`] layers are called on a thread that holds a Python thread state;
/// those of native layers never touch Python.
pub trait Function: Send + Sync + 'static {
    /// Runs one task.
    ///
    /// # Errors
    /// Whatever the task fails with; it fails the tasks that need it, and nothing else.
    fn run(&self, call: Call<'_>) -> Result<Value, Failure>;

    /// The function as bytes for a worker.
    ///
    /// # Errors
    /// If it can't be serialised; the message names the function.
    fn encode(&self) -> Result<EncodedFunction, Failure>;

    /// Nobody waits any more for the tasks of it that run. A function that takes long and can stop early does so; its
    /// tasks then fail, and nobody hears of it.
    fn interrupt(&self) {}

    /// One line about the function for `explain()` and the dashboard.
    fn describe(&self) -> String;

    /// What one task does, where a layer's tasks differ (graphs drawn by hand).
    fn describe_task(&self, _index: u32) -> String {
        self.describe()
    }

    /// The key of a task that users named themselves; without it the key is made from the layer's prefix.
    fn key(&self, _index: u32) -> Option<String> {
        None
    }

    /// Whether its tasks only stand for values that are there already.
    fn is_value(&self) -> bool {
        false
    }

    /// Itself, if [`Function::absorb`] of functions of its kind can take it.
    fn joinable(&self) -> Option<&dyn Any> {
        None
    }

    /// One function that calls `source` and then this one, with the source's result in the place of the inputs of the
    /// edge `edge`. The source's own inputs come before the others. `None` if the two don't join.
    fn absorb(&self, _edge: usize, _source: &dyn Function) -> Option<Arc<dyn Function>> {
        None
    }

    /// The user's line of code that made the task, `file:line`, if known.
    fn origin(&self, _index: u32) -> Option<String> {
        None
    }
}

/// A function as bytes.
#[derive(Clone, Debug)]
pub struct EncodedFunction {
    /// Which decoder reads it: `python`, `array.tiles`, `frame.stage`...
    pub codec: &'static str,
    /// What all tasks of the layer share; sent once to each worker that runs one of them.
    pub shared: Bytes,
    /// What single tasks need beside it; sent with each task.
    pub tasks: Option<TaskPayloads>,
}

/// Bytes for each task of a layer, one after the other.
#[derive(Clone, Debug, Default)]
pub struct TaskPayloads {
    /// Where each task's bytes start in `bytes`; one entry more than there are tasks.
    pub offsets: Vec<u64>,
    /// All tasks' bytes.
    pub bytes: Bytes,
    /// What people call the tasks, where that differs from the layer's name: the names that occur.
    pub names: Vec<String>,
    /// Which of the names each task has; empty if all have the first.
    pub name_of: Vec<u32>,
    /// The keys that users gave the tasks, an empty one where they gave none; empty if they gave none at all.
    pub keys: Vec<String>,
}

impl TaskPayloads {
    /// The bytes of one task.
    pub fn get(&self, index: u32) -> Bytes {
        self.bytes.slice(self.offsets[index as usize] as usize..self.offsets[index as usize + 1] as usize)
    }
}

/// Reads a function's shared bytes.
pub type Decoder = dyn Fn(&Bytes) -> Result<Arc<dyn Function>, Failure> + Send + Sync;

/// The decoders that a worker knows, by codec name.
#[derive(Default, Clone)]
pub struct FunctionRegistry {
    decoders: HashMap<&'static str, Arc<Decoder>>,
}

impl FunctionRegistry {
    /// A registry that knows no codec.
    pub fn new() -> FunctionRegistry {
        FunctionRegistry::default()
    }

    /// Adds the decoder of one codec.
    pub fn register(
        &mut self,
        codec: &'static str,
        decoder: impl Fn(&Bytes) -> Result<Arc<dyn Function>, Failure> + Send + Sync + 'static,
    ) {
        self.decoders.insert(codec, Arc::new(decoder));
    }

    /// Decodes a function.
    ///
    /// # Errors
    /// If the codec is not registered or its decoder refuses the bytes.
    pub fn decode(&self, codec: &str, shared: &Bytes) -> Result<Arc<dyn Function>, Failure> {
        if codec == AFTER_CODEC {
            let (codec, shared) =
                within(shared).ok_or_else(|| Failure::internal("an encoded function is cut short"))?;
            return Ok(Arc::new(After(self.decode(&codec, &shared)?)));
        }
        let decoder = self
            .decoders
            .get(codec)
            .ok_or_else(|| Failure::internal(format!("no decoder for functions of codec '{codec}' on this worker")))?;
        decoder(shared)
    }
}

/// The codec of layers whose values travel with the tasks.
pub const VALUES_CODEC: &str = "values";

/// Encodes values as task payloads of the codec [`VALUES_CODEC`].
pub(crate) fn encode_values(values: &[Value]) -> Result<EncodedFunction, Failure> {
    let mut payloads = TaskPayloads { offsets: vec![0], ..TaskPayloads::default() };
    let mut bytes = Vec::new();
    for value in values {
        let frames = value.to_frames()?;
        frames.write_to(&mut bytes);
        payloads.offsets.push(bytes.len() as u64);
    }
    payloads.bytes = bytes.into();
    Ok(EncodedFunction { codec: VALUES_CODEC, shared: Bytes::new(), tasks: Some(payloads) })
}
