//! Group-by, reductions, expressions and filters.

use super::{folder, lines, read};
use crate::expression::{Binary, binary};
use crate::{Aggregate, CsvOptions, Frame, GroupOptions, Reduction};
use arrow::array::{Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::lit;
use raskal_graph::Token;
use std::sync::Arc;

fn people() -> (tempfile::TempDir, Frame) {
    let folder =
        folder(&[("1.csv", "name,x,n\nBob,1,1\nAda,2,2\n,3,3\n"), ("2.csv", "name,x,n\nAda,,4\nBob,5,5\nCyd,,6\n")]);
    let frame = read(&folder, CsvOptions::default()).unwrap();
    (folder, frame)
}

/// One column `x` with both kinds of missing value.
fn gaps() -> Frame {
    let schema = Arc::new(Schema::new(vec![
        Field::new("__index_0__", DataType::Int64, false),
        Field::new("x", DataType::Float64, true),
    ]));
    let index = Arc::new(Int64Array::from(vec![10, 11, 12, 13]));
    let x = Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None, Some(-1.0)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![index, x]).unwrap();
    Frame::from_partitions(schema, vec![vec![batch]], &[None], Token::of(["gaps"])).unwrap()
}

#[test]
fn groups_come_sorted_without_missing_keys_and_skip_missing_values() {
    let (_folder, frame) = people();
    let all = [
        Reduction::Mean,
        Reduction::Sum,
        Reduction::Count,
        Reduction::Size,
        Reduction::Min,
        Reduction::Max,
        Reduction::Distinct,
    ];
    let aggregates: Vec<_> = all
        .iter()
        .map(|&reduction| Aggregate { column: "x".into(), reduction, name: format!("{reduction:?}") })
        .collect();
    let grouped = frame.group_by(&["name"], GroupOptions::default()).unwrap();
    let rows = lines(&grouped.aggregate(&aggregates).unwrap().collect().unwrap());
    assert_eq!(rows, ["Ada|2.0|2|1|2|2|2|1", "Bob|3.0|6|2|2|1|5|2", "Cyd||0|0|1|||0"]);
    let keep = GroupOptions { drop_missing: false, ..GroupOptions::default() };
    let rows = frame.group_by(&["name"], keep).unwrap().aggregate(&[Aggregate::new("n", Reduction::Sum)]).unwrap();
    assert_eq!(lines(&rows.collect().unwrap()), ["Ada|6", "Bob|6", "Cyd|6", "|3"]);
}

#[test]
fn nan_is_missing_for_reductions_comparisons_and_filters() {
    let frame = gaps();
    let x = frame.column("x").unwrap().value.clone();
    let sum = frame.reduce(&[
        Aggregate::new("x", Reduction::Sum),
        Aggregate { name: "n".into(), ..Aggregate::new("x", Reduction::Count) },
    ]);
    assert_eq!(lines(&sum.unwrap().collect().unwrap()), ["0.0|2"]);
    let compare = |operation, right| {
        let schema = frame.base().schema();
        frame.assign_value("c", binary(operation, x.clone(), right, schema).unwrap()).select(&["c"]).unwrap()
    };
    let column = |frame: &Frame| -> Vec<String> {
        lines(&frame.collect().unwrap()).iter().map(|line| line.split_once('|').unwrap().1.to_owned()).collect()
    };
    assert_eq!(column(&compare(Binary::Greater, lit(0.0))), ["true", "false", "false", "false"]);
    assert_eq!(column(&compare(Binary::Less, lit(0.0))), ["false", "false", "false", "true"]);
    assert_eq!(column(&compare(Binary::Equal, x.clone())), ["true", "false", "false", "true"]);
    assert_eq!(column(&compare(Binary::NotEqual, x.clone())), ["false", "true", "true", "false"]);
    let kept = frame.filter(&compare(Binary::GreaterEqual, lit(-5i64))).unwrap();
    assert_eq!(lines(&kept.collect().unwrap()), ["10|1.0", "13|-1.0"]);
}

#[test]
fn filters_keep_the_order_of_rows_and_their_labels() {
    let (_folder, frame) = people();
    let n = frame.column("n").unwrap().value.clone();
    let odd = binary(Binary::NotEqual, n, lit(2i64), frame.base().schema()).unwrap();
    let condition = frame.assign_value("c", odd).select(&["c"]).unwrap();
    let kept = frame.filter(&condition).unwrap().select(&["n"]).unwrap();
    assert_eq!(lines(&kept.collect().unwrap()), ["0|1", "2|3", "0|4", "1|5", "2|6"]);
    let error = frame.filter(&condition).unwrap().filter(&condition).unwrap_err().to_string();
    assert!(error.starts_with("cannot combine a dataframe of 3 columns and column 'c'"), "{error}");
}

#[test]
fn columns_assigned_in_a_loop_do_not_grow_without_end() {
    let mut frame = gaps();
    for _ in 0..40 {
        let x = frame.column("x").unwrap().value.clone();
        let doubled = binary(Binary::Add, x.clone(), x, frame.base().schema()).unwrap();
        frame = frame.assign_value("x", doubled);
    }
    let expected = (1u64 << 40) as f64;
    assert_eq!(lines(&frame.collect().unwrap())[0], format!("10|{expected:?}"));
}
