//! Handles of results, and waiting for them.
//!
//! Start at [`Remote`]. A result stays on the cluster for as long as a handle of it lives.

use crate::Failure;
use crate::client::Client;
use crate::client::table::Outcome;
use raskal_proto::FailureMessage;
use raskal_types::{ErrorKind, TaskId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a waiting call looks for interrupts.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// How long to look for something before sleeping.
const LOOK: Duration = Duration::from_micros(1000);
/// After so many looks in vain, only each of so many waits looks.
const LOOKS: u32 = 8;

/// Called now and then by what waits; its failure (an interrupt) ends the waiting.
pub type Poll<'a> = dyn FnMut() -> Result<(), Failure> + 'a;

/// How a result stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its task has not ended.
    Pending,
    /// It is on the cluster.
    Finished,
    /// Its task failed.
    Failed,
    /// It was given up.
    Cancelled,
    /// The connection has ended.
    Lost,
}

impl Status {
    /// The word that Dask users know.
    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Finished => "finished",
            Status::Failed => "error",
            Status::Cancelled => "cancelled",
            Status::Lost => "lost",
        }
    }
}

/// One result on the cluster.
pub struct Remote {
    client: Arc<Client>,
    task: TaskId,
}

impl Remote {
    pub(crate) fn new(client: Arc<Client>, task: TaskId) -> Remote {
        Remote { client, task }
    }

    /// The task whose result it is.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Whose it is.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The task's key.
    pub fn key(&self) -> String {
        let naming = self.client.shared.table.lock().naming(self.task);
        naming.key()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let table = self.client.shared.table.lock();
        match table.outcome(self.task) {
            Some(Outcome::Finished { .. }) if table.ended.is_some() => Status::Lost,
            Some(Outcome::Finished { .. }) => Status::Finished,
            Some(Outcome::Failed(_)) => Status::Failed,
            Some(Outcome::Cancelled) => Status::Cancelled,
            Some(Outcome::Pending) | None if table.ended.is_some() => Status::Lost,
            Some(Outcome::Pending) | None => Status::Pending,
        }
    }

    /// Why it failed, if it did: as it travelled, with the exception.
    pub fn failure(&self) -> Option<Arc<FailureMessage>> {
        let failure = match self.client.shared.table.lock().outcome(self.task) {
            Some(Outcome::Failed(failure)) => failure.clone(),
            _ => return None,
        };
        Some(self.client.complete(&failure))
    }

    /// Size of the value in bytes, once it is there.
    pub fn size_bytes(&self) -> Option<u64> {
        match self.client.shared.table.lock().outcome(self.task) {
            Some(Outcome::Finished { size_bytes, .. }) => Some(*size_bytes),
            _ => None,
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let mut table = self.client.shared.table.lock();
        let (outcome, forgotten) = table.forget(self.task);
        // Gathered: handles are often dropped by the thousand.
        let tell = table.ended.is_none() && !matches!(outcome, Some(Outcome::Cancelled));
        drop(table);
        // Functions may be objects of a host language, whose end may call anything.
        drop(forgotten);
        if tell {
            self.client.sender.release(self.task);
        }
    }
}

impl Client {
    /// A failure with the key and line of the failing task, which this process may know better than the cluster.
    pub(crate) fn complete(&self, failure: &Arc<FailureMessage>) -> Arc<FailureMessage> {
        let Some(task) = failure.task else { return failure.clone() };
        let naming = {
            let table = self.shared.table.lock();
            if !table.graphs.contains_key(&task.graph) {
                return failure.clone();
            }
            table.naming(task)
        };
        let mut complete = FailureMessage::clone(failure);
        let key = naming.key();
        if let Some(made) = complete.key.replace(key.clone()) {
            complete.message = complete.message.replace(&made, &key);
        }
        complete.origin = complete.origin.or_else(|| naming.origin());
        Arc::new(complete)
    }

    /// Waits until all of these results are settled, or one of them is if `first`. False if the time ran out.
    ///
    /// # Errors
    /// If the connection ends, or what `poll` says.
    pub fn wait(
        &self,
        tasks: &[TaskId],
        first: bool,
        timeout: Option<Duration>,
        poll: &mut Poll<'_>,
    ) -> Result<bool, Failure> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        // Tasks before this one are settled: a long wait looks at each of many tasks once.
        let mut settled = 0;
        let mut looked = false;
        loop {
            {
                let mut table = self.shared.table.lock();
                loop {
                    let is_settled = |task: &TaskId| !matches!(table.outcome(*task), Some(Outcome::Pending));
                    if first {
                        if tasks.is_empty() || tasks.iter().any(is_settled) {
                            return Ok(true);
                        }
                    } else {
                        settled += tasks[settled..].iter().take_while(|task| is_settled(task)).count();
                        if settled == tasks.len() {
                            return Ok(true);
                        }
                    }
                    table.check_open()?;
                    if !std::mem::replace(&mut looked, true) {
                        let heard = self.shared.heard.load(Ordering::Acquire);
                        drop(table);
                        self.look(heard);
                        table = self.shared.table.lock();
                        continue;
                    }
                    let until = Instant::now() + POLL;
                    let until = deadline.map_or(until, |deadline| until.min(deadline));
                    if self.shared.changed.wait_until(&mut table, until).timed_out() {
                        break;
                    }
                }
            }
            poll()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
        }
    }

    /// Looks for something to be heard, for about as long as a small task takes there and back. A thread that sleeps lets
    /// its processor sleep, and waking both costs as much as all the rest; who has looked in vain often looks less often.
    fn look(&self, heard: u64) {
        let fruitless = self.shared.fruitless.load(Ordering::Relaxed);
        if fruitless >= LOOKS && !fruitless.is_multiple_of(LOOKS) {
            self.shared.fruitless.store(fruitless.wrapping_add(1), Ordering::Relaxed);
            return;
        }
        let until = Instant::now() + LOOK;
        while Instant::now() < until {
            for _ in 0..64 {
                if self.shared.heard.load(Ordering::Acquire) != heard {
                    self.shared.fruitless.store(0, Ordering::Relaxed);
                    return;
                }
                std::hint::spin_loop();
            }
        }
        self.shared.fruitless.store(fruitless.wrapping_add(1), Ordering::Relaxed);
    }

    /// How many of these results are settled.
    pub fn settled_among(&self, tasks: &[TaskId]) -> usize {
        let table = self.shared.table.lock();
        tasks.iter().filter(|task| !matches!(table.outcome(**task), Some(Outcome::Pending))).count()
    }

    /// Tells of each result that is settled from now on.
    pub fn watch(&self) -> std::sync::mpsc::Receiver<TaskId> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut table = self.shared.table.lock();
        if table.ended.is_none() {
            table.watchers.push(sender);
        }
        receiver
    }
}

/// The failure of a result that was given up.
pub(crate) fn cancelled(key: &str) -> Failure {
    Failure::new(ErrorKind::Cancelled, format!("{key} was cancelled"))
}
