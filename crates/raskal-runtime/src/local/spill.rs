//! Writing values that are too much, and reading them again.
//!
//! A thread that finished a task while memory is over its budget writes before it takes another: so no more is made than
//! can be put away. What can't be turned into bytes stays; a disk that refuses fails the run whose value it was, and
//! nothing else; a file that can't be read is as good as lost, and its task runs again.

use super::memory::Leaving;
use super::state::{Input, Job};
use super::{LocalEngine, ThreadHost};
use crate::Failure;
use raskal_store::spill::{SpillError, SpillFile};
use raskal_store::{Value, ValueError};
use raskal_types::{ErrorKind, TaskId};
use std::sync::Arc;

/// Why a value could not be written.
enum Stays {
    /// It is none that can be.
    Value(ValueError),
    Disk(SpillError),
}

/// A value that was read from disk, and its size.
pub(super) type Loaded = (TaskId, u64, Value);
/// Why a value could not be read again.
pub(super) type Unread = (TaskId, String);

impl LocalEngine {
    /// Writes values, and lets go of them.
    pub(super) fn spill(&self, leaving: Vec<Leaving>, host: &dyn ThreadHost) {
        for Leaving { task, size_bytes, value, file } in leaving {
            let mut written = file.map(Ok);
            if written.is_none() {
                host.detached(&mut || written = Some(self.write(&value)));
            }
            let mut state = self.state.lock();
            let refused = match written {
                Some(Ok(file)) => {
                    state.left(task, file);
                    None
                }
                Some(Err(Stays::Disk(error))) => {
                    state.memory.stays(task);
                    state.key(task).map(|key| (key, error))
                }
                Some(Err(Stays::Value(error))) => {
                    tracing::debug!(%task, %error, "a value stays in memory");
                    state.memory.stays(task);
                    None
                }
                None => None,
            };
            let garbage = state.take_garbage();
            drop(state);
            drop((garbage, value));
            if let Some(((program, index), error)) = refused {
                let failure = refusal(&self.budget, &program.key(index), size_bytes, &error);
                self.state.lock().fail(task.graph, failure);
                self.done.notify_all();
            }
        }
        self.budget.trim();
    }

    fn write(&self, value: &Value) -> Result<Arc<SpillFile>, Stays> {
        let frames = value.to_frames().map_err(Stays::Value)?;
        let folder = self.budget.folder().map_err(Stays::Disk)?;
        folder.write(&frames).map(Arc::new).map_err(Stays::Disk)
    }
}

fn refusal(budget: &raskal_store::Budget, key: &str, size_bytes: u64, error: &SpillError) -> Failure {
    let hint = if error.is_full() {
        "free some space, or choose another disk with raskal.config.set({'temporary-directory': ...})"
    } else {
        "choose another folder with raskal.config.set({'temporary-directory': ...})"
    };
    let text = format!(
        "the values of this computation take {} bytes, more than the limit of {}, and the value of {key} ({size_bytes} \
         bytes) can't be put on disk: {error}\nhint: {hint}, or allow more memory with \
         raskal.config.set({{'memory-limit': ...}})",
        budget.used_bytes(),
        budget.limit_bytes(),
    );
    Failure::new(ErrorKind::Io, text)
}

/// The values of inputs, and those that were read from disk with their sizes.
pub(super) fn load(inputs: Vec<Input>) -> Result<(Vec<Value>, Vec<Loaded>), Unread> {
    let (mut values, mut loaded) = (Vec::with_capacity(inputs.len()), Vec::new());
    for input in inputs {
        values.push(match input {
            Input::Here(value) => value,
            Input::Away(task, file) => {
                let read = file.read().map_err(|error| error.to_string());
                let value = read.and_then(|frames| Value::from_frames(&frames).map_err(|error| error.to_string()));
                let value = value.map_err(|error| (task, error))?;
                loaded.push((task, value.size_bytes() as u64, value.clone()));
                value
            }
        });
    }
    Ok((values, loaded))
}

/// The values of a job's inputs; none if one of them is lost, which the job then tells.
pub(super) fn load_inputs(job: &mut Job, host: &dyn ThreadHost) -> Option<Vec<Value>> {
    let inputs = std::mem::take(&mut job.inputs);
    if inputs.iter().all(|input| matches!(input, Input::Here(_))) {
        let here = |input| match input {
            Input::Here(value) => Some(value),
            Input::Away(..) => None,
        };
        return inputs.into_iter().map(here).collect();
    }
    let (mut inputs, mut read) = (Some(inputs), None);
    host.detached(&mut || read = inputs.take().map(load));
    match read? {
        Ok((values, loaded)) => {
            job.loaded = loaded;
            Some(values)
        }
        Err((task, error)) => {
            tracing::warn!(%task, %error, "a value on disk can't be read: it is made again");
            job.missing = Some(task);
            None
        }
    }
}
