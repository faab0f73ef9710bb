//! Why a task failed.

use raskal_store::{Value, ValueError};
use raskal_types::ErrorKind;

/// Why a task failed, and where.
#[derive(Clone)]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// What failed, with which value, and what to do.
    pub message: String,
    /// The exception that a user's function raised, as an object of its language.
    pub exception: Option<Value>,
    /// The failing task's key, once known.
    pub key: Option<String>,
    /// The user's line that made the layer, `file:line`, once known.
    pub origin: Option<String>,
}

impl Failure {
    /// A failure without exception object.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), exception: None, key: None, origin: None }
    }

    /// A defect of raskal itself.
    pub fn internal(message: impl std::fmt::Display) -> Failure {
        Failure::new(ErrorKind::Internal, format!("{message}\nthis is a defect of raskal, please report it"))
    }

    /// A task that was given up since processes kept dying under it.
    pub fn killed(deaths: &[String]) -> Failure {
        let list: String = deaths.iter().map(|death| format!("\n- {death}")).collect();
        let text = format!(
            "the task was given up: {} processes died while they ran it{list}\nhint: a process dies by running out of \
             memory (use smaller chunks or partitions, or fewer processes) or by a crash in native code",
            deaths.len()
        );
        Failure::new(ErrorKind::Killed, text)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(key) = &self.key {
            write!(f, "\n  in task {key}")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, ", made at {origin}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failure({:?}: {self})", self.kind)
    }
}

impl std::error::Error for Failure {}

impl From<ValueError> for Failure {
    fn from(error: ValueError) -> Failure {
        let kind = match error {
            ValueError::Kind { .. } | ValueError::Encode { .. } => ErrorKind::Type,
            ValueError::Decode { .. } => ErrorKind::Internal,
        };
        Failure::new(kind, error.to_string())
    }
}
