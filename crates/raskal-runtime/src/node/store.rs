//! The values of a node.

use crate::Failure;
use crate::wire::from_inline;
use bytes::Bytes;
use raskal_store::{Frames, Value, ValueError};
use raskal_types::TaskId;
use std::collections::HashMap;

/// A value in the node's store. Clones share it.
#[derive(Clone)]
pub(crate) enum Stored {
    /// As it was made or received.
    Value(Value),
    /// In one piece, as it travels inside messages.
    Inline(Bytes),
}

impl Stored {
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Stored::Value(value) => value.size_bytes() as u64,
            Stored::Inline(bytes) => bytes.len() as u64,
        }
    }

    pub(crate) fn to_value(&self) -> Result<Value, Failure> {
        match self {
            Stored::Value(value) => Ok(value.clone()),
            Stored::Inline(bytes) => from_inline(bytes),
        }
    }

    pub(crate) fn to_frames(&self) -> Result<Frames, ValueError> {
        match self {
            Stored::Value(value) => value.to_frames(),
            Stored::Inline(bytes) => Frames::read_from(bytes).ok_or_else(|| ValueError::Decode {
                what: "value",
                size_bytes: bytes.len(),
                why: "it is cut short".into(),
            }),
        }
    }
}

/// The values of a node, and their size.
#[derive(Default)]
pub(crate) struct Store {
    values: HashMap<TaskId, Stored, foldhash::fast::FixedState>,
    bytes: u64,
}

impl Store {
    pub(crate) fn insert(&mut self, task: TaskId, value: Stored) {
        self.bytes += value.size_bytes();
        if let Some(old) = self.values.insert(task, value) {
            self.bytes -= old.size_bytes();
        }
    }

    pub(crate) fn get(&self, task: TaskId) -> Option<&Stored> {
        self.values.get(&task)
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        if let Some(old) = self.values.remove(&task) {
            self.bytes -= old.size_bytes();
        }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes
    }
}
