//! What can go wrong with a dataframe, each with the value at fault and what to do.
//!
//! Start at [`FrameError`]; [`FrameError::from_engine`] finds it again inside an error of the engine.

use datafusion::error::DataFusionError;
use raskal_runtime::Failure;
use raskal_types::ErrorKind;

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FrameError {
    /// A path or pattern matches no file.
    #[error("no file matches '{pattern}'\nhint: {hint}")]
    NoFiles {
        /// What was asked for.
        pattern: String,
        /// What to do.
        hint: String,
    },
    /// A CSV row has more fields than there are columns.
    #[error(
        "{path}, line {line}: the row has {fields} fields, the table has {columns} columns\n\
         hint: quote fields that contain the separator, or pass sep= if the separator is another one"
    )]
    TooManyFields {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: u64,
        /// Fields in the row.
        fields: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// A CSV field does not fit its column's type.
    #[error(
        "{path}, line {line}: '{text}' in column '{column}' is not {dtype}, the type found in the first rows\n\
         hint: pass dtype={{'{column}': '{suggestion}'}}"
    )]
    Field {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// The field's text.
        text: String,
        /// The column's type.
        dtype: String,
        /// A type that would do.
        suggestion: String,
    },
    /// A file's text can't be read.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// A column does not exist.
    #[error("column '{name}' does not exist{}\nhint: the columns are {}", nearest(name, columns), list(columns))]
    NoColumn {
        /// What was asked for.
        name: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// Two frames do not come from the same rows.
    #[error(
        "cannot combine {left} and {right}: they do not come from the same rows\n\
         hint: make both from one dataframe after the same filters, or compute() one of them first"
    )]
    Alignment {
        /// The first.
        left: String,
        /// The second.
        right: String,
    },
    /// Not supported, and what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// A value that is out of range or does not fit.
    #[error("{0}")]
    Value(String),
    /// A value of the wrong type.
    #[error("{0}")]
    Type(String),
    /// The query was interrupted.
    #[error("the query was cancelled")]
    Cancelled,
    /// A function given from outside failed.
    #[error("{0}")]
    Function(Failure),
    /// A step needs more memory than the limit leaves it.
    #[error("{0}")]
    Memory(String),
    /// The engine refused a plan or failed to run it.
    #[error("{0}")]
    Engine(String),
}

/// `, did you mean 'x'?` for the nearest of `names`, or nothing.
fn nearest(name: &str, names: &[String]) -> String {
    let best = names.iter().map(|other| (distance(name, other), other)).min();
    match best {
        Some((edits, other)) if edits <= name.chars().count().max(3) / 2 => format!(", did you mean '{other}'?"),
        _ => String::new(),
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(20).map(|name| format!("'{name}'")).collect();
    let rest = names.len().saturating_sub(shown.len());
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

/// Edits between two words, capital letters being nearly free.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) =
        (left.to_lowercase().chars().collect(), right.to_lowercase().chars().collect());
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

impl FrameError {
    /// The error that hides in an error of the engine.
    pub fn from_engine(error: &DataFusionError) -> FrameError {
        match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<FrameError>() {
                Some(frame) => frame.clone(),
                None => FrameError::Engine(error.to_string()),
            },
            DataFusionError::ObjectStore(inner) => match inner.as_ref() {
                object_store::Error::NotFound { path, .. } => {
                    FrameError::NoFiles { pattern: path.clone(), hint: "the file was there when it was listed".into() }
                }
                other => FrameError::File { path: "object store".into(), why: other.to_string() },
            },
            DataFusionError::ParquetError(why) => FrameError::from_parquet(&why.to_string()),
            DataFusionError::NotImplemented(why) => FrameError::Unsupported(why.clone()),
            DataFusionError::ResourcesExhausted(why) => FrameError::Memory(why.clone()),
            _ => FrameError::Engine(error.strip_backtrace()),
        }
    }

    /// What the reader of Parquet files says, which names a file in words only.
    fn from_parquet(why: &str) -> FrameError {
        let named = why.split_once("metadata for file ").and_then(|(_, rest)| rest.split_once(": "));
        match named {
            Some((path, rest)) if rest.contains("not found") => FrameError::NoFiles {
                pattern: format!("/{path}"),
                hint: "the file was there when it was listed".into(),
            },
            Some((path, rest)) => FrameError::File { path: format!("/{path}"), why: rest.to_owned() },
            None => FrameError::File { path: "a Parquet file is damaged".into(), why: why.to_owned() },
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            FrameError::NoFiles { .. } => ErrorKind::FileNotFound,
            FrameError::TooManyFields { .. } | FrameError::Field { .. } | FrameError::Alignment { .. } => {
                ErrorKind::Value
            }
            FrameError::File { .. } => ErrorKind::Io,
            FrameError::NoColumn { .. } => ErrorKind::Key,
            FrameError::Unsupported(_) => ErrorKind::Unsupported,
            FrameError::Value(_) | FrameError::Engine(_) => ErrorKind::Value,
            FrameError::Type(_) => ErrorKind::Type,
            FrameError::Memory(_) => ErrorKind::Memory,
            FrameError::Cancelled => ErrorKind::Cancelled,
            FrameError::Function(failure) => failure.kind,
        }
    }
}

impl From<DataFusionError> for FrameError {
    fn from(error: DataFusionError) -> FrameError {
        FrameError::from_engine(&error)
    }
}

impl From<arrow::error::ArrowError> for FrameError {
    fn from(error: arrow::error::ArrowError) -> FrameError {
        FrameError::from_engine(&DataFusionError::from(error))
    }
}

impl From<FrameError> for DataFusionError {
    fn from(error: FrameError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Failure {
        match error {
            FrameError::Function(failure) => failure,
            other => Failure::new(other.kind(), other.to_string()),
        }
    }
}

/// What functions of this crate give.
pub type Result<T, E = FrameError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_column_offers_the_nearest_one() {
        let error = FrameError::NoColumn { name: "balanse".into(), columns: vec!["name".into(), "balance".into()] };
        assert_eq!(
            error.to_string(),
            "column 'balanse' does not exist, did you mean 'balance'?\nhint: the columns are 'name', 'balance'"
        );
    }

    #[test]
    fn an_error_survives_the_way_through_the_engine() {
        let engine = DataFusionError::from(FrameError::Value("too big".into())).context("while reading");
        assert!(matches!(FrameError::from_engine(&engine), FrameError::Value(text) if text == "too big"));
    }
}
