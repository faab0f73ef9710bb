//! Plans as text, as bytes and as tasks; functions from outside in the middle of them.

use super::{folder, lines, read};
use crate::codec::{self, FrameCodec};
use crate::expression::{Binary, binary};
use crate::nodes::map::Mapper;
use crate::{Aggregate, CsvOptions, Frame, GroupOptions, Reduction, lower, run};
use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::lit;
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use raskal_runtime::{Call, Failure, ProgramBuilder};
use raskal_store::Batches;
use std::sync::Arc;

/// Gives the partition's number and its rows in reverse.
#[derive(Debug)]
struct Reverse;

impl Mapper for Reverse {
    fn map(&self, partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure> {
        let rows = arrow::compute::concat_batches(&input.schema, &input.batches).map_err(Failure::internal)?;
        let indices = Int64Array::from_iter_values((0..rows.num_rows() as i64).rev());
        let mut columns: Vec<_> =
            rows.columns().iter().map(|column| arrow::compute::take(column, &indices, None).unwrap()).collect();
        columns[0] = Arc::new(Int64Array::from(vec![partition as i64; rows.num_rows()]));
        Ok(vec![RecordBatch::try_new(input.schema, columns).map_err(Failure::internal)?])
    }

    fn describe(&self) -> String {
        "reverse".into()
    }

    fn token(&self) -> String {
        "0123456789".into()
    }

    fn encode(&self) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok(("test.reverse", vec![]))
    }
}

fn numbers() -> (tempfile::TempDir, Frame) {
    let folder = folder(&[("1.csv", "g,n,unused\na,1,x\nb,2,x\n"), ("2.csv", "g,n,unused\na,3,y\nb,4,y\na,5,y\n")]);
    let frame = read(&folder, CsvOptions::default()).unwrap();
    (folder, frame)
}

fn more_than_one(frame: &Frame) -> Frame {
    let n = frame.column("n").unwrap().value.clone();
    let value = binary(Binary::Greater, n, lit(1i64), frame.base().schema()).unwrap();
    frame.filter(&frame.assign_value("c", value).select(&["c"]).unwrap()).unwrap()
}

#[test]
fn a_function_sees_each_partition_once() {
    let (_folder, frame) = numbers();
    let frame = frame.select(&["n"]).unwrap();
    let mapped = frame.map_partitions(Arc::new(Reverse), frame.schema().unwrap(), &[None], false).unwrap();
    assert_eq!(mapped.partitions(), 2);
    assert_eq!(lines(&mapped.collect().unwrap()), ["0|2", "0|1", "1|5", "1|4", "1|3"]);
    let grouped = frame.reduce(&[Aggregate::new("n", Reduction::Sum)]).unwrap();
    let mapped = grouped.map_partitions(Arc::new(Reverse), grouped.schema().unwrap(), &[], false).unwrap();
    assert_eq!(lines(&mapped.collect().unwrap()), ["0"]);
}

#[test]
fn plans_read_as_native_or_pandas_steps() {
    let (_folder, frame) = numbers();
    let grouped = more_than_one(&frame).group_by(&["g"], GroupOptions::default()).unwrap();
    let text = grouped.aggregate(&[Aggregate::new("n", Reduction::Mean)]).unwrap().explain().unwrap();
    let cores = crate::session::engine().cores();
    let text = hide_tokens(&text)
        .replace(&format!(", {cores})"), ", CORES)")
        .replace(&format!("input_partitions={cores}"), "input_partitions=CORES");
    insta::assert_snapshot!(text);
    let mapped = frame.map_partitions(Arc::new(Reverse), frame.schema().unwrap(), &[None], false).unwrap();
    insta::assert_snapshot!(hide_tokens(&mapped.explain().unwrap()));
}

/// Tokens hold the files' paths and times: they differ in every run.
fn hide_tokens(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let hide = |word: &str| {
        let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let token = name.len() == 8 && name.starts_with('t') && name[1..].bytes().all(|b| b.is_ascii_hexdigit());
        if token { word.replace(name, "TABLE") } else { word.to_owned() }
    };
    words.map(hide).collect()
}

#[test]
fn a_plan_with_every_node_of_this_crate_survives_the_wire() {
    codec::register_mapper("test.reverse", |_| Ok(Arc::new(Reverse)));
    let (_folder, frame) = numbers();
    let frame = more_than_one(&frame).select(&["n"]).unwrap();
    let mapped = frame.map_partitions(Arc::new(Reverse), frame.schema().unwrap(), &[None], false).unwrap();
    let chosen = mapped.select_partitions(&[1, 0]).unwrap();
    let run::Planned { steps: plan, context, .. } = run::physical(&chosen.plan().unwrap(), false).unwrap();
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, &FrameCodec).unwrap();
    let plan: Arc<dyn ExecutionPlan> =
        physical_plan_from_bytes_with_extension_codec(&bytes, &context.task_ctx(), &FrameCodec).unwrap();
    let schema = plan.schema();
    let parts = crate::session::engine().runtime().block_on(collect_partitioned(plan, context.task_ctx())).unwrap();
    let rows = Batches { schema, batches: parts.into_iter().flatten().collect() };
    assert_eq!(lines(&rows), ["1|5", "1|4", "1|3", "0|2"]);
}

#[test]
fn memory_and_columns_functions_survive_the_wire() {
    codec::register_mapper("test.double", |_| Ok(Arc::new(Double)));
    let (_folder, frame) = numbers();
    let rows = frame.select(&["n"]).unwrap().collect().unwrap();
    let memory = crate::memory::cut(&rows.batches, 2);
    let frame = Frame::from_partitions(rows.schema, memory, &[None], raskal_graph::Token::of(["wire"])).unwrap();
    let n = frame.column("n").unwrap().value.clone();
    let doubled = frame.assign_value("n", crate::udf::map_columns(Arc::new(Double), DataType::Int64, vec![n]));
    let run::Planned { steps: plan, context, .. } = run::physical(&doubled.plan().unwrap(), false).unwrap();
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, &FrameCodec).unwrap();
    let plan = physical_plan_from_bytes_with_extension_codec(&bytes, &context.task_ctx(), &FrameCodec).unwrap();
    let schema = plan.schema();
    let parts = crate::session::engine().runtime().block_on(collect_partitioned(plan, context.task_ctx())).unwrap();
    let rows = Batches { schema, batches: parts.into_iter().flatten().collect() };
    assert_eq!(lines(&rows), ["0|2", "1|4", "0|6", "1|8", "2|10"]);
}

/// Twice the only column.
#[derive(Debug)]
struct Double;

impl Mapper for Double {
    fn map(&self, _partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure> {
        let double = |batch: RecordBatch| {
            let values: Int64Array = batch.column(0).as_primitive::<Int64Type>().unary(|value| value * 2);
            RecordBatch::try_new(batch.schema(), vec![Arc::new(values)]).unwrap()
        };
        Ok(input.batches.into_iter().map(double).collect())
    }

    fn describe(&self) -> String {
        "double".into()
    }

    fn token(&self) -> String {
        "double".into()
    }

    fn encode(&self) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok(("test.double", vec![]))
    }
}

#[test]
fn partitions_are_tasks_and_a_reduced_frame_is_one() {
    let (_folder, frame) = numbers();
    let mut builder = ProgramBuilder::new();
    let first = lower::lower_partitions(&frame, &mut builder).unwrap();
    assert_eq!(first, lower::lower_partitions(&frame.clone(), &mut builder).unwrap());
    assert_eq!(builder.graph().layer(first).len(), 2);
    let total = frame.reduce(&[Aggregate::new("n", Reduction::Sum)]).unwrap();
    let total = lower::lower_partitions(&total, &mut builder).unwrap();
    assert_eq!(builder.graph().layer(total).len(), 1);
    let program = builder.finish(vec![]);
    let call = |layer: raskal_graph::LayerId, index| {
        let shape = program.graph.layer(layer).shape.clone();
        let call = Call { index, shape: &shape, inputs: vec![], payload: &[] };
        lines(&lower::rows(&program.functions[layer.0 as usize].run(call).unwrap()).unwrap())
    };
    assert_eq!(call(first, 1), ["0|a|3|y", "1|b|4|y", "2|a|5|y"]);
    assert_eq!(call(first, 0), ["0|a|1|x", "1|b|2|x"]);
    assert_eq!(call(total, 0), ["15"]);
}

#[test]
fn parquet_rows_keep_order_labels_and_partitions() {
    let (_folder, frame) = numbers();
    let target = tempfile::tempdir().unwrap();
    let rows = frame.reset_index(true).unwrap().collect().unwrap();
    for (number, batch) in rows.batches.iter().enumerate() {
        let file = std::fs::File::create(target.path().join(format!("part.{number}.parquet"))).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }
    let stored = Frame::read_parquet(&[target.path().to_string_lossy().into_owned()]).unwrap();
    assert_eq!(stored.names(), ["g", "n", "unused"]);
    assert_eq!(stored.partitions(), 2);
    let kept = more_than_one(&stored).select(&["n"]).unwrap();
    assert_eq!(lines(&kept.collect().unwrap()), ["1|2", "0|3", "1|4", "2|5"]);
    let sums = stored.group_by(&["g"], GroupOptions::default()).unwrap();
    let sums = sums.aggregate(&[Aggregate::new("n", Reduction::Sum)]).unwrap();
    assert_eq!(lines(&sums.collect().unwrap()), ["a|9", "b|6"]);
}
