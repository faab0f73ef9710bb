//! Names and types of columns, from the beginning of the first file.
//!
//! Start at [`infer`]. The rules are pandas': whole numbers, numbers, truth values, texts; whole numbers with gaps are
//! read as floats, so that the type does not change when a gap is met.

use super::fields::{boolean, float, integer};
use super::missing::Missing;
use super::options::{CsvOptions, dtype_from_name};
use super::rows::{Fields, Layout, split};
use super::structure::Structure;
use crate::files::FileInfo;
use crate::{FrameError, Result};
use arrow::datatypes::{DataType, TimeUnit};
use std::collections::HashMap;
use std::io::Read;

/// What the sample tells.
pub(crate) struct Found {
    pub(crate) names: Vec<String>,
    pub(crate) types: Vec<DataType>,
    pub(crate) header: Vec<u8>,
}

pub(crate) fn infer(files: &[FileInfo], options: &CsvOptions) -> Result<Found> {
    let Some(file) = files.iter().find(|file| file.size_bytes > 0) else {
        let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
        return Err(FrameError::Value(format!("{path}: the file is empty, it names no columns")));
    };
    let error = |why: std::io::Error| FrameError::File { path: file.path.clone(), why: why.to_string() };
    let mut text = Vec::new();
    let opened = std::fs::File::open(&file.path).map_err(error)?;
    opened.take(options.sample_bytes.max(1) as u64).read_to_end(&mut text).map_err(error)?;
    let whole = text.len() as u64 >= file.size_bytes;
    if whole && text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let skip = bom(&text);
    let structure = Structure { separator: options.separator, quote: options.quote };
    let first_line = text[skip..].split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
    let first = first_row(structure, first_line);
    let header = if options.header { first_line.to_vec() } else { Vec::new() };
    let names = match (&options.names, options.header) {
        (Some(names), _) => names.clone(),
        (None, true) => unique(&first),
        (None, false) => (0..first.len()).map(|place| place.to_string()).collect(),
    };
    let body = &text[skip + header.len()..];
    let rows = read_rows(structure, names.len(), body).map_err(|(offset, fields)| {
        let before = &text[..skip + header.len() + offset];
        FrameError::TooManyFields {
            path: file.path.clone(),
            line: before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1,
            fields,
            columns: names.len(),
        }
    })?;
    let missing = Missing::new(&options.missing);
    let given: HashMap<_, _> = options.dtypes.iter().map(|(name, dtype)| (name.as_str(), dtype.as_str())).collect();
    let types = names
        .iter()
        .zip(&rows)
        .map(|(name, fields)| match given.get(name.as_str()) {
            Some(dtype) => dtype_from_name(dtype),
            None if options.dates.contains(name) => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
            None => Ok(type_of((0..fields.starts.len()).map(|row| &body[fields.get(row).0]), &missing)),
        })
        .collect::<Result<_>>()?;
    Ok(Found { names, types, header })
}

/// Length of the byte order mark that some programs put in front.
pub(crate) fn bom(text: &[u8]) -> usize {
    if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

fn read_rows(structure: Structure, columns: usize, text: &[u8]) -> Result<Vec<Fields>, (usize, usize)> {
    let layout = Layout { structure, columns, wanted: (0..columns).collect() };
    let mut positions = vec![0; text.len()];
    let count = structure.positions(text, &mut positions);
    let mut fields: Vec<Fields> = (0..columns).map(|_| Fields::default()).collect();
    let split = split(&layout, text, &positions[..count], text.len(), &mut fields);
    match split.too_many {
        Some(row) => Err(row),
        None => Ok(fields),
    }
}

/// The fields of one line.
fn first_row(structure: Structure, line: &[u8]) -> Vec<String> {
    let line = if line.ends_with(b"\n") { line.to_vec() } else { [line, b"\n"].concat() };
    // A table without columns has too many fields in any row, and the complaint counts them.
    let Err((_, count)) = read_rows(structure, 0, &line) else { return Vec::new() };
    let Ok(fields) = read_rows(structure, count, &line) else { return Vec::new() };
    let quote = char::from(structure.quote).to_string();
    let text = |field: &Fields| {
        let (range, quoted) = field.get(0);
        let text = String::from_utf8_lossy(&line[range]).into_owned();
        if quoted { text.replace(&quote.repeat(2), &quote) } else { text }
    };
    fields.iter().filter(|field| !field.starts.is_empty()).map(text).collect()
}

/// pandas' names for columns without or with repeated names.
fn unique(names: &[String]) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut result = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let base = if name.is_empty() { format!("Unnamed: {place}") } else { name.clone() };
        let count = seen.entry(base.clone()).or_insert(0);
        result.push(if *count == 0 { base.clone() } else { format!("{base}.{count}") });
        *count += 1;
    }
    result
}

/// The narrowest type that all fields fit.
fn type_of<'a>(fields: impl Iterator<Item = &'a [u8]>, missing: &Missing) -> DataType {
    let (mut integers, mut floats, mut booleans, mut gaps, mut values) = (true, true, true, false, 0);
    for field in fields {
        let trimmed = field.trim_ascii();
        if missing.contains(trimmed) {
            gaps = true;
            continue;
        }
        values += 1;
        integers = integers && integer(field).is_some();
        floats = floats && float(field).is_some();
        booleans = booleans && boolean(trimmed).is_some();
        if !(floats || booleans) {
            return DataType::Utf8View;
        }
    }
    match (values, integers, floats) {
        (0, ..) => DataType::Float64,
        (_, true, _) if !gaps => DataType::Int64,
        (_, _, true) => DataType::Float64,
        _ => DataType::Boolean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_pandas_would_find() {
        let missing = Missing::new(&CsvOptions::default().missing);
        let of = |fields: &[&str]| type_of(fields.iter().map(|field| field.as_bytes()), &missing);
        assert_eq!(of(&["1", "-2"]), DataType::Int64);
        assert_eq!(of(&["1", ""]), DataType::Float64);
        assert_eq!(of(&["1", "2.5"]), DataType::Float64);
        assert_eq!(of(&["True", "false"]), DataType::Boolean);
        assert_eq!(of(&["1", "x"]), DataType::Utf8View);
        assert_eq!(of(&["", "NA"]), DataType::Float64);
    }

    #[test]
    fn headers_may_be_quoted_repeated_or_empty() {
        let structure = Structure { separator: b',', quote: b'"' };
        assert_eq!(first_row(structure, b"a,\"b, \"\"c\"\"\",d\r\n"), ["a", "b, \"c\"", "d"]);
        assert_eq!(unique(&["x".into(), "x".into(), String::new()]), ["x", "x.1", "Unnamed: 2"]);
    }
}
