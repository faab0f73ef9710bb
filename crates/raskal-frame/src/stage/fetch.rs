//! The leaf of a stage that reads values of earlier tasks.
//!
//! Start at [`Fetch`]. In a plan that is being lowered it stands for a layer; in a running task it holds the values
//! that the task was given ([`Fetch::with_supply`]). It never asks for more: reading a partition that was not given
//! is an error, so that a wrong edge can't silently duplicate or drop rows.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bitcode::{Decode, Encode};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, Statistics, StatisticsArgs,
};
use raskal_store::Batches;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// How the partitions of a [`Fetch`] map to tasks of the layer that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Kind {
    /// The layer `[partitions]` has one task per partition.
    Aligned,
    /// The layer `[producers, partitions]` has the part of each producer for each partition.
    Exchange {
        /// Number of producers.
        producers: u32,
    },
    /// The layer `[tasks]` is read as a single partition, in order.
    Gathered {
        /// Number of tasks.
        tasks: u32,
    },
}

impl Kind {
    /// The tasks of the layer that hold these partitions out of `count`, in ascending order.
    pub fn tasks(self, partitions: &[usize], count: usize) -> Vec<u32> {
        let mut tasks: Vec<u32> = match self {
            Kind::Aligned => partitions.iter().map(|&partition| partition as u32).collect(),
            Kind::Gathered { tasks } if partitions.is_empty() => Vec::with_capacity(tasks as usize),
            Kind::Gathered { tasks } => (0..tasks).collect(),
            Kind::Exchange { producers } => (0..producers)
                .flat_map(|producer| partitions.iter().map(move |&p| producer * count as u32 + p as u32))
                .collect(),
        };
        tasks.sort_unstable();
        tasks
    }

    /// The partition out of `count` that this task of the layer holds a part of.
    fn partition(self, task: u32, count: usize) -> usize {
        match self {
            Kind::Aligned => task as usize,
            Kind::Gathered { .. } => 0,
            Kind::Exchange { .. } => task as usize % count,
        }
    }
}

/// Reads the values of earlier tasks.
#[derive(Clone, Debug)]
pub struct Fetch {
    layer: u32,
    kind: Kind,
    properties: Arc<PlanProperties>,
    statistics: Arc<Statistics>,
    supply: Arc<HashMap<usize, Vec<Arc<Batches>>>>,
}

impl Fetch {
    /// A leaf that reads layer number `layer`. `orderings` are those that every partition keeps.
    pub fn new(
        layer: u32,
        kind: Kind,
        schema: SchemaRef,
        partitioning: Partitioning,
        orderings: Vec<LexOrdering>,
    ) -> Fetch {
        let statistics = Arc::new(Statistics::new_unknown(&schema));
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, orderings),
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Fetch { layer, kind, properties: Arc::new(properties), statistics, supply: Arc::default() }
    }

    /// The same leaf with what is known about all of its rows, for planning; it does not travel.
    pub fn with_statistics(self, statistics: Arc<Statistics>) -> Fetch {
        Fetch { statistics, ..self }
    }

    /// Number of the layer that is read, in whatever numbering the plan's owner uses.
    pub fn layer(&self) -> u32 {
        self.layer
    }

    /// How partitions map to tasks of the layer.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of partitions.
    pub fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }

    /// The same leaf, reading another layer.
    pub fn with_layer(&self, layer: u32) -> Fetch {
        Fetch { layer, ..self.clone() }
    }

    /// One partition that reads all of this leaf's in order, if each of these is a task's value.
    pub fn gathered(&self) -> Option<Fetch> {
        let kind = Kind::Gathered { tasks: self.partitions() as u32 };
        let one = Partitioning::UnknownPartitioning(1);
        (self.kind == Kind::Aligned).then(|| Fetch::new(self.layer, kind, self.schema(), one, vec![]))
    }

    /// The leaf of a task that wants `partitions` and was given the values of their tasks ([`Kind::tasks`]), in order.
    ///
    /// # Errors
    /// If there is not one value per task.
    pub fn with_supply(&self, partitions: &[usize], values: Vec<Arc<Batches>>) -> Result<Fetch> {
        let tasks = self.kind.tasks(partitions, self.partitions());
        if tasks.len() != values.len() {
            return Err(DataFusionError::Internal(format!(
                "a task that reads partitions {partitions:?} was given {} values instead of {}",
                values.len(),
                tasks.len()
            )));
        }
        let mut supply: HashMap<usize, Vec<Arc<Batches>>> =
            partitions.iter().map(|&partition| (partition, Vec::new())).collect();
        for (task, value) in tasks.into_iter().zip(values) {
            supply.entry(self.kind.partition(task, self.partitions())).or_default().push(value);
        }
        Ok(Fetch { supply: Arc::new(supply), ..self.clone() })
    }
}

impl DisplayAs for Fetch {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetch: input={}, partitions={}, {:?}", self.layer, self.partitions(), self.kind)
    }
}

impl ExecutionPlan for Fetch {
    fn name(&self) -> &'static str {
        "Fetch"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], wanted: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(match wanted.partition() {
            None => self.statistics.clone(),
            Some(_) => Arc::new(Statistics::new_unknown(&self.schema())),
        })
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let values = self.supply.get(&partition).cloned().ok_or_else(|| {
            DataFusionError::Internal(format!(
                "partition {partition} of input {} was not given to this task (it has {:?})",
                self.layer,
                self.supply.keys()
            ))
        })?;
        let schema = self.schema();
        let expected = schema.clone();
        let batches = values.into_iter().flat_map(|value| (0..value.batches.len()).map(move |at| (value.clone(), at)));
        let batches = batches.map(move |(value, at)| with_schema(&value.batches[at], &expected));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches))))
    }
}

/// The batch under another schema of the same types (names and metadata may differ).
pub fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)?)
}
