//! The tables that the tests read, as CSV files, Parquet files and in memory.
//!
//! Numbers are multiples of a quarter: sums are exact in any order, so that answers can be compared as they are.

use arrow::array::{Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionContext};
use std::fs::File;
use std::sync::Arc;
use tempfile::TempDir;

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Csv,
    Parquet,
    Memory,
}

/// All places.
pub(crate) const PLACES: [Place; 3] = [Place::Csv, Place::Parquet, Place::Memory];

/// Number of rows of the table `people`.
pub(crate) const PEOPLE: i64 = 300;

const NAMES: [&str; 7] =
    ["Alice", "Bob", "Chloé", "Dan", "a name that is much longer than a string view holds inline", "Eve", "Frank"];

/// 300 rows in parts of unlike length: id, name (sometimes null), x (sometimes null).
fn people() -> Vec<RecordBatch> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("x", DataType::Float64, true),
    ]));
    let part = |ids: std::ops::Range<i64>| {
        let name = |id: i64| (id % 13 != 5).then(|| NAMES[(id * 31 % 101 % 7) as usize]);
        let x = |id: i64| (id % 11 != 3).then(|| (id * 37 % 199) as f64 / 4.0);
        RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(Int64Array::from_iter_values(ids.clone())),
                Arc::new(ids.clone().map(name).collect::<StringArray>()),
                Arc::new(ids.map(x).collect::<Float64Array>()),
            ],
        )
        .unwrap()
    };
    vec![part(0..110), part(110..117), part(117..PEOPLE)]
}

/// Names with a city and a rank; one name has two cities, two names have none.
fn cities() -> Vec<RecordBatch> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("city", DataType::Utf8, true),
        Field::new("rank", DataType::Int64, true),
    ]));
    let part = |rows: &[(&str, &str, i64)]| {
        RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))),
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
            ],
        )
        .unwrap()
    };
    vec![
        part(&[("Alice", "Rome", 2), ("Bob", "Oslo", 1), (NAMES[4], "Lima", 9)]),
        part(&[("Eve", "Rome", 3), ("Zoe", "Oslo", 298), ("Alice", "Lima", 4)]),
    ]
}

/// Registers the tables `people` and `cities`; the files live as long as the folder given back.
pub(crate) fn register(context: &SessionContext, place: Place) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, batches) in [("people", people()), ("cities", cities())] {
        let schema = batches[0].schema();
        if place == Place::Memory {
            let partitions = batches.into_iter().map(|batch| vec![batch]).collect();
            context.register_table(name, Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
            continue;
        }
        let table = folder.path().join(name);
        std::fs::create_dir(&table).unwrap();
        for (number, batch) in batches.iter().enumerate() {
            if place == Place::Csv {
                let file = File::create(table.join(format!("{number}.csv"))).unwrap();
                arrow::csv::Writer::new(file).write(batch).unwrap();
            } else {
                let file = File::create(table.join(format!("{number}.parquet"))).unwrap();
                let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema.clone(), None).unwrap();
                writer.write(batch).unwrap();
                writer.close().unwrap();
            }
        }
        let path = table.to_str().unwrap();
        super::runner::block_on(async {
            if place == Place::Csv {
                context.register_csv(name, path, CsvReadOptions::new().schema(&schema)).await.unwrap();
            } else {
                context.register_parquet(name, path, ParquetReadOptions::default()).await.unwrap();
            }
        });
    }
    folder
}
