//! What can be wrong with an array expression.
//!
//! Every message says what failed, with which value, and what to do. Raised when an expression is built, never later.

use raskal_runtime::Failure;
use raskal_types::ErrorKind;

/// Why an array expression can't be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArrayError {
    /// Shapes, chunks, axes or indices that do not fit (`ValueError`).
    #[error("{0}")]
    Value(String),
    /// An index outside its axis (`IndexError` in NumPy; the front end maps it).
    #[error("{0}")]
    Index(String),
    /// A value of the wrong type (`TypeError`).
    #[error("{0}")]
    Type(String),
    /// No native kernel does this; the front end may have one that runs on the block.
    #[error("no native kernel: {0}")]
    NoKernel(String),
}

impl ArrayError {
    /// A [`ArrayError::Value`] from its message and what to do about it.
    pub fn value(message: impl std::fmt::Display, hint: impl std::fmt::Display) -> ArrayError {
        ArrayError::Value(format!("{message}\nhint: {hint}"))
    }

    /// The kind of failure that a caller in another language sees.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ArrayError::Value(_) | ArrayError::Index(_) => ErrorKind::Value,
            ArrayError::Type(_) => ErrorKind::Type,
            ArrayError::NoKernel(_) => ErrorKind::Unsupported,
        }
    }
}

impl From<ArrayError> for Failure {
    fn from(error: ArrayError) -> Failure {
        Failure::new(error.kind(), error.to_string())
    }
}

/// What building an expression gives.
pub type Result<T, E = ArrayError> = std::result::Result<T, E>;

pub(crate) use raskal_types::key::tuple;
