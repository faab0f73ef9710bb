//! The values of a node.

use crate::Failure;
use crate::node::memory;
use crate::wire::from_inline;
use bytes::Bytes;
use raskal_store::spill::SpillFile;
use raskal_store::{Frames, Value, ValueError};
use raskal_types::TaskId;
use std::collections::HashMap;
use std::sync::Arc;

/// A value in the node's store. Clones share it.
#[derive(Clone)]
pub(crate) enum Stored {
    /// As it was made or received.
    Value(Value),
    /// In one piece, as it travels inside messages.
    Inline(Bytes),
    /// On disk, and its size in memory.
    Spilled(Arc<SpillFile>, u64),
}

impl Stored {
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Stored::Value(value) => value.size_bytes() as u64,
            Stored::Inline(bytes) => bytes.len() as u64,
            Stored::Spilled(_, size_bytes) => *size_bytes,
        }
    }

    /// Whether it is on disk, where it may turn out to be damaged.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self, Stored::Spilled(..))
    }

    pub(crate) fn to_value(&self) -> Result<Value, Failure> {
        match self {
            Stored::Value(value) => Ok(value.clone()),
            Stored::Inline(bytes) => from_inline(bytes),
            Stored::Spilled(file, _) => Ok(Value::from_frames(&memory::read(file)?)?),
        }
    }

    /// As bytes. Reads one that is on disk: not for a thread that serves sockets.
    pub(crate) fn to_frames(&self) -> Result<Frames, ValueError> {
        match self {
            Stored::Value(value) => value.to_frames(),
            Stored::Inline(bytes) => Frames::read_from(bytes).ok_or_else(|| ValueError::Decode {
                what: "value",
                size_bytes: bytes.len(),
                why: "it is cut short".into(),
            }),
            Stored::Spilled(file, size_bytes) => file.read().map_err(|error| ValueError::Decode {
                what: "value on disk",
                size_bytes: *size_bytes as usize,
                why: error.to_string(),
            }),
        }
    }
}

/// The values of a node, and their size.
#[derive(Default)]
pub(crate) struct Store {
    /// With a number that changes whenever another value takes the place.
    values: HashMap<TaskId, (Stored, u64), foldhash::fast::FixedState>,
    bytes: u64,
    spilled_bytes: u64,
    version: u64,
}

impl Store {
    pub(crate) fn insert(&mut self, task: TaskId, value: Stored) {
        self.version += 1;
        self.count(&value, 1);
        if let Some((old, _)) = self.values.insert(task, (value, self.version)) {
            self.count(&old, -1);
        }
    }

    fn count(&mut self, value: &Stored, sign: i64) {
        let total = match value {
            Stored::Spilled(..) => &mut self.spilled_bytes,
            Stored::Value(_) | Stored::Inline(_) => &mut self.bytes,
        };
        *total = total.saturating_add_signed(sign * value.size_bytes() as i64);
    }

    /// Whether a value is here, and in memory.
    pub(crate) fn is_in_memory(&self, task: TaskId) -> bool {
        self.values.get(&task).is_some_and(|(stored, _)| !matches!(stored, Stored::Spilled(..)))
    }

    /// A value in memory that is to be written, and what tells whether it is still the same afterwards.
    pub(crate) fn to_write(&self, task: TaskId) -> Option<(Stored, u64)> {
        self.values.get(&task).filter(|(stored, _)| !matches!(stored, Stored::Spilled(..))).cloned()
    }

    /// A value was written: it leaves memory, unless another has taken its place.
    pub(crate) fn replace(&mut self, task: TaskId, version: u64, file: Arc<SpillFile>) {
        let size_bytes = match self.values.get(&task) {
            Some((stored, own)) if *own == version => stored.size_bytes(),
            _ => return,
        };
        self.insert(task, Stored::Spilled(file, size_bytes));
    }

    pub(crate) fn get(&self, task: TaskId) -> Option<&Stored> {
        self.values.get(&task).map(|(stored, _)| stored)
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        if let Some((old, _)) = self.values.remove(&task) {
            self.count(&old, -1);
        }
    }

    /// Bytes of the values in memory.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that the values on disk would take in memory.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }
}
