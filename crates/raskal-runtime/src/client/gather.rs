//! Getting values from the cluster.

use crate::Failure;
use crate::client::Client;
use crate::client::results::{POLL, Poll, Remote, cancelled};
use crate::client::table::Outcome;
use crate::fetch::FetchError;
use crate::wire::from_inline;
use raskal_proto::FailureMessage;
use raskal_store::Value;
use raskal_types::{ErrorKind, TaskId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a value that is said to be somewhere, and is not, is looked for before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before another look at a holder that is there.
const SOON: Duration = Duration::from_millis(5);

/// A gathered result.
pub type Gathered = Result<Value, Arc<FailureMessage>>;

impl Client {
    /// Waits for the results and gets their values, in order.
    ///
    /// # Errors
    /// If the connection ends, the time runs out, or what `poll` says. A task's own failure is an answer like a value.
    pub fn gather(
        &self,
        handles: &[Arc<Remote>],
        timeout: Option<Duration>,
        poll: &mut Poll<'_>,
    ) -> Result<Vec<Gathered>, Failure> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let tasks: Vec<TaskId> = handles.iter().map(|handle| handle.task()).collect();
        let mut values: Vec<Option<Gathered>> = vec![None; tasks.len()];
        let mut missing: Vec<usize> = (0..tasks.len()).collect();
        let mut looking_since: Option<Instant> = None;
        while !missing.is_empty() {
            let wanted: Vec<TaskId> = missing.iter().map(|&at| tasks[at]).collect();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !self.wait(&wanted, false, left, poll)? {
                let count = self.settled_among(&wanted);
                let text = format!("{} of {} results are not there yet", wanted.len() - count, tasks.len());
                return Err(Failure::new(ErrorKind::Io, text));
            }
            let mut far = Vec::new();
            let mut near = Vec::new();
            let mut failed = Vec::new();
            let mut given_up = None;
            {
                let table = self.shared.table.lock();
                for &at in &missing {
                    match table.outcome(tasks[at]) {
                        Some(Outcome::Finished { inline: Some(bytes), .. }) => near.push((at, bytes.clone())),
                        Some(Outcome::Finished { source, holder, size_bytes, .. }) => {
                            let address = table.workers.get(holder).map(|worker| worker.address.clone());
                            far.push((at, *source, address, *size_bytes));
                        }
                        Some(Outcome::Failed(failure)) => failed.push((at, failure.clone())),
                        Some(Outcome::Cancelled) | None => given_up = Some(table.naming(tasks[at])),
                        // It was lost between two looks, and is being made again.
                        Some(Outcome::Pending) => {}
                    }
                }
            }
            if let Some(naming) = given_up {
                return Err(cancelled(&naming.key()));
            }
            for (at, failure) in failed {
                values[at] = Some(Err(self.complete(&failure)));
            }
            for (at, bytes) in near {
                values[at] = Some(Ok(from_inline(&bytes)?));
            }
            let before = missing.len();
            let mut errors = self.fetch(far, &mut values, poll)?;
            missing.retain(|&at| values[at].is_none());
            if missing.is_empty() {
                break;
            }
            if missing.len() < before {
                looking_since = None;
            }
            // A holder died: the scheduler has the value made again, and tells.
            let since = *looking_since.get_or_insert_with(Instant::now);
            if since.elapsed() > PATIENCE {
                let why = errors.pop().unwrap_or_else(|| "no worker holds it".into());
                let naming = self.shared.table.lock().naming(tasks[missing[0]]);
                let key = naming.key();
                return Err(Failure::new(ErrorKind::Lost, format!("the value of {key} can't be fetched: {why}")));
            }
            self.find_holders(missing.iter().map(|&at| tasks[at]).collect(), poll)?;
            let mut table = self.shared.table.lock();
            let nobody = |at: &usize| match table.outcome(tasks[*at]) {
                Some(Outcome::Finished { holder, .. }) => !table.workers.contains_key(holder),
                _ => false,
            };
            // A holder that lives and does not have it was overtaken by events: look again soon.
            let pause = if missing.iter().any(nobody) { POLL } else { SOON };
            self.shared.changed.wait_for(&mut table, pause);
            drop(table);
            poll()?;
        }
        let whole = || Failure::internal("a gathered value is missing");
        values.into_iter().map(|value| value.ok_or_else(whole)).collect()
    }

    /// Asks who holds values now: of one that was lost another copy may be left, of which nobody told.
    fn find_holders(&self, tasks: Vec<TaskId>, poll: &mut Poll<'_>) -> Result<(), Failure> {
        let holders = self.who_has(tasks.clone(), poll)?;
        let mut table = self.shared.table.lock();
        for (task, holders) in tasks.into_iter().zip(holders) {
            if let (Some(Outcome::Finished { holder, .. }), Some(&found)) = (table.outcome_mut(task), holders.first()) {
                *holder = found;
            }
        }
        Ok(())
    }

    /// Gets values from the workers that hold them; what can't be got is left out.
    fn fetch(
        &self,
        far: Vec<(usize, TaskId, Option<String>, u64)>,
        values: &mut [Option<Gathered>],
        poll: &mut Poll<'_>,
    ) -> Result<Vec<String>, Failure> {
        let mut errors = Vec::new();
        if far.is_empty() {
            return Ok(errors);
        }
        let runtime = self.runtime.as_ref().ok_or_else(|| Failure::internal("a client without threads"))?;
        let (done, mut results) = mpsc::unbounded_channel();
        let count = far.len();
        for (at, source, address, size_bytes) in far {
            let (fetcher, done) = (self.fetcher.clone(), done.clone());
            runtime.spawn(async move {
                let result = match address {
                    None => Err(FetchError::new("its holder is gone")),
                    Some(address) => fetcher.get(&address, source, size_bytes).await,
                };
                let result = result.and_then(|frames| Value::from_frames(&frames).map_err(FetchError::new));
                // Whoever asked may have been interrupted.
                let _ = done.send((at, result));
            });
        }
        for _ in 0..count {
            let result = loop {
                let next = runtime.block_on(async { tokio::time::timeout(POLL, results.recv()).await });
                match next {
                    Ok(result) => break result,
                    Err(_) => poll()?,
                }
            };
            match result {
                Some((at, Ok(value))) => values[at] = Some(Ok(value)),
                Some((_, Err(error))) if error.unusable => {
                    return Err(Failure::new(
                        ErrorKind::Type,
                        format!("the result can't be sent here: {}", error.message),
                    ));
                }
                Some((_, Err(error))) => errors.push(error.message),
                None => break,
            }
        }
        Ok(errors)
    }
}
