//! The memory of a node: one limit for its values and its processes.
//!
//! Start at [`Shell::relieve`] (what values take) and [`Shell::watch_memory`] (what processes take). Above 60 % of the limit
//! the values that were used the longest ago go to disk; from 80 % on the scheduler gives no roots; at 95 % the largest
//! executor is ended, and its task told why, before the system ends something else.
//! Invariant: nothing here waits for the disk; what is being written can still be read from memory.

use crate::Failure;
use crate::node::process::Process;
use crate::node::shell::{NodeEvent, Shell};
use raskal_proto::FromWorker;
use raskal_store::spill::{SpillError, SpillFile, SpillFolder};
use raskal_types::TaskId;
use raskal_worker::{Cold, Event};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often processes are looked at.
pub(crate) const WATCH: Duration = Duration::from_millis(200);
/// Parts of the limit: what values may take, what they are brought down to, and what processes may take before values go
/// to disk, before the node is given no roots (and again is), before an executor is ended.
const VALUES: f64 = 0.6;
const RELIEVED: f64 = 0.5;
const SPILL: f64 = 0.7;
const STRAINED: f64 = 0.8;
const EASED: f64 = 0.75;
const TOO_MUCH: f64 = 0.95;
/// Smaller values are not worth a file.
const SPILL_BYTES_MIN: u64 = 16 << 10;
/// Values that are written at a time.
const WRITERS: usize = 3;
/// After the disk refused, it is asked again after so long.
const REFUSED: Duration = Duration::from_secs(5);

/// What is known of memory.
pub(crate) struct Memory {
    limit_bytes: u64,
    parent: PathBuf,
    folder: Option<Arc<SpillFolder>>,
    /// Values on their way to disk, and their sizes.
    leaving: HashMap<TaskId, u64>,
    leaving_bytes: u64,
    writers: Arc<Semaphore>,
    strained: bool,
    /// When the disk refused, and why.
    refused: Option<(Instant, String)>,
}

impl Memory {
    /// Without limit if that is 0; what does not fit goes to a folder of its own inside `parent`.
    pub(crate) fn new(limit_bytes: u64, parent: PathBuf) -> Memory {
        Memory {
            limit_bytes,
            parent,
            folder: None,
            leaving: HashMap::new(),
            leaving_bytes: 0,
            writers: Arc::new(Semaphore::new(WRITERS)),
            strained: false,
            refused: None,
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limit_bytes > 0
    }

    fn part(&self, share: f64) -> u64 {
        (self.limit_bytes as f64 * share) as u64
    }

    fn folder(&mut self) -> Result<Arc<SpillFolder>, SpillError> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let folder = SpillFolder::new(&self.parent)?;
        self.folder = Some(folder.clone());
        Ok(folder)
    }

    fn start(&mut self, cold: &Cold) {
        if self.leaving.insert(cold.value, cold.size_bytes).is_none() {
            self.leaving_bytes += cold.size_bytes;
        }
    }

    fn end(&mut self, value: TaskId) -> bool {
        let size_bytes = self.leaving.remove(&value);
        self.leaving_bytes -= size_bytes.unwrap_or(0);
        size_bytes.is_some()
    }
}

impl Shell {
    /// Bytes of the values in memory, here and in the executors.
    pub(crate) fn managed_bytes(&self) -> u64 {
        self.state.store.size_bytes() + self.state.machine.live_bytes()
    }

    /// Puts values on disk if they take more than their part.
    pub(crate) fn relieve(&mut self) {
        let memory = &self.state.memory;
        if memory.is_limited() {
            let managed = self.managed_bytes().saturating_sub(memory.leaving_bytes);
            let (most, enough) = (memory.part(VALUES), memory.part(RELIEVED));
            if managed > most {
                self.make_room(managed - enough);
            }
        }
    }

    fn make_room(&mut self, excess_bytes: u64) {
        if self.state.memory.refused.as_ref().is_some_and(|(when, _)| when.elapsed() < REFUSED) {
            return;
        }
        let mut left = excess_bytes;
        for cold in self.state.machine.coldest() {
            if left == 0 {
                break;
            }
            if cold.size_bytes < SPILL_BYTES_MIN || self.state.memory.leaving.contains_key(&cold.value) {
                continue;
            }
            if cold.in_store {
                if cold.executors > 0 {
                    left = left.saturating_sub(cold.size_bytes * u64::from(cold.executors));
                    self.step(Event::Evict { value: cold.value }, None);
                } else if self.state.store.is_in_memory(cold.value) {
                    left = left.saturating_sub(cold.size_bytes);
                    self.state.memory.start(&cold);
                    self.write_to_disk(cold.value);
                }
            } else {
                left = left.saturating_sub(cold.size_bytes);
                self.state.memory.start(&cold);
                self.step(Event::Evict { value: cold.value }, None);
            }
        }
    }

    /// A value came out of an executor: if that was to make room, it goes on to disk.
    pub(crate) fn left_executor(&mut self, value: TaskId) {
        if self.state.memory.leaving.contains_key(&value) {
            self.write_to_disk(value);
        }
    }

    /// A value can't leave its executor.
    pub(crate) fn stays_in_executor(&mut self, value: TaskId) {
        self.state.memory.end(value);
    }

    fn write_to_disk(&mut self, value: TaskId) {
        let Some((stored, version)) = self.state.store.to_write(value) else {
            self.state.memory.end(value);
            return;
        };
        let folder = match self.state.memory.folder() {
            Ok(folder) => folder,
            Err(error) => return self.disk_refused(value, &error.to_string()),
        };
        let (events, writers) = (self.events.clone(), self.state.memory.writers.clone());
        self.data.spawn(async move {
            let _permit = writers.acquire_owned().await;
            let written = tokio::task::spawn_blocking(move || {
                let frames = stored.to_frames().map_err(|error| error.to_string())?;
                folder.write(&frames).map(Arc::new).map_err(|error| error.to_string())
            });
            let result = written.await.unwrap_or_else(|error| Err(error.to_string()));
            let _ = events.send(NodeEvent::Spilled { value, version, result });
        });
    }

    /// A value was written, or could not be.
    pub(crate) fn spilled(&mut self, value: TaskId, version: u64, result: Result<Arc<SpillFile>, String>) {
        if !self.state.memory.end(value) {
            return;
        }
        match result {
            Ok(file) => {
                self.state.memory.refused = None;
                self.state.store.replace(value, version, file);
            }
            Err(why) => self.disk_refused(value, &why),
        }
    }

    fn disk_refused(&mut self, value: TaskId, why: &str) {
        self.state.memory.end(value);
        if self.state.memory.refused.is_none() {
            tracing::error!(
                %value, why, "a value can't be put on disk: free some space there, or choose another folder with \
                --local-directory"
            );
        }
        self.state.memory.refused = Some((Instant::now(), why.to_owned()));
    }

    /// Looks at what the processes take.
    pub(crate) fn watch_memory(&mut self) {
        let Some((own, own_shared)) = resident(std::process::id()) else { return };
        let (mut used, mut shared) = (own, own_shared);
        let mut largest: Option<(u64, &Process)> = None;
        for process in self.executors.values() {
            let Some((private, in_common)) = resident(process.pid) else { continue };
            used += private;
            shared = shared.max(in_common);
            if largest.as_ref().is_none_or(|(most, _)| private > *most) {
                largest = Some((private, process));
            }
        }
        used += shared;
        let memory = &mut self.state.memory;
        if used > memory.part(TOO_MUCH)
            && let Some((most, process)) = largest.filter(|(most, _)| *most > memory.limit_bytes / 4)
        {
            let refused = memory.refused.as_ref().map(|(_, why)| format!("; values could not be put on disk: {why}"));
            process.kill(format!(
                "memory: the worker's processes took {} of its limit of {}, {} of it this one{}",
                human(used),
                human(memory.limit_bytes),
                human(most),
                refused.unwrap_or_default()
            ));
        }
        let strained = used > memory.part(if memory.strained { EASED } else { STRAINED });
        if strained != memory.strained {
            memory.strained = strained;
            self.state.outbox.push(FromWorker::Strained { strained });
        }
        let memory = &self.state.memory;
        if used > memory.part(SPILL) {
            let excess = used - memory.part(VALUES);
            let excess = excess.saturating_sub(memory.leaving_bytes).min(self.managed_bytes());
            self.make_room(excess);
        }
    }
}

/// Private and shared resident bytes of a process; none where the system does not tell.
fn resident(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    Some((field("RssAnon:")?, field("RssShmem:").unwrap_or(0)))
}

/// Bytes for people.
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Reads a value from disk.
pub(crate) fn read(file: &SpillFile) -> Result<raskal_store::Frames, Failure> {
    file.read().map_err(|error| Failure::new(raskal_types::ErrorKind::Io, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_takes_is_known_where_there_is_proc() {
        let known = resident(std::process::id());
        assert_eq!(known.is_some(), std::path::Path::new("/proc/self/status").exists());
        assert!(known.is_none_or(|(private, _)| private > 100_000));
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!([human(1_500), human(2_500_000), human(3_210_000_000)], ["1.5 kB", "2.5 MB", "3.21 GB"]);
    }
}
