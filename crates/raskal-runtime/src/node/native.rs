//! Threads that run native tasks.

use crate::node::layer::LayerFunction;
use crate::node::shell::NodeEvent;
use crate::node::store::Stored;
use crate::node::traffic::now_us;
use crate::{Call, Failure, FunctionRegistry};
use parking_lot::{Condvar, Mutex};
use raskal_proto::Ran;
use raskal_types::{Attempt, TaskId};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// One task for a native thread.
pub(crate) struct NativeJob {
    pub(crate) task: TaskId,
    pub(crate) attempt: Attempt,
    pub(crate) layer: Arc<LayerFunction>,
    pub(crate) index: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) inputs: Vec<(TaskId, Stored)>,
}

/// A pool of threads. Dropping it ends them when their tasks are done.
pub(crate) struct NativePool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<(VecDeque<NativeJob>, bool)>,
    work: Condvar,
}

impl NativePool {
    pub(crate) fn start(
        threads: u32,
        registry: Arc<FunctionRegistry>,
        events: mpsc::UnboundedSender<NodeEvent>,
    ) -> std::io::Result<NativePool> {
        let shared = Arc::new(Shared::default());
        for number in 0..threads {
            let (shared, registry, events) = (shared.clone(), registry.clone(), events.clone());
            let thread = std::thread::Builder::new().name(format!("raskal-native-{number}"));
            thread.spawn(move || work(number, &shared, &registry, &events))?;
        }
        Ok(NativePool { shared })
    }

    pub(crate) fn push(&self, job: NativeJob) {
        self.shared.queue.lock().0.push_back(job);
        self.shared.work.notify_one();
    }
}

impl Drop for NativePool {
    fn drop(&mut self) {
        self.shared.queue.lock().1 = true;
        self.shared.work.notify_all();
    }
}

fn work(thread: u32, shared: &Shared, registry: &FunctionRegistry, events: &mpsc::UnboundedSender<NodeEvent>) {
    loop {
        let job = {
            let mut queue = shared.queue.lock();
            loop {
                if queue.1 {
                    return;
                }
                match queue.0.pop_front() {
                    Some(job) => break job,
                    None => shared.work.wait(&mut queue),
                }
            }
        };
        let (task, attempt) = (job.task, job.attempt);
        let started = Instant::now();
        let panicked = || Failure::internal("a native function panicked; the worker's log has more");
        let result = match catch_unwind(AssertUnwindSafe(|| run(job, registry))) {
            Ok(Err(Trouble::Unread(input, why))) => {
                let _ = events.send(NodeEvent::NativeUnread { task, attempt, input, why });
                continue;
            }
            Ok(Err(Trouble::Failed(failure))) => Err(failure),
            Ok(Ok(stored)) => Ok(stored),
            Err(_) => Err(panicked()),
        };
        let duration_us = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        let ran = Ran { began_us: now_us().saturating_sub(duration_us.into()), duration_us, thread };
        // The shell is gone only when the process ends.
        let _ = events.send(NodeEvent::NativeDone { task, attempt, result, ran });
    }
}

/// Why a run made no value.
enum Trouble {
    Failed(Failure),
    /// An input on disk can't be read, and why.
    Unread(TaskId, String),
}

impl<E: Into<Failure>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble::Failed(error.into())
    }
}

fn run(job: NativeJob, registry: &FunctionRegistry) -> Result<Stored, Trouble> {
    let key = || job.layer.key(job.index);
    let function = job.layer.get(registry)?;
    let read = |(input, stored): &(TaskId, Stored)| match stored.to_value() {
        Err(failure) if stored.is_on_disk() => Err(Trouble::Unread(*input, failure.message)),
        value => Ok(value?),
    };
    let inputs = job.inputs.iter().map(read).collect::<Result<_, _>>()?;
    let call = Call { index: job.index, shape: &job.layer.shape, inputs, payload: &job.payload };
    let value = function.run(call).map_err(|mut failure| {
        failure.key.get_or_insert_with(key);
        failure.origin = failure.origin.take().or_else(|| function.origin(job.index));
        failure
    })?;
    if value.size_bytes() <= raskal_proto::INLINE_BYTES_MAX
        && let Some(bytes) = crate::wire::to_inline(&value.to_frames()?)
    {
        return Ok(Stored::Inline(bytes.into()));
    }
    Ok(Stored::Value(value))
}
