//! Frames as tasks: the same rows as from the engine alone, with functions of a host language in between.

use super::runner::{Runner, rows};
use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::lit;
use raskal_frame::nodes::map::Mapper;
use raskal_frame::stage::lower_frame;
use raskal_frame::tasks::TaskInputs;
use raskal_frame::{Aggregate, CsvOptions, Frame, GroupOptions, Reduction, codec, udf};
use raskal_graph::Token;
use raskal_runtime::{Failure, ProgramBuilder};
use raskal_store::Batches;
use raskal_types::{ErrorKind, SlotClass};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

/// Three CSV files of unlike length: g (text), n (integers), x (numbers, sometimes missing).
fn csv() -> (TempDir, Frame) {
    let folder = tempfile::tempdir().unwrap();
    for (file, ids) in [0..40, 40..41, 41..100].into_iter().enumerate() {
        let mut text = String::from("g,n,x\n");
        for id in ids {
            let x = if id % 9 == 4 { String::new() } else { format!("{}.25", id % 23) };
            text.push_str(&format!("group {},{id},{x}\n", id * 7 % 5));
        }
        std::fs::write(folder.path().join(format!("{file}.csv")), text).unwrap();
    }
    let pattern = folder.path().join("*.csv").to_string_lossy().into_owned();
    (folder, Frame::read_csv(&[pattern], CsvOptions::default()).unwrap())
}

/// The rows of a frame run task by task.
fn stages(frame: &Frame, partitions: usize) -> Result<Vec<String>, Failure> {
    let (mut runner, _) = lowered(frame, partitions);
    Ok(rows(&runner.run()?))
}

fn lowered(frame: &Frame, partitions: usize) -> (Runner, Vec<SlotClass>) {
    let mut builder = ProgramBuilder::new();
    let layer =
        lower_frame(frame, partitions, &TaskInputs::new(), &mut builder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(builder.graph().layer(layer).shape, [frame.partitions() as u32]);
    let classes = builder.graph().layers().iter().map(|layer| layer.class).collect();
    let wanted = builder.graph().tasks(layer).collect();
    (Runner::new(builder.finish(wanted)), classes)
}

fn check(frame: &Frame) {
    let expected = rows(&frame.collect().unwrap().batches);
    assert!(!expected.is_empty());
    for partitions in [1, 2, 5] {
        assert_eq!(
            stages(frame, partitions).unwrap_or_else(|error| panic!("{error}")),
            expected,
            "{partitions} partitions"
        );
    }
}

fn means(frame: &Frame, sort: bool) -> Frame {
    let options = GroupOptions { sort, ..GroupOptions::default() };
    let wanted = [("x", Reduction::Mean), ("n", Reduction::Sum), ("n", Reduction::Size)];
    let mut aggregates: Vec<_> =
        wanted.into_iter().map(|(column, reduction)| Aggregate::new(column, reduction)).collect();
    aggregates[2].name = "size".into();
    frame.group_by(&["g"], options).unwrap().aggregate(&aggregates).unwrap()
}

fn above(frame: &Frame, bound: i64) -> Frame {
    let condition = frame.column("n").unwrap().value.clone().gt(lit(bound));
    frame.filter(&frame.assign_value("c", condition).select(&["c"]).unwrap()).unwrap()
}

#[test]
fn a_group_by_over_csv_gives_the_rows_of_one_query() {
    let (_folder, frame) = csv();
    check(&means(&frame, true));
    let unsorted = means(&frame, false);
    let mut expected = rows(&unsorted.collect().unwrap().batches);
    let mut got = stages(&unsorted, 3).unwrap();
    expected.sort();
    got.sort();
    assert_eq!((got.len(), got), (5, expected));
}

#[test]
fn row_wise_steps_keep_rows_labels_and_partitions() {
    let (_folder, frame) = csv();
    check(&frame);
    check(&above(&frame, 30));
    check(&above(&frame, 30).select_partitions(&[2, 0]).unwrap());
    check(&frame.head(5).unwrap());
    check(&frame.reduce(&[Aggregate::new("n", Reduction::Sum), Aggregate::new("x", Reduction::Count)]).unwrap());
}

#[test]
fn partitions_that_are_not_chosen_are_not_run() {
    let (_folder, frame) = csv();
    let (mut runner, _) = lowered(&reversed(&frame).select_partitions(&[1]).unwrap(), 3);
    assert_eq!(rows(&runner.run().unwrap()).len(), 1);
    let tasks = raskal_graph::order(&runner.program.graph, &runner.program.wanted);
    assert_eq!(tasks.len(), 3, "one read, one map, one that hands on");
}

#[test]
fn parquet_files_keep_the_numbers_of_their_rows() {
    let (_csv, frame) = csv();
    let folder = tempfile::tempdir().unwrap();
    for file in 0..3 {
        let part = frame.select_partitions(&[file]).unwrap().reset_index(true).unwrap().collect().unwrap();
        let writer = std::fs::File::create(folder.path().join(format!("{file}.parquet"))).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(writer, part.schema.clone(), None).unwrap();
        part.batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
    }
    let stored = Frame::read_parquet(&[folder.path().to_string_lossy().into_owned()]).unwrap();
    assert_eq!(stored.partitions(), 3);
    check(&stored);
    check(&above(&stored, 30));
    check(&means(&stored, true));
}

#[test]
fn a_file_rewritten_with_the_same_length_gives_other_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.parquet");
    let write = |number: i64| {
        let column = Arc::new(Int64Array::from(vec![number])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        std::fs::File::open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
        let frame = Frame::read_parquet(&[folder.path().to_string_lossy().into_owned()]).unwrap();
        let (mut runner, _) = lowered(&frame, 2);
        (runner.program.graph.layers()[0].prefix.clone(), rows(&runner.run().unwrap()), path.metadata().unwrap().len())
    };
    let ((first, one, length), (second, two, same)) = (write(1), write(2));
    assert_eq!((one, two, length), (vec!["0|1".to_owned()], vec!["0|2".to_owned()], same));
    assert_ne!(first, second);
    assert_eq!(write(1).0, first);
}

#[test]
fn tables_in_memory_become_values_of_the_graph() {
    let (_folder, frame) = csv();
    let schema = frame.schema().unwrap();
    let parts = (0..3).map(|part| frame.select_partitions(&[part]).unwrap().collect().unwrap().batches).collect();
    let memory = Frame::from_partitions(schema, parts, &[None], Token::of(["memory"])).unwrap();
    check(&memory);
    check(&above(&memory, 30));
    check(&means(&memory, true));
    let (runner, _) = lowered(&memory, 2);
    assert!(runner.program.graph.layers()[0].prefix.starts_with("memory-"));
    let encoded: usize = runner.program.functions[1..].iter().map(|one| one.encode().unwrap().shared.len()).sum();
    assert!(encoded < 5000, "the plan carries {encoded} bytes, so it carries the table");
}

/// Reverses each partition and puts its number into the column n.
#[derive(Debug)]
struct Reverse;

/// Slot class and thread matter only to a real host language; the test mapper records on which thread it ran.
static THREADS: Mutex<Vec<std::thread::ThreadId>> = Mutex::new(Vec::new());

impl Mapper for Reverse {
    fn map(&self, partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure> {
        let rows = arrow::compute::concat_batches(&input.schema, &input.batches).map_err(Failure::internal)?;
        let indices = Int64Array::from_iter_values((0..rows.num_rows() as i64).rev());
        let take = |column: &ArrayRef| arrow::compute::take(column, &indices, None).map_err(Failure::internal);
        let mut columns = rows.columns().iter().map(take).collect::<Result<Vec<_>, _>>()?;
        let number = input.schema.index_of("n").map_err(Failure::internal)?;
        columns[number] = Arc::new(Int64Array::from(vec![partition as i64; rows.num_rows()]));
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

/// Doubles a column of integers; refuses 13.
#[derive(Debug)]
struct Double;

impl Mapper for Double {
    fn map(&self, _partition: usize, input: Batches) -> Result<Vec<RecordBatch>, Failure> {
        THREADS.lock().unwrap().push(std::thread::current().id());
        let double = |batch: RecordBatch| {
            let numbers = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            if numbers.iter().any(|number| number == Some(13)) {
                return Err(Failure::new(ErrorKind::User, "13 is refused"));
            }
            let doubled = Int64Array::from_iter(numbers.iter().map(|number| number.map(|number| number * 2)));
            RecordBatch::try_from_iter([("n", Arc::new(doubled) as ArrayRef)]).map_err(Failure::internal)
        };
        input.batches.into_iter().map(double).collect()
    }

    fn describe(&self) -> String {
        "double".into()
    }

    fn token(&self) -> String {
        "9876543210".into()
    }

    fn encode(&self) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok(("test.double", vec![]))
    }
}

fn reversed(frame: &Frame) -> Frame {
    codec::register_mapper("test.reverse", |_| Ok(Arc::new(Reverse)));
    let schema: Arc<Schema> = frame.schema().unwrap();
    frame.map_partitions(Arc::new(Reverse), schema, &[None], false).unwrap()
}

fn doubled(frame: &Frame) -> Frame {
    codec::register_mapper("test.double", |_| Ok(Arc::new(Double)));
    let n = frame.column("n").unwrap().value.clone();
    frame.assign_value("n", udf::map_columns(Arc::new(Double), DataType::Int64, vec![n]))
}

#[test]
fn a_function_on_partitions_is_a_layer_of_python_tasks_between_native_ones() {
    let (_folder, frame) = csv();
    check(&reversed(&frame));
    check(&reversed(&above(&reversed(&frame), 0)));
    check(&means(&reversed(&frame), true));
    let (_, classes) = lowered(&means(&reversed(&frame), true), 2);
    assert_eq!(classes.iter().filter(|class| **class == SlotClass::Python).count(), 1);
    assert_eq!(classes[1], SlotClass::Python);
}

#[test]
fn a_function_in_an_expression_runs_on_the_thread_of_its_task() {
    let (_folder, frame) = csv();
    let frame = doubled(&above(&frame, 13));
    check(&frame);
    check(&means(&frame, true));
    let (mut runner, classes) = lowered(&frame, 2);
    assert_eq!(classes, [SlotClass::Python]);
    let mine =
        |threads: &[std::thread::ThreadId]| threads.iter().filter(|id| **id == std::thread::current().id()).count();
    let before = mine(&THREADS.lock().unwrap());
    runner.run().unwrap();
    assert_eq!(mine(&THREADS.lock().unwrap()) - before, 3, "one call per partition that has rows");
}

#[test]
fn an_exception_of_a_function_comes_back_as_itself() {
    let (_folder, frame) = csv();
    let error = stages(&doubled(&frame), 2).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::User, "13 is refused"));
    let error = stages(&means(&doubled(&frame), true), 2).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::User, "13 is refused"));
}
