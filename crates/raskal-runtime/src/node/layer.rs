//! The functions that a node was sent, decoded when first needed.

use crate::{Failure, Function, FunctionRegistry};
use bytes::Bytes;
use raskal_graph::layer::coordinates;
use raskal_types::{SlotClass, key};
use std::sync::{Arc, OnceLock};

/// The function of one layer, and what its tasks need to know of the layer.
pub(crate) struct LayerFunction {
    /// The layer's key prefix.
    pub(crate) prefix: String,
    /// The layer's grid.
    pub(crate) shape: Vec<u32>,
    /// Which slots run it.
    pub(crate) class: SlotClass,
    /// Which decoder reads it.
    pub(crate) codec: String,
    /// The function as bytes.
    pub(crate) shared: Bytes,
    decoded: OnceLock<Result<Arc<dyn Function>, Failure>>,
}

impl LayerFunction {
    /// A function that was not decoded yet.
    pub(crate) fn new(
        prefix: String,
        shape: Vec<u32>,
        class: SlotClass,
        codec: String,
        shared: Bytes,
    ) -> LayerFunction {
        LayerFunction { prefix, shape, class, codec, shared, decoded: OnceLock::new() }
    }

    /// The decoded function.
    ///
    /// # Errors
    /// What its decoder says; the same for every task of the layer.
    pub(crate) fn get(&self, registry: &FunctionRegistry) -> Result<Arc<dyn Function>, Failure> {
        if let Some(decoded) = self.decoded.get() {
            return decoded.clone();
        }
        // Not `get_or_init`: a decoder may call Python, which may switch threads, and the other must not wait for this
        // one while it holds the GIL. Decoding twice does no harm.
        let decoded = registry.decode(&self.codec, &self.shared);
        let _ = self.decoded.set(decoded.clone());
        decoded
    }

    /// The key of one of its tasks.
    pub(crate) fn key(&self, index: u32) -> String {
        key::format(&self.prefix, &coordinates(&self.shape, index))
    }
}
