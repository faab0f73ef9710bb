//! What is noted of the tasks of one run, for profilers and pictures.
//!
//! Start at [`Recorder`], which a [`crate::Program`] carries only when somebody wants to know: without one, a task costs
//! nothing more. Records are plain numbers; keys are made from them by whoever reads.

use crate::Failure;
use parking_lot::Mutex;
use raskal_store::Value;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One task that ran.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its number in the graph.
    pub task: u32,
    /// The thread that ran it; each thread of the process has a number of its own.
    pub thread: u32,
    /// When it began, since the recorder was made.
    pub begun: Duration,
    /// When it ended, since the recorder was made.
    pub ended: Duration,
    /// Size of its value.
    pub size_bytes: u64,
    /// Whether it failed.
    pub failed: bool,
}

/// Who is told of each task before and after it runs, on the thread that runs it. Its failures become the task's.
pub trait Observer: Send + Sync {
    /// A task is about to run.
    ///
    /// # Errors
    /// If the task is not to run.
    fn before(&self, task: u32, thread: u32) -> Result<(), Failure>;

    /// A task made a value.
    ///
    /// # Errors
    /// If the task is to count as failed.
    fn after(&self, task: u32, thread: u32, value: &Value) -> Result<(), Failure>;
}

/// Collects the records of one run.
pub struct Recorder {
    epoch: Instant,
    records: Mutex<Vec<Record>>,
    observer: Option<Box<dyn Observer>>,
}

/// The number of this thread.
fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: u32 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|&number| number)
}

impl Recorder {
    /// A recorder whose time begins now.
    pub fn new(observer: Option<Box<dyn Observer>>) -> Recorder {
        Recorder { epoch: Instant::now(), records: Mutex::default(), observer }
    }

    /// When its time began.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Takes the records so far, in the order in which tasks ended.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock())
    }

    /// A task is about to run; a failure says that it is not to.
    pub(super) fn begin(&self, task: u32) -> Option<Failure> {
        self.observer.as_ref()?.before(task, thread_number()).err()
    }

    /// A task ran.
    pub(super) fn end(&self, task: u32, time: Range<Instant>, answer: &mut Result<Value, Failure>) {
        let thread = thread_number();
        let size_bytes = answer.as_ref().map_or(0, |value| value.size_bytes() as u64);
        self.records.lock().push(Record {
            task,
            thread,
            begun: time.start.saturating_duration_since(self.epoch),
            ended: time.end.saturating_duration_since(self.epoch),
            size_bytes,
            failed: answer.is_err(),
        });
        if let (Some(observer), Ok(value)) = (&self.observer, &*answer)
            && let Err(failure) = observer.after(task, thread, value)
        {
            *answer = Err(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::PlainThread;
    use crate::{LocalEngine, ProgramBuilder};
    use raskal_store::Block;
    use std::sync::Arc;

    fn two_values() -> crate::Program {
        let mut builder = ProgramBuilder::new();
        let value = Value::from(Block::from_vec(vec![1.0, 2.0], &[2]));
        let layer = builder.add_values("pair-1", vec![2], vec![value.clone(), value]).unwrap();
        let wanted = builder.graph().tasks(layer).collect();
        builder.finish(wanted)
    }

    #[test]
    fn each_task_leaves_one_record_with_its_size() {
        let mut program = two_values();
        let recorder = Arc::new(Recorder::new(None));
        program.recorder = Some(recorder.clone());
        LocalEngine::new(1).run_here(program, &PlainThread, &mut |_| Ok(())).unwrap();
        let records = recorder.take();
        let mut tasks: Vec<u32> = records.iter().map(|record| record.task).collect();
        tasks.sort_unstable();
        assert_eq!(tasks, [0, 1]);
        assert!(records.iter().all(|record| record.size_bytes >= 16 && record.begun <= record.ended && !record.failed));
    }

    #[test]
    fn an_observer_that_refuses_a_task_fails_the_run() {
        struct Refuse;
        impl Observer for Refuse {
            fn before(&self, task: u32, _: u32) -> Result<(), Failure> {
                if task == 1 { Err(Failure::internal("no")) } else { Ok(()) }
            }
            fn after(&self, _: u32, _: u32, _: &Value) -> Result<(), Failure> {
                Ok(())
            }
        }
        let mut program = two_values();
        program.recorder = Some(Arc::new(Recorder::new(Some(Box::new(Refuse)))));
        let error = LocalEngine::new(1).run_here(program, &PlainThread, &mut |_| Ok(())).map(|_| ()).unwrap_err();
        assert!(error.message.starts_with("no"));
    }
}
