//! Plan nodes and functions of this crate as bytes, for another process.
//!
//! Start at [`FrameCodec`]. Sources and mappers are found again by the name of their decoder: this crate registers its
//! own ([`register_builtin`]), `raskal-py` registers pandas functions ([`register_mapper`]).

use crate::csv::CsvSource;
use crate::memory::MemorySource;
use crate::nodes::map::{MapExec, Mapper};
use crate::nodes::number::NumberExec;
use crate::nodes::select::SelectExec;
use crate::source::{Source, SourceExec};
use crate::udf;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bitcode::{Decode, Encode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use raskal_runtime::Failure;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Once, RwLock};

/// Reads a source back.
pub type SourceDecoder = fn(&[u8]) -> Result<Arc<dyn Source>>;
/// Reads a function on partitions back.
pub type MapperDecoder = fn(&[u8]) -> Result<Arc<dyn Mapper>, Failure>;

static SOURCES: LazyLock<RwLock<HashMap<&'static str, SourceDecoder>>> = LazyLock::new(RwLock::default);
static MAPPERS: LazyLock<RwLock<HashMap<&'static str, MapperDecoder>>> = LazyLock::new(RwLock::default);

/// Adds the decoder of one kind of source.
pub fn register_source(codec: &'static str, decoder: SourceDecoder) {
    SOURCES.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(codec, decoder);
}

/// Adds the decoder of one kind of mapper.
pub fn register_mapper(codec: &'static str, decoder: MapperDecoder) {
    MAPPERS.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(codec, decoder);
}

/// Adds the decoders of this crate's sources.
pub fn register_builtin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        register_source(crate::csv::CODEC, |bytes| Ok(Arc::new(CsvSource::decode(bytes)?)));
        register_source(crate::memory::CODEC, |bytes| Ok(Arc::new(MemorySource::decode(bytes)?)));
    });
}

fn source(codec: &str, bytes: &[u8]) -> Result<Arc<dyn Source>> {
    register_builtin();
    let decoder = SOURCES.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(codec).copied();
    decoder.ok_or_else(|| DataFusionError::Internal(format!("no decoder for sources of kind '{codec}'")))?(bytes)
}

/// The function on partitions that another process wrote.
pub(crate) fn mapper(codec: &str, bytes: &[u8]) -> Result<Arc<dyn Mapper>> {
    let decoder = MAPPERS.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(codec).copied();
    let decoder = decoder.ok_or_else(|| {
        DataFusionError::Internal(format!("no decoder for functions on partitions of kind '{codec}'"))
    })?;
    Ok(decoder(bytes).map_err(crate::FrameError::Function)?)
}

/// A node of this crate as it travels.
#[derive(Encode, Decode)]
enum Node {
    Source { codec: String, bytes: Vec<u8>, projection: Vec<u32>, groups: Vec<(u32, u32)> },
    Map { codec: String, bytes: Vec<u8>, schema: Vec<u8>, single: bool },
    Select { partitions: Vec<u32>, single: bool },
    Number { single: bool },
}

/// A function of this crate as it travels.
#[derive(Encode, Decode)]
struct Function {
    codec: String,
    bytes: Vec<u8>,
    result: Vec<u8>,
}

/// Writes and reads the nodes and functions of this crate inside the engine's plans.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameCodec;

impl FrameCodec {
    /// Whether this codec writes this node.
    pub fn knows(node: &dyn ExecutionPlan) -> bool {
        node.is::<SourceExec>() || node.is::<MapExec>() || node.is::<SelectExec>() || node.is::<NumberExec>()
    }
}

impl PhysicalExtensionCodec for FrameCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _context: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node: Node = bitcode::decode(bytes).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let input = || inputs.first().cloned().ok_or_else(|| DataFusionError::Internal("a node lost its input".into()));
        Ok(match node {
            Node::Source { codec, bytes, projection, groups } => Arc::new(SourceExec::new(
                source(&codec, &bytes)?,
                projection.into_iter().map(|column| column as usize).collect(),
                groups.into_iter().map(|(start, end)| start as usize..end as usize).collect(),
            )),
            Node::Map { codec, bytes, schema, single } => {
                Arc::new(MapExec::new(input()?, mapper(&codec, &bytes)?, schema_from_bytes(&schema)?, single))
            }
            Node::Number { single } => Arc::new(NumberExec::new(input()?, single, None)),
            Node::Select { partitions, single } => {
                Arc::new(SelectExec::new(input()?, partitions.into_iter().map(|one| one as usize).collect(), single))
            }
        })
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let node = if let Some(scan) = node.downcast_ref::<SourceExec>() {
            let (codec, bytes) = scan.source().encode()?;
            Node::Source {
                codec: codec.into(),
                bytes,
                projection: scan.projection().iter().map(|&column| column as u32).collect(),
                groups: scan.groups().iter().map(|range| (range.start as u32, range.end as u32)).collect(),
            }
        } else if let Some(map) = node.downcast_ref::<MapExec>() {
            let (codec, bytes) = map.mapper().encode().map_err(crate::FrameError::Function)?;
            let schema = schema_to_bytes(&map.schema())?;
            Node::Map { codec: codec.into(), bytes, schema, single: map.single() }
        } else if let Some(select) = node.downcast_ref::<SelectExec>() {
            let partitions = select.partitions().iter().map(|&one| one as u32).collect();
            Node::Select { partitions, single: select.single() }
        } else if let Some(number) = node.downcast_ref::<NumberExec>() {
            Node::Number { single: number.single() }
        } else {
            return Err(DataFusionError::NotImplemented(format!("the step {} can't be sent to a worker", node.name())));
        };
        bytes.extend(bitcode::encode(&node));
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
        if let Some(function) = udf::all().into_iter().find(|function| function.name() == name) {
            return Ok(function);
        }
        let function: Function = bitcode::decode(bytes)
            .map_err(|error| DataFusionError::Internal(format!("the function {name} can't be read: {error}")))?;
        let schema = schema_from_bytes(&function.result)?;
        let mapper = mapper(&function.codec, &function.bytes)?;
        Ok(Arc::new(udf::map_columns_function(mapper, schema.field(0).data_type().clone())))
    }

    fn try_encode_udf(&self, function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<()> {
        if let Some(map) = function.inner().downcast_ref::<udf::MapColumns>() {
            let (codec, encoded) = map.mapper().encode().map_err(crate::FrameError::Function)?;
            let result = schema_to_bytes(&Arc::new(Schema::new(vec![Field::new("0", map.result().clone(), true)])))?;
            bytes.extend(bitcode::encode(&Function { codec: codec.into(), bytes: encoded, result }));
        }
        Ok(())
    }
}

/// A schema as an Arrow stream without batches.
pub(crate) fn schema_to_bytes(schema: &SchemaRef) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema)?.finish()?;
    Ok(bytes)
}

/// The schema of an Arrow stream.
pub(crate) fn schema_from_bytes(bytes: &[u8]) -> Result<SchemaRef> {
    Ok(StreamReader::try_new(bytes, None)?.schema())
}
