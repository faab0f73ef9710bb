//! One schema for many files: what their footers say, compared.
//!
//! Start at [`unified`]. Files of one table are seldom written by one program on one day: a whole number is wider here than
//! there, a column that was all missing has no type. Such differences are settled; a column that one file lacks, or that
//! holds texts here and numbers there, is an error that names file and column.

use crate::files::FileInfo;
use crate::{FrameError, Result};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads the schema in the footer of a file.
///
/// # Errors
/// If the file is gone, or is not Parquet.
pub(super) fn footer(file: &FileInfo) -> Result<SchemaRef> {
    let error = |why: String| FrameError::File { path: file.path.clone(), why };
    let opened = std::fs::File::open(&file.path).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => {
            FrameError::NoFiles { pattern: file.path.clone(), hint: "the file was there when it was listed".into() }
        }
        _ => error(why.to_string()),
    })?;
    let metadata = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new())
        .map_err(|why| error(format!("not a Parquet file: {why}")))?;
    Ok(metadata.schema().clone())
}

/// The fields that hold the rows of all files: of these columns if any are named, and of the index. Notes are the first
/// file's.
///
/// # Errors
/// If a file is gone or is not Parquet; if a column does not exist, or is missing in some files, or is of types that have
/// nothing in common.
pub(super) fn unified(
    files: &[FileInfo],
    columns: Option<Vec<String>>,
    index: impl Fn(&Schema) -> Vec<String>,
) -> Result<SchemaRef> {
    let first = footer(&files[0])?;
    if let Some(name) = columns.iter().flatten().find(|name| first.field_with_name(name).is_err()) {
        let columns = first.fields().iter().map(|field| field.name().clone()).collect();
        return Err(FrameError::NoColumn { name: name.clone(), columns });
    }
    let columns = columns.map(|mut names| {
        names.extend(index(&first));
        names
    });
    let wanted = |schema: &Schema| match &columns {
        None => schema.fields().to_vec(),
        Some(names) => schema.fields().iter().filter(|field| names.contains(field.name())).cloned().collect(),
    };
    let mut fields: Vec<Arc<Field>> = wanted(&first);
    for (place, schema) in others(files, &first)? {
        let (one, other) = (&files[0].path, &files[place].path);
        let own = wanted(&schema);
        for field in &own {
            if !fields.iter().any(|known| known.name() == field.name()) {
                return Err(missing(one, other, field.name()));
            }
        }
        for known in &mut fields {
            let Some(field) = own.iter().find(|field| field.name() == known.name()) else {
                return Err(missing(other, one, known.name()));
            };
            let common = common(known.data_type(), field.data_type()).ok_or_else(|| {
                FrameError::Value(format!(
                    "column '{}' is {} in {one}, {} in {other}\n\
                     hint: write one of them anew with the other's type, or leave the column out with columns=[...]",
                    known.name(),
                    known.data_type(),
                    field.data_type()
                ))
            })?;
            *known = Arc::new(Field::new(known.name(), common, known.is_nullable() || field.is_nullable()));
        }
    }
    Ok(Arc::new(Schema::new(fields).with_metadata(first.metadata().clone())))
}

fn missing(without: &str, with: &str, column: &str) -> FrameError {
    FrameError::Value(format!(
        "{without} has no column '{column}', {with} has\n\
         hint: read files of one kind by a pattern, or only the columns that all have, with columns=[...]"
    ))
}

/// The schemas of the files behind the first that differ from its, and their places.
fn others(files: &[FileInfo], first: &Schema) -> Result<Vec<(usize, SchemaRef)>> {
    let next = AtomicUsize::new(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let work = || {
        let mut found = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(place) else { return Ok(found) };
            let schema = footer(file)?;
            if !alike(&schema, first) {
                found.push((place, schema));
            }
        }
    };
    let results: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut all: Vec<_> = results.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    all.sort_by_key(|(place, _)| *place);
    Ok(all)
}

fn alike(one: &Schema, other: &Schema) -> bool {
    one.fields().len() == other.fields().len()
        && one.fields().iter().zip(other.fields()).all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

/// The type that holds the values of both, as pandas would choose it.
fn common(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{Dictionary, LargeUtf8, Null, Timestamp, Utf8, Utf8View};
    match (one, other) {
        _ if one == other => Some(one.clone()),
        (Null, known) | (known, Null) => Some(known.clone()),
        (Dictionary(key, value), Dictionary(other_key, other_value)) => {
            let key = if key.size() >= other_key.size() { key } else { other_key };
            Some(Dictionary(key.clone(), Box::new(common(value, other_value)?)))
        }
        (Dictionary(_, value), plain) | (plain, Dictionary(_, value)) => common(value, plain),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(LargeUtf8),
        (Timestamp(unit, zone), Timestamp(other_unit, other_zone)) if zone == other_zone => {
            let unit = if finer(unit) >= finer(other_unit) { unit } else { other_unit };
            Some(Timestamp(*unit, zone.clone()))
        }
        _ if one.is_numeric() && other.is_numeric() => number(one, other),
        _ => None,
    }
}

fn finer(unit: &TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// Whole numbers with floats are floats, as where pandas wrote a file in which some were missing.
fn number(one: &DataType, other: &DataType) -> Option<DataType> {
    let bits = |dtype: &DataType| dtype.primitive_width().unwrap_or(8);
    let wider = |a: &DataType, b: &DataType| if bits(a) >= bits(b) { a.clone() } else { b.clone() };
    let decimal = |dtype: &DataType| matches!(dtype, DataType::Decimal128(..) | DataType::Decimal256(..));
    if decimal(one) || decimal(other) {
        return None;
    }
    match (one.is_floating(), other.is_floating()) {
        (true, true) => Some(wider(one, other)),
        (true, false) | (false, true) => Some(DataType::Float64),
        (false, false) if one.is_signed_integer() == other.is_signed_integer() => Some(wider(one, other)),
        _ => Some(DataType::Int64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{Float32, Float64, Int8, Int32, Int64, LargeUtf8, Null, UInt8, Utf8};

    #[test]
    fn types_that_have_something_in_common_are_settled() {
        let cases = [
            (Int32, Int64, Some(Int64)),
            (Int64, Float64, Some(Float64)),
            (Int8, Float32, Some(Float64)),
            (Null, Utf8, Some(Utf8)),
            (UInt8, Int32, Some(Int64)),
            (Utf8, LargeUtf8, Some(LargeUtf8)),
            (Utf8, Int64, None),
        ];
        for (one, other, expected) in cases {
            assert_eq!(common(&one, &other), expected, "{one} {other}");
            assert_eq!(common(&other, &one), expected, "{other} {one}");
        }
    }
}
