//! The values that tasks take and give.
//!
//! Start at [`Value`]. Cloning a value shares it; nothing here copies large data but [`Value::from_frames`] where
//! alignment forces it.

use crate::block::{Block, DType};
use crate::frames::{Codec, Frames};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use std::any::Any;
use std::sync::Arc;

/// What can go wrong with a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ValueError {
    /// A kernel needs another kind of value.
    #[error("expected {expected}, got {got}")]
    Kind {
        /// What was needed.
        expected: &'static str,
        /// What was there.
        got: String,
    },
    /// A value can't be turned into bytes.
    #[error("cannot serialise {what}: {why}")]
    Encode {
        /// The value.
        what: String,
        /// The reason.
        why: String,
    },
    /// Bytes are not the value they claim to be.
    #[error("cannot read a {what} from {size_bytes} bytes: {why}")]
    Decode {
        /// The kind of value.
        what: &'static str,
        /// How many bytes there were.
        size_bytes: usize,
        /// The reason.
        why: String,
    },
}

/// Record batches of one schema: one partition of a dataframe.
#[derive(Clone, Debug)]
pub struct Batches {
    /// Columns, with metadata.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

/// An object of a host language. `raskal-py` implements it for Python objects.
pub trait Opaque: Send + Sync + 'static {
    /// Estimated memory, in bytes.
    fn size_bytes(&self) -> usize;
    /// Name of the object's type, for messages.
    fn type_name(&self) -> String;
    /// The object as bytes.
    ///
    /// # Errors
    /// If the object can't be serialised; the message names it.
    fn to_frames(&self) -> Result<Frames, ValueError>;
    /// The object as a native block, if it is a plain array (shares the memory).
    fn to_block(&self) -> Option<Block>;
    /// The object as record batches, if it is a table.
    fn to_batches(&self) -> Option<Batches>;
    /// For downcasting by the crate that made it.
    fn as_any(&self) -> &dyn Any;
}

/// What a task takes and gives.
#[derive(Clone)]
pub enum Value {
    /// An n-dimensional array of plain numbers.
    Block(Block),
    /// One partition of a dataframe.
    Batches(Arc<Batches>),
    /// An object of a host language.
    Opaque(Arc<dyn Opaque>),
    /// A value as bytes that nobody here needed to read: it only passes through.
    Frames(Arc<Frames>),
}

impl From<Block> for Value {
    fn from(block: Block) -> Value {
        Value::Block(block)
    }
}

impl From<Batches> for Value {
    fn from(batches: Batches) -> Value {
        Value::Batches(Arc::new(batches))
    }
}

impl Value {
    /// Estimated memory, in bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            Value::Block(block) => block.as_bytes().len(),
            Value::Batches(batches) => batches.batches.iter().map(RecordBatch::get_array_memory_size).sum(),
            Value::Opaque(object) => object.size_bytes(),
            Value::Frames(frames) => frames.size_bytes(),
        }
    }

    /// Name of the value's type, for messages.
    pub fn type_name(&self) -> String {
        match self {
            Value::Block(block) => format!("{block:?}"),
            Value::Batches(_) => "record batches".into(),
            Value::Opaque(object) => object.type_name(),
            Value::Frames(frames) => format!("{} serialised bytes ({:?})", frames.size_bytes(), frames.codec),
        }
    }

    /// The value as a native block; arrays of a host language are shared, not copied.
    ///
    /// # Errors
    /// [`ValueError::Kind`] if it is not an array of plain numbers.
    pub fn as_block(&self) -> Result<Block, ValueError> {
        let block = match self {
            Value::Block(block) => Some(block.clone()),
            Value::Opaque(object) => object.to_block(),
            Value::Frames(frames) if frames.codec == Codec::Block => return Value::from_frames(frames)?.as_block(),
            _ => None,
        };
        block.ok_or_else(|| ValueError::Kind { expected: "an array of plain numbers", got: self.type_name() })
    }

    /// The value as record batches; tables of a host language are shared where their layout allows.
    ///
    /// # Errors
    /// [`ValueError::Kind`] if it is not a table.
    pub fn as_batches(&self) -> Result<Arc<Batches>, ValueError> {
        let batches = match self {
            Value::Batches(batches) => Some(batches.clone()),
            Value::Opaque(object) => object.to_batches().map(Arc::new),
            Value::Frames(frames) if frames.codec == Codec::Arrow => return Value::from_frames(frames)?.as_batches(),
            _ => None,
        };
        batches.ok_or_else(|| ValueError::Kind { expected: "record batches", got: self.type_name() })
    }

    /// The value as bytes.
    ///
    /// # Errors
    /// [`ValueError::Encode`] if it can't be serialised.
    pub fn to_frames(&self) -> Result<Frames, ValueError> {
        match self {
            Value::Block(block) => {
                let mut head = block.dtype().name().to_owned();
                for extent in block.shape() {
                    head.push_str(&format!(" {extent}"));
                }
                let buffer = Bytes::from_owner(BlockBytes(block.clone()));
                Ok(Frames { codec: Codec::Block, head: head.into(), buffers: vec![buffer] })
            }
            Value::Batches(batches) => encode_batches(batches),
            Value::Opaque(object) => object.to_frames(),
            Value::Frames(frames) => Ok((**frames).clone()),
        }
    }

    /// Reads a value from bytes. A pickle stays [`Value::Frames`]: only its host language can read it.
    ///
    /// # Errors
    /// [`ValueError::Decode`] if the bytes are not what their codec says.
    pub fn from_frames(frames: &Frames) -> Result<Value, ValueError> {
        let error = |what, why: String| ValueError::Decode { what, size_bytes: frames.size_bytes(), why };
        match (frames.codec, frames.buffers.as_slice()) {
            (Codec::Block, [buffer]) => {
                let head = std::str::from_utf8(&frames.head).map_err(|why| error("block", why.to_string()))?;
                let mut words = head.split(' ');
                let dtype = words
                    .next()
                    .and_then(DType::from_name)
                    .ok_or_else(|| error("block", format!("bad head '{head}'")))?;
                let shape: Vec<usize> = words
                    .map(str::parse)
                    .collect::<Result<_, _>>()
                    .map_err(|_| error("block", format!("bad head '{head}'")))?;
                let block = Block::from_bytes(buffer.clone(), &shape, dtype)
                    .ok_or_else(|| error("block", format!("the head '{head}' does not fit the buffer")))?;
                Ok(Value::Block(block))
            }
            (Codec::Arrow, [buffer]) => {
                decode_batches(buffer).map(Value::from).map_err(|why| error("table", why.to_string()))
            }
            (Codec::Pickle, _) => Ok(Value::Frames(Arc::new(frames.clone()))),
            (Codec::Block, _) => Err(error("block", format!("{} buffers instead of one", frames.buffers.len()))),
            (Codec::Arrow, _) => Err(error("table", format!("{} buffers instead of one", frames.buffers.len()))),
        }
    }
}

/// Lends a block's memory to [`Bytes`].
struct BlockBytes(Block);

impl AsRef<[u8]> for BlockBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn encode_batches(batches: &Batches) -> Result<Frames, ValueError> {
    let error = |why: arrow::error::ArrowError| ValueError::Encode { what: "a table".into(), why: why.to_string() };
    let mut bytes = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, &batches.schema).map_err(error)?;
    for batch in &batches.batches {
        writer.write(batch).map_err(error)?;
    }
    writer.finish().map_err(error)?;
    drop(writer);
    Ok(Frames { codec: Codec::Arrow, head: Bytes::new(), buffers: vec![bytes.into()] })
}

fn decode_batches(bytes: &Bytes) -> Result<Batches, arrow::error::ArrowError> {
    let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_ref(), None)?;
    let schema = reader.schema();
    Ok(Batches { schema, batches: reader.collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_block_survives_the_wire_at_any_alignment(rows in 0usize..5, columns in 0usize..5, skew in 0usize..8) {
            let values: Vec<f64> = (0..rows * columns).map(|n| n as f64).collect();
            let mut frames = Value::from(Block::from_vec(values.clone(), &[rows, columns])).to_frames().unwrap();
            let mut skewed = vec![0u8; skew];
            skewed.extend_from_slice(&frames.buffers[0]);
            frames.buffers[0] = Bytes::from(skewed).slice(skew..);
            let block = Value::from_frames(&frames).unwrap().as_block().unwrap();
            prop_assert_eq!(block.shape(), [rows, columns]);
            prop_assert_eq!(block.as_slice::<f64>().unwrap(), values.as_slice());
        }
    }

    #[test]
    fn a_head_that_lies_about_the_buffer_is_refused() {
        let frames =
            Frames { codec: Codec::Block, head: "float64 3".into(), buffers: vec![Bytes::from_static(&[0; 16])] };
        let error = Value::from_frames(&frames).err().unwrap().to_string();
        assert_eq!(error, "cannot read a block from 25 bytes: the head 'float64 3' does not fit the buffer");
        let frames = Frames { codec: Codec::Block, head: "bool 2".into(), buffers: vec![Bytes::from_static(&[1, 7])] };
        assert!(Value::from_frames(&frames).is_err());
    }
}
