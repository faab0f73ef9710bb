//! Batches in memory of their own, none of them large: what a step is given that holds rows.
//!
//! Start at [`OwnRows`], which puts an [`OwnExec`] under sorts and under the sides that joins collect. A slice of a table
//! in memory keeps all of the table alive, and a batch of texts whole pages of its file; a step that counts what it holds
//! would count these over and over, and free nothing when it writes rows to disk. One huge batch could not be held at all.

use crate::session::FrameOptions;
use arrow::array::{Array, ArrayRef, AsArray, MutableArrayData, make_array};
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use futures::TryStreamExt;
use raskal_store::Budget;
use std::fmt;
use std::sync::Arc;

/// Of the budget, each core's batches may take this part: a sort merges dozens of them at once.
const BATCH_PART: u64 = 256;

/// Bytes that a batch may take and still be copied for no reason.
const SLACK_BYTES: usize = 16 << 10;

/// The most bytes of a batch that one of so many cores is given to hold.
pub fn batch_bytes_max(cores: usize) -> usize {
    usize::max((Budget::process().limit_bytes() / BATCH_PART) as usize / cores.max(1), SLACK_BYTES)
}

/// Gives the rows of its input in batches that hold no others.
#[derive(Debug)]
pub struct OwnExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl OwnExec {
    /// The rows of `input`.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> OwnExec {
        OwnExec { properties: input.properties().clone(), input }
    }

    fn over(&self, input: Arc<dyn ExecutionPlan>) -> OwnExec {
        OwnExec::new(input)
    }
}

impl DisplayAs for OwnExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnExec")
    }
}

impl ExecutionPlan for OwnExec {
    one_input!("OwnExec");

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows_max = context.session_config().batch_size();
        let bytes_max = batch_bytes_max(context.session_config().target_partitions());
        let rows = self.input.execute(partition, context)?;
        let owned = rows.map_ok(move |batch| futures::stream::iter(own(&batch, rows_max, bytes_max))).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), owned)))
    }
}

/// A batch as batches of at most about so many rows and bytes, which keep no other rows alive.
fn own(batch: &RecordBatch, rows_max: usize, bytes_max: usize) -> Vec<Result<RecordBatch>> {
    let rows = batch.num_rows();
    let bytes = batch.columns().iter().map(shown_bytes).sum::<usize>().max(1);
    let pieces = usize::max(bytes.div_ceil(bytes_max.max(1)), rows.div_ceil(rows_max.max(1))).clamp(1, rows.max(1));
    let held = get_record_batch_memory_size(batch);
    if pieces == 1 {
        return vec![if held > 2 * bytes + SLACK_BYTES { copied(batch) } else { Ok(batch.clone()) }];
    }
    let step = rows.div_ceil(pieces);
    (0..rows).step_by(step).map(|start| copied(&batch.slice(start, step.min(rows - start)))).collect()
}

/// Bytes of the rows that a column shows, whatever else its buffers hold.
fn shown_bytes(column: &ArrayRef) -> usize {
    fn views<T: ByteViewType>(column: &ArrayRef) -> usize {
        column.len() * size_of::<u128>() + column.as_byte_view::<T>().total_buffer_bytes_used()
    }
    match column.data_type() {
        DataType::Utf8View => views::<StringViewType>(column),
        DataType::BinaryView => views::<BinaryViewType>(column),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    }
}

fn copied(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(copied_column).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

fn copied_column(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => {
            let data = column.to_data();
            let mut copy = MutableArrayData::new(vec![&data], false, data.len());
            copy.try_extend(0, 0, data.len())?;
            make_array(copy.freeze())
        }
    })
}

/// Puts an [`OwnExec`] under each step that holds rows of its input as they come. For queries that run here: the
/// tasks of a stage get theirs with [`own_rows`] when they are about to run.
#[derive(Debug)]
pub struct OwnRows;

impl PhysicalOptimizerRule for OwnRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let staged = config.extensions.get::<FrameOptions>().is_some_and(|options| options.staged);
        if staged { Ok(plan) } else { own_rows(plan) }
    }

    fn name(&self) -> &str {
        "own_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// See [`OwnRows`].
///
/// # Errors
/// If a step refuses its new input.
pub fn own_rows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let holds = node.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_none())
            || node.is::<HashJoinExec>()
            || node.is::<CrossJoinExec>()
            || node.is::<NestedLoopJoinExec>();
        if !holds {
            return Ok(Transformed::no(node));
        }
        let mut children: Vec<_> = node.children().into_iter().cloned().collect();
        children[0] = owned(children[0].clone())?;
        Ok(Transformed::yes(replace_children_if_necessary(node, children)?))
    })
    .data()
}

/// The rows of a plan in batches of their own, copied on as many threads as it has partitions.
fn owned(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.is::<OwnExec>() {
        return Ok(plan);
    }
    if let Some(coalesce) = plan.downcast_ref::<CoalescePartitionsExec>() {
        let input = owned(coalesce.input().clone())?;
        return replace_children_if_necessary(plan, vec![input]);
    }
    Ok(Arc::new(OwnExec::new(plan)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::compute::concat_batches;

    fn large() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..10_000).map(|n| (n % 7 > 0).then_some(n))));
        let texts = (0..10_000).map(|n| format!("a text that does not fit into a view: {n}"));
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap()
    }

    #[test]
    fn a_large_batch_becomes_small_ones_of_the_same_rows() {
        let batch = large();
        for (rows_max, bytes_max, least) in [(1000, usize::MAX, 10), (usize::MAX, 64 << 10, 8), (1, 1, 10_000)] {
            let pieces: Vec<_> = own(&batch, rows_max, bytes_max).into_iter().map(|piece| piece.unwrap()).collect();
            assert!(pieces.len() >= least, "{} pieces", pieces.len());
            assert_eq!(concat_batches(&batch.schema(), &pieces).unwrap(), batch);
            let held: usize = pieces.iter().map(get_record_batch_memory_size).sum();
            assert!(least == 10_000 || held < 2 * get_record_batch_memory_size(&batch), "{held} bytes");
        }
    }

    #[test]
    fn a_slice_lets_go_of_the_rows_around_it() {
        let slice = large().slice(5000, 10);
        let pieces = own(&slice, 8192, 1 << 20);
        let piece = pieces.into_iter().next().unwrap().unwrap();
        assert_eq!(piece, slice);
        assert!(get_record_batch_memory_size(&piece) < 4096);
        assert!(get_record_batch_memory_size(&slice) > 100_000);
    }
}
