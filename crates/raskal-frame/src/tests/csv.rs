//! Reading CSV files.

use super::{folder, lines, read};
use crate::{CsvOptions, FrameError};
use arrow::datatypes::DataType;
use proptest::prelude::*;

const TABLE: &str = "name,id,\"x, y\"\nAda,1,0.5\n\"Bob \"\"the\"\" long-named\",2,\nAda,3,-1e3\nNA,4,7\n";

#[test]
fn names_types_and_missing_values_are_those_of_pandas() {
    let folder = folder(&[("t.csv", TABLE)]);
    let frame = read(&folder, CsvOptions::default()).unwrap();
    assert_eq!(frame.names(), ["name", "id", "x, y"]);
    let types: Vec<_> = frame.columns().iter().map(|column| frame.dtype(column).unwrap()).collect();
    assert_eq!(types, [DataType::Utf8View, DataType::Int64, DataType::Float64]);
    let rows = lines(&frame.collect().unwrap());
    assert_eq!(rows, ["0|Ada|1|0.5", "1|Bob \"the\" long-named|2|", "2|Ada|3|-1000.0", "3||4|7.0"]);
}

#[test]
fn the_index_counts_the_rows_of_each_partition() {
    let folder = folder(&[("1.csv", "x\n1\n2\n"), ("2.csv", "x\n3\n4\n5\n")]);
    let frame = read(&folder, CsvOptions::default()).unwrap();
    assert_eq!(frame.partitions(), 2);
    assert_eq!(lines(&frame.collect().unwrap()), ["0|1", "1|2", "0|3", "1|4", "2|5"]);
    assert_eq!(lines(&frame.select_partitions(&[1]).unwrap().collect().unwrap()), ["0|3", "1|4", "2|5"]);
    assert_eq!(lines(&frame.head(1).unwrap().collect().unwrap()), ["0|1"]);
    assert!(frame.select_partitions(&[2]).unwrap_err().to_string().contains("partition 2 of a dataframe with 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_row_is_read_once_however_the_file_is_cut(
        rows in prop::collection::vec(("[a-z]{0,30}", any::<i32>()), 0..40),
        block_bytes in 1u64..200,
        carriage_returns in any::<bool>(),
        last_line_ends in any::<bool>(),
    ) {
        let end = if carriage_returns { "\r\n" } else { "\n" };
        let mut text = format!("word,number{end}");
        for (word, number) in &rows {
            text.push_str(&format!("w{word},{number}{end}"));
        }
        if !last_line_ends {
            text.truncate(text.trim_end().len());
        }
        let folder = folder(&[("t.csv", &text)]);
        let mut options = CsvOptions { block_bytes: Some(block_bytes), ..CsvOptions::default() };
        options.dtypes = vec![("number".into(), "int64".into()), ("word".into(), "str".into())];
        let frame = read(&folder, options).unwrap();
        let found: Vec<String> = lines(&frame.collect().unwrap());
        let found: Vec<&str> = found.iter().map(|line| line.split_once('|').unwrap().1).collect();
        let expected: Vec<String> = rows.iter().map(|(word, number)| format!("w{word}|{number}")).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_long_row_is_refused_with_file_and_line() {
    let good = "1,2\n".repeat(100_000);
    let folder = folder(&[("t.csv", &format!("a,b\n{good}3,4,5\n6,7\n"))]);
    for block_bytes in [None, Some(10_000)] {
        let frame = read(&folder, CsvOptions { block_bytes, ..CsvOptions::default() }).unwrap();
        let error = frame.collect().unwrap_err();
        let FrameError::TooManyFields { line, fields, columns, .. } = &error else { panic!("{error}") };
        assert_eq!((*line, *fields, *columns), (100_002, 3, 2));
        assert!(error.to_string().contains("t.csv, line 100002: the row has 3 fields, the table has 2 columns"));
    }
    let early = super::folder(&[("t.csv", "a,b\n1,2\n3,4,5\n")]);
    assert!(read(&early, CsvOptions::default()).unwrap_err().to_string().contains("line 3"));
}

#[test]
fn a_field_that_does_not_fit_names_its_line_and_a_type_that_would() {
    let good = "1\n".repeat(200_000);
    let folder = folder(&[("t.csv", &format!("a\n{good}1.5\n"))]);
    let frame = read(&folder, CsvOptions::default()).unwrap();
    let error = frame.collect().unwrap_err().to_string();
    assert!(error.contains("t.csv, line 200002: '1.5' in column 'a' is not int64"), "{error}");
    assert!(error.contains("dtype={'a': 'float64'}"), "{error}");
}

#[test]
fn files_of_other_columns_and_open_quotes_are_refused() {
    let other = folder(&[("1.csv", "a,b\n1,2\n"), ("2.csv", "a,c\n1,2\n")]);
    let error = read(&other, CsvOptions::default()).unwrap().collect().unwrap_err().to_string();
    assert!(error.contains("2.csv: the header is 'a,c', that of the first file is 'a,b'"), "{error}");
    let open = folder(&[("1.csv", "a,b\n1,2\n3,\"4\n")]);
    let options = CsvOptions { dtypes: vec![("b".into(), "str".into())], ..CsvOptions::default() };
    let error = read(&open, options).unwrap().collect().unwrap_err().to_string();
    assert!(error.contains("line 3: a quote is opened and never closed"), "{error}");
}

#[test]
fn options_that_name_no_column_offer_the_nearest() {
    let folder = folder(&[("t.csv", TABLE)]);
    let options = CsvOptions { columns: Some(vec!["nam".into()]), ..CsvOptions::default() };
    let error = read(&folder, options).unwrap_err().to_string();
    assert!(error.starts_with("column 'nam' does not exist, did you mean 'name'?"), "{error}");
}
