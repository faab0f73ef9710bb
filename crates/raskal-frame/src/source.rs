//! Tables made of ordered partitions that can be opened one by one: the leaf under every plan but Parquet's.
//!
//! Start at [`Source`]; [`SourceTable`] offers one to the planner, [`SourceExec`] reads it. A scan that nobody needs
//! partition by partition ([`crate::session::Scan::Free`]) gives neighbouring partitions to one stream, so that a
//! thousand blocks do not become a thousand concurrent readers.
//!
//! Invariant: streams in order, and partitions in order within a stream, give the table's rows in order.

use crate::session::{self, Scan};
use crate::statistics;
use crate::tasks::TaskSource;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, StatisticsArgs,
};
use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The batches of one partition.
pub type BatchIterator = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A table made of ordered partitions.
pub trait Source: Any + fmt::Debug + Send + Sync + 'static {
    /// All columns, those of the index included.
    fn schema(&self) -> SchemaRef;
    /// Number of partitions.
    fn partitions(&self) -> usize;
    /// Reads one partition, giving the columns of `projection` in that order.
    ///
    /// # Errors
    /// If the partition can't be opened.
    fn open(&self, partition: usize, projection: &[usize]) -> Result<BatchIterator>;
    /// One line for `explain()`.
    fn describe(&self) -> String;
    /// Number of rows, as far as it is known without reading.
    fn rows(&self) -> Precision<usize> {
        Precision::Absent
    }
    /// Whether a column is known to have no nulls.
    fn never_null(&self, _column: &str) -> bool {
        false
    }
    /// Name of the decoder, and the source as bytes, for another process.
    ///
    /// # Errors
    /// If it can't be serialised.
    fn encode(&self) -> Result<(&'static str, Vec<u8>)>;
}

/// Offers a [`Source`] to the planner.
#[derive(Debug)]
pub struct SourceTable(pub Arc<dyn Source>);

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.0.schema().fields().len()).collect());
        let streams = match session::scan_of(state.config()) {
            _ if (self.0.as_ref() as &dyn Any).is::<TaskSource>() => self.0.partitions(),
            Scan::Addressed => self.0.partitions(),
            Scan::Ordered | Scan::Free => session::streams(state.config().target_partitions()),
        };
        Ok(Arc::new(SourceExec::new(self.0.clone(), projection, even(self.0.partitions(), streams))))
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(statistics::of_rows(self.0.rows(), &self.0.schema()))
    }
}

/// `total` partitions as at most `groups` ranges of neighbours, evenly long.
fn even(total: usize, groups: usize) -> Vec<Range<usize>> {
    let groups = groups.clamp(1, total.max(1));
    (0..groups).map(|group| group * total / groups..(group + 1) * total / groups).collect()
}

/// After so long a stream lets others have its thread, among them those who were told to stop.
const TURN: Duration = Duration::from_millis(10);

/// Reads a [`Source`]. Each output partition reads a range of the source's partitions, in order.
#[derive(Debug)]
pub struct SourceExec {
    source: Arc<dyn Source>,
    projection: Vec<usize>,
    groups: Vec<Range<usize>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SourceExec {
    /// A scan of the columns `projection`, whose output partitions read the source's partitions `groups`.
    pub fn new(source: Arc<dyn Source>, projection: Vec<usize>, groups: Vec<Range<usize>>) -> SourceExec {
        let all = source.schema();
        let fields: Vec<_> = projection.iter().map(|&column| all.fields()[column].clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        SourceExec {
            source,
            projection,
            groups,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// What is read.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The columns that are read, as positions in the source's schema.
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// Which of the source's partitions each output partition reads.
    pub fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// The same scan with only these output partitions.
    pub fn with_groups(&self, groups: Vec<Range<usize>>) -> SourceExec {
        SourceExec::new(self.source.clone(), self.projection.clone(), groups)
    }
}

impl DisplayAs for SourceExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema();
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "SourceExec: {}, columns=[{}], streams={}",
            self.source.describe(),
            columns.join(", "),
            self.groups.len()
        )
    }
}

impl ExecutionPlan for SourceExec {
    fn name(&self) -> &'static str {
        "SourceExec"
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

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let group = self.groups.get(partition).cloned().ok_or_else(|| {
            DataFusionError::Internal(format!("partition {partition} of a scan of {} streams", self.groups.len()))
        })?;
        let (source, projection) = (self.source.clone(), self.projection.clone());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batches = group.flat_map(move |partition| match source.open(partition, &projection) {
            Ok(batches) => batches,
            Err(error) => Box::new(std::iter::once(Err(error))) as BatchIterator,
        });
        let mut batches = batches;
        // Reading and parsing happen inside the poll: they are the CPU work of this stream, and pages come from the
        // page cache as a rule. The engine has its own threads, so a slow disk holds up nobody else.
        let mut timed = std::iter::from_fn(move || {
            let _timer = metrics.elapsed_compute().timer();
            let batch = batches.next();
            if let Some(Ok(batch)) = &batch {
                metrics.record_output(batch.num_rows());
            }
            batch
        });
        let mut turn = Instant::now();
        let in_turns = futures::stream::poll_fn(move |context| {
            if turn.elapsed() > TURN {
                turn = Instant::now();
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(timed.next())
        });
        let stream = RecordBatchStreamAdapter::new(self.schema(), in_turns);
        Ok(make_cooperative(Box::pin(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], wanted: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let whole = self.groups.iter().map(Range::len).sum::<usize>() == self.source.partitions();
        let rows = if whole && wanted.partition().is_none() { self.source.rows() } else { Precision::Absent };
        Ok(Arc::new(statistics::of_rows(rows, &self.schema())))
    }
}

#[cfg(test)]
mod tests {
    use super::even;

    #[test]
    fn ranges_cover_every_partition_once_and_in_order() {
        let mut checked = 0;
        for total in 0..20 {
            for groups in 1..10 {
                let all: Vec<usize> = even(total, groups).into_iter().flatten().collect();
                assert_eq!(all, (0..total).collect::<Vec<_>>());
                checked += 1;
            }
        }
        assert_eq!(checked, 180);
    }
}
