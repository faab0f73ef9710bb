//! How CSV files are to be read, and the names of column types.

use crate::{FrameError, Result};
use arrow::datatypes::{DataType, TimeUnit};
use bitcode::{Decode, Encode};

/// How CSV files are to be read. The defaults are those of pandas and Dask.
#[derive(Clone, Debug, Encode, Decode)]
pub struct CsvOptions {
    /// Between fields; one ASCII character.
    pub separator: u8,
    /// Around fields.
    pub quote: u8,
    /// Whether the first line of each file names the columns.
    pub header: bool,
    /// The columns' names, instead of those in the header or beside none.
    pub names: Option<Vec<String>>,
    /// Only these columns.
    pub columns: Option<Vec<String>>,
    /// Types of columns, by name (see [`dtype_from_name`]); the others' are found in the sample.
    pub dtypes: Vec<(String, String)>,
    /// Columns that hold dates or times.
    pub dates: Vec<String>,
    /// About how long a partition is, in bytes; `None` for one partition per file.
    pub block_bytes: Option<u64>,
    /// Texts that mean "no value".
    pub missing: Vec<String>,
    /// How much of the first file decides the types, in bytes.
    pub sample_bytes: usize,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            separator: b',',
            quote: b'"',
            header: true,
            names: None,
            columns: None,
            dtypes: Vec::new(),
            dates: Vec::new(),
            block_bytes: Some(64_000_000),
            missing: super::MISSING_TEXTS.iter().map(|&text| text.to_owned()).collect(),
            sample_bytes: 256_000,
        }
    }
}

/// NumPy's and pandas' names of column types, and the types that hold them.
const NAMES: [(&str, DataType); 17] = [
    ("int64", DataType::Int64),
    ("float64", DataType::Float64),
    ("str", DataType::Utf8View),
    ("bool", DataType::Boolean),
    ("datetime64[us]", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("datetime64[ns]", DataType::Timestamp(TimeUnit::Nanosecond, None)),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float32", DataType::Float32),
    ("string", DataType::Utf8View),
    ("object", DataType::Utf8View),
    ("category", DataType::Utf8View),
];

/// The type that a name of NumPy or pandas means: `int64`, `float32`, `str`, `datetime64[ns]`...
///
/// # Errors
/// If there is none; the message lists the names.
pub fn dtype_from_name(name: &str) -> Result<DataType> {
    let plain = name.to_lowercase();
    let found = NAMES.iter().find(|(known, _)| *known == plain || matches!((*known, &*plain), ("bool", "boolean")));
    found.map(|(_, dtype)| dtype.clone()).ok_or_else(|| {
        let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        FrameError::Type(format!("dtype '{name}' is not supported in CSV files\nhint: use one of {}", names.join(", ")))
    })
}

/// NumPy's name of a column type.
pub fn dtype_name(dtype: &DataType) -> String {
    let found = NAMES.iter().find(|(_, known)| known == dtype);
    found.map_or_else(|| dtype.to_string(), |(name, _)| (*name).to_owned())
}
