//! A graph together with the functions of its layers, as collections build it.
//!
//! Start at [`ProgramBuilder`]. Layers added under the same token are added once, so that collections computed together
//! share what they have in common.

use crate::function::{Call, EncodedFunction};
use crate::fuse::fuse;
use crate::local::Recorder;
use crate::{Failure, Function, FunctionRegistry};
use bytes::Bytes;
use raskal_graph::{Annotations, Csr, Edge, EdgeMap, Graph, GraphError, Layer, LayerId};
use raskal_store::{Frames, Value};
use raskal_types::{ErrorKind, SlotClass, TaskId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A graph, its layers' functions, and the tasks whose results are wanted.
pub struct Program {
    /// The layers.
    pub graph: Arc<Graph>,
    /// One function per layer.
    pub functions: Vec<Arc<dyn Function>>,
    /// For layers of values that exist on a cluster already: those values' tasks, in the order of the layer.
    pub imports: HashMap<LayerId, Vec<TaskId>>,
    /// Tasks whose results are wanted, in the order in which they are returned.
    pub wanted: Vec<u32>,
    /// Who wants to know how its tasks run, on the threads of this process.
    pub recorder: Option<Arc<Recorder>>,
}

impl Program {
    /// The key of a task: the one its user gave it, or the one made from its layer.
    pub fn key(&self, task: u32) -> String {
        let (layer, index) = self.graph.locate(task);
        self.functions[layer.0 as usize].key(index).unwrap_or_else(|| self.graph.key(task))
    }

    /// Runs one task; a failure names the task's key and the user's line.
    ///
    /// # Errors
    /// As the function.
    pub fn call(&self, task: u32, inputs: Vec<Value>) -> Result<Value, Failure> {
        let (layer, index) = self.graph.locate(task);
        let function = &self.functions[layer.0 as usize];
        let shape = &self.graph.layer(layer).shape;
        let call = Call { index, shape, inputs, payload: &[] };
        // A defect in one kernel must not take a thread of the engine with it.
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| function.run(call)));
        answer.unwrap_or_else(|_| Err(Failure::internal(format!("{} panicked", function.describe())))).map_err(
            |mut failure| {
                failure.key.get_or_insert_with(|| self.key(task));
                failure.origin = failure.origin.or_else(|| function.origin(index));
                failure
            },
        )
    }
}

/// Collects layers into a [`Program`].
///
/// ```
/// use raskal_graph::Layer;
/// use raskal_runtime::ProgramBuilder;
/// use raskal_store::{Block, Value};
/// let mut builder = ProgramBuilder::new();
/// let ones = builder.add_values("ones-1", vec![2], vec![Value::from(Block::from_vec(vec![1.0], &[1])); 2])?;
/// let again = builder.add_values("ones-1", vec![2], vec![])?;
/// assert_eq!(ones, again);
/// # Ok::<(), raskal_runtime::Failure>(())
/// ```
#[derive(Default)]
pub struct ProgramBuilder {
    graph: Graph,
    functions: Vec<Arc<dyn Function>>,
    pub(crate) imports: HashMap<LayerId, Vec<TaskId>>,
    known: HashMap<String, LayerId>,
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Failure {
        Failure::new(ErrorKind::Value, error.to_string())
    }
}

impl ProgramBuilder {
    /// A builder without layers.
    pub fn new() -> ProgramBuilder {
        ProgramBuilder { graph: Graph::new(), ..ProgramBuilder::default() }
    }

    /// The layers so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The functions of the layers so far.
    pub fn functions(&self) -> &[Arc<dyn Function>] {
        &self.functions
    }

    /// The function of a layer.
    pub fn function(&self, layer: LayerId) -> &Arc<dyn Function> {
        &self.functions[layer.0 as usize]
    }

    /// The layer added under this prefix, if there is one. Lowering code asks this before it descends.
    pub fn known(&self, prefix: &str) -> Option<LayerId> {
        self.known.get(prefix).copied()
    }

    /// Adds a layer, unless one of the same prefix is there: prefixes end in a content token, so it would be the same.
    ///
    /// # Errors
    /// If an edge does not fit.
    pub fn add(&mut self, layer: Layer, function: Arc<dyn Function>) -> Result<LayerId, Failure> {
        if let Some(known) = self.known(&layer.prefix) {
            return Ok(known);
        }
        let prefix = layer.prefix.clone();
        let id = self.graph.add(layer)?;
        self.functions.push(function);
        self.known.insert(prefix, id);
        Ok(id)
    }

    /// Adds one layer of tasks drawn by hand; `inputs` lists for each task the others of the same layer that it needs,
    /// which come behind the inputs that the layer's own edges give.
    ///
    /// # Errors
    /// If an edge does not fit or a number is out of range.
    pub fn add_explicit(&mut self, layer: Layer, inputs: Csr, function: Arc<dyn Function>) -> Result<LayerId, Failure> {
        self.add_inner(layer, EdgeMap::Explicit(inputs), function)
    }

    /// Adds a layer whose tasks also need others of the same layer ([`Graph::add_inner`]).
    ///
    /// # Errors
    /// If an edge does not fit.
    pub fn add_inner(&mut self, layer: Layer, inner: EdgeMap, function: Arc<dyn Function>) -> Result<LayerId, Failure> {
        let prefix = layer.prefix.clone();
        let id = self.graph.add_inner(layer, inner)?;
        self.functions.push(function);
        self.known.insert(prefix, id);
        Ok(id)
    }

    /// Adds a layer of values that exist already.
    ///
    /// # Errors
    /// If there is not one value per task of `shape`.
    pub fn add_values(&mut self, prefix: &str, shape: Vec<u32>, values: Vec<Value>) -> Result<LayerId, Failure> {
        if let Some(known) = self.known(prefix) {
            return Ok(known);
        }
        let layer = Layer::new(prefix, shape).class(SlotClass::Native);
        if layer.len() != values.len() as u64 {
            return Err(Failure::internal(format!(
                "layer '{prefix}' has {} tasks but {} values",
                layer.len(),
                values.len()
            )));
        }
        self.add(layer, Arc::new(Values(values)))
    }

    /// Adds a layer of values that exist on the cluster already.
    ///
    /// # Errors
    /// If there is not one task per task of `shape`.
    pub fn add_imports(&mut self, prefix: &str, shape: Vec<u32>, tasks: Vec<TaskId>) -> Result<LayerId, Failure> {
        if let Some(known) = self.known(prefix) {
            return Ok(known);
        }
        let layer = Layer::new(prefix, shape).class(SlotClass::Native);
        if layer.len() != tasks.len() as u64 {
            return Err(Failure::internal(format!(
                "layer '{prefix}' has {} tasks but {} imports",
                layer.len(),
                tasks.len()
            )));
        }
        let id = self.add(layer, Arc::new(Values(Vec::new())))?;
        self.imports.insert(id, tasks);
        Ok(id)
    }

    /// Adds a layer whose task `i` has the value of `tasks[i]`, so that tasks of many layers can be inputs by one edge.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn add_selection(&mut self, prefix: &str, tasks: &[u32]) -> Result<LayerId, Failure> {
        let mut rows: BTreeMap<LayerId, Csr> = BTreeMap::new();
        for (row, &task) in tasks.iter().enumerate() {
            if task >= self.graph.task_count() {
                return Err(Failure::internal(format!("task {task} of {} was selected", self.graph.task_count())));
            }
            let (layer, index) = self.graph.locate(task);
            let csr = rows.entry(layer).or_default();
            while csr.len() < row {
                csr.push(&[]);
            }
            csr.push(&[index]);
        }
        let mut layer = Layer::new(prefix, vec![tasks.len() as u32]).class(SlotClass::Native);
        for (source, mut csr) in rows {
            while csr.len() < tasks.len() {
                csr.push(&[]);
            }
            layer.edges.push(Edge::new(source, EdgeMap::Explicit(csr)));
        }
        self.add(layer, Arc::new(PassOn))
    }

    /// Sets what users ask of a layer, if nothing was asked of it so far.
    pub fn annotate(&mut self, layer: LayerId, annotations: &Annotations) {
        self.graph.annotate(layer, annotations);
    }

    /// The tasks of layers whose values exist on a cluster already.
    pub fn imports(&self) -> &HashMap<LayerId, Vec<TaskId>> {
        &self.imports
    }

    /// The layer that consists of these tasks in this order; a selection under `prefix` if there is none.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn layer_of(&mut self, prefix: &str, tasks: &[u32]) -> Result<LayerId, Failure> {
        if let Some(&first) = tasks.first()
            && first < self.graph.task_count()
        {
            let (layer, _) = self.graph.locate(first);
            if self.graph.tasks(layer).eq(tasks.iter().copied()) {
                return Ok(layer);
            }
        }
        self.add_selection(prefix, tasks)
    }

    /// The program, with the tasks whose results are wanted; layers that only feed one other are joined with it.
    pub fn finish(self, wanted: Vec<u32>) -> Program {
        fuse(self.graph, self.functions, self.imports, wanted)
    }
}

/// The function of a layer whose values are there already. A cluster client scatters them instead of encoding this.
pub struct Values(pub Vec<Value>);

impl Function for Values {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        Ok(self.0[call.index as usize].clone())
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        crate::function::encode_values(&self.0)
    }

    fn is_value(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "values".into()
    }
}

/// The function of a layer whose tasks have the values of other tasks.
pub(crate) struct PassOn;

/// The codec of [`ProgramBuilder::add_selection`].
const PASS_CODEC: &str = "pass";

impl Function for PassOn {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        call.inputs.into_iter().next().ok_or_else(|| Failure::internal("a selection without input"))
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Ok(EncodedFunction { codec: PASS_CODEC, shared: Default::default(), tasks: None })
    }

    fn describe(&self) -> String {
        "select".into()
    }
}

/// Values that came as task payloads.
struct SentValues;

impl Function for SentValues {
    fn run(&self, call: Call<'_>) -> Result<Value, Failure> {
        let frames = Frames::read_from(&Bytes::copy_from_slice(call.payload))
            .ok_or_else(|| Failure::internal("a value sent with its task is cut short"))?;
        Ok(Value::from_frames(&frames)?)
    }

    fn encode(&self) -> Result<EncodedFunction, Failure> {
        Err(Failure::internal("values that were sent are not sent again"))
    }

    fn describe(&self) -> String {
        "values".into()
    }
}

/// Adds the decoders of this module's functions.
pub fn register(registry: &mut FunctionRegistry) {
    registry.register(PASS_CODEC, |_| Ok(Arc::new(PassOn)));
    registry.register(crate::function::VALUES_CODEC, |_| Ok(Arc::new(SentValues)));
}
