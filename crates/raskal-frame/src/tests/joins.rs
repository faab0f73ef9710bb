//! Joins and orders: rows, and the plans that they are made by.

use super::lines;
use crate::memory::cut;
use crate::{Aggregate, Frame, GroupOptions, How, JoinOptions, Keys, Labels, Origin, Reduction};
use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::record_batch::RecordBatch;
use raskal_graph::Token;
use std::sync::Arc;

/// A table `key`, `name` of whole numbers in so many partitions.
fn table(name: &str, keys: &[i64], parts: usize) -> Frame {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..keys.len() as i64));
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    let batch = RecordBatch::try_from_iter([("key", keys), (name, numbers)]).unwrap();
    let partitions = cut(std::slice::from_ref(&batch), parts);
    Frame::from_partitions(batch.schema(), partitions, &[], Token::of([name])).unwrap()
}

fn joined(left: &Frame, right: &Frame, how: How) -> Frame {
    let key = |frame: &Frame| Keys::Columns(vec![frame.select(&["key"]).unwrap()]);
    let columns = vec![
        (Origin::Key(0), "key".to_owned()),
        (Origin::Left("l".into()), "l".to_owned()),
        (Origin::Right("r".into()), "r".to_owned()),
    ];
    let (left_on, right_on) = (key(left), key(right));
    left.join(right, &JoinOptions { left_on, right_on, how, columns, labels: Labels::Counted }).unwrap()
}

#[test]
fn rows_are_in_the_order_of_the_kept_side_then_of_the_other() {
    let (left, right) = (table("l", &[3, 1, 2, 1], 3), table("r", &[1, 3, 1, 4], 2));
    let inner = joined(&left, &right, How::Inner);
    assert_eq!(inner.partitions(), 3);
    assert_eq!(lines(&inner.collect().unwrap()), ["3|0|1", "1|1|0", "1|1|2", "1|3|0", "1|3|2"]);
    let kept = joined(&left, &right, How::Left).collect().unwrap();
    assert_eq!(lines(&kept), ["3|0|1", "1|1|0", "1|1|2", "2|2|", "1|3|0", "1|3|2"]);
    let kept = joined(&left, &right, How::Right);
    assert_eq!(kept.partitions(), 2);
    assert_eq!(lines(&kept.collect().unwrap()), ["1|1|0", "1|3|0", "3|0|1", "1|1|2", "1|3|2", "4||3"]);
    let all = joined(&left, &right, How::Outer).collect().unwrap();
    assert_eq!(lines(&all), ["1|1|0", "1|1|2", "1|3|0", "1|3|2", "2|2|", "3|0|1", "4||3"]);
}

#[test]
fn a_join_that_is_aggregated_chooses_its_sides_and_one_that_is_seen_does_not() {
    let (left, right) = (table("l", &[3, 1], 1), table("r", &[1; 50], 2));
    let join = joined(&left, &right, How::Inner);
    let steps = |frame: &Frame| frame.explain().unwrap().split("steps").nth(1).unwrap().to_owned();
    assert!(steps(&join).contains("GatherExec: partitions=2"), "{}", steps(&join));
    let sums = join.group_by(&["key"], GroupOptions::default()).unwrap();
    let sums = sums.aggregate(&[Aggregate::new("r", Reduction::Sum)]).unwrap();
    assert!(!steps(&sums).contains("GatherExec"), "{}", steps(&sums));
    assert_eq!(lines(&sums.collect().unwrap()), ["1|1225"]);
}

#[test]
fn places_are_counted_only_where_they_decide() {
    let frame = table("l", &[2, 1, 2, 1], 2);
    let sorted = frame.sort(&[("key".into(), true)], false, None).unwrap();
    assert_eq!(lines(&sorted.collect().unwrap()), ["1|1|1", "1|1|3", "0|2|0", "0|2|2"]);
    assert!(sorted.explain().unwrap().contains("NumberExec"));
    let groups = sorted.group_by(&["key"], GroupOptions { sort: false, drop_missing: true }).unwrap();
    let sums = groups.aggregate(&[Aggregate::new("l", Reduction::Sum)]).unwrap();
    assert_eq!(lines(&sums.collect().unwrap()), ["1|4", "2|2"]);
    let total = frame.reduce(&[Aggregate::new("l", Reduction::Sum)]).unwrap();
    assert_eq!(lines(&total.collect().unwrap()), ["6"]);
    assert!(!total.explain().unwrap().contains("NumberExec"));
}

#[test]
fn one_of_equal_rows_is_the_first_or_the_last() {
    let frame = table("l", &[2, 1, 2, 1], 2);
    assert_eq!(lines(&frame.distinct(&["key"], false).unwrap().collect().unwrap()), ["0|2|0", "1|1|1"]);
    assert_eq!(lines(&frame.distinct(&["key"], true).unwrap().collect().unwrap()), ["0|2|2", "1|1|3"]);
}

#[test]
fn keys_that_differ_in_the_sign_of_zero_or_are_missing_in_two_ways_are_equal() {
    let values = Float64Array::from(vec![Some(0.0), Some(-0.0), None, Some(f64::NAN)]);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(values) as ArrayRef)]).unwrap();
    let frame = Frame::from_partitions(batch.schema(), vec![vec![batch.clone()]], &[], Token::of(["x"])).unwrap();
    assert_eq!(frame.distinct(&["x"], false).unwrap().collect().unwrap().batches[0].num_rows(), 2);
}
