//! How much memory the values of this process may take.
//!
//! Start at [`Budget::process`]. Whoever holds values counts them here ([`Budget::add`], [`Budget::remove`]), and writes
//! some to [`Budget::folder`] when [`Budget::excess`] says so.

use crate::spill::{SpillError, SpillFolder};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Of the memory that the machine or cgroup gives, this part may be values.
pub const DEFAULT_FRACTION: f64 = 0.7;

/// Once the limit is passed, values are written until only this part of it is taken: in few, larger steps.
const RELIEF: f64 = 0.9;

/// After so many bytes left (and after less than that part of a small limit), the allocator is asked to give memory back to
/// the system.
const TRIM_BYTES: u64 = 256 << 20;
const TRIM_PART: u64 = 32;
const TRIM_BYTES_MIN: u64 = 4 << 20;

/// A limit, what is taken of it, and where to put what does not fit.
pub struct Budget {
    limit: AtomicU64,
    used: AtomicU64,
    place: Mutex<Place>,
    spilled_bytes: AtomicU64,
    spilled_values: AtomicU64,
    /// Bytes that left since the allocator was last asked to give memory back.
    untrimmed: AtomicU64,
}

struct Place {
    parent: PathBuf,
    folder: Option<Arc<SpillFolder>>,
    /// A forked child must not remove its parent's files.
    process: u32,
}

impl Budget {
    /// A budget of so many bytes, which spills into a folder inside `parent`.
    pub fn new(limit_bytes: u64, parent: &Path) -> Budget {
        let place = Place { parent: parent.to_owned(), folder: None, process: std::process::id() };
        Budget {
            limit: AtomicU64::new(limit_bytes),
            used: AtomicU64::new(0),
            place: Mutex::new(place),
            spilled_bytes: AtomicU64::new(0),
            spilled_values: AtomicU64::new(0),
            untrimmed: AtomicU64::new(0),
        }
    }

    /// The budget of this process: 70 % of what the machine or cgroup gives, until [`Budget::set`] says otherwise.
    pub fn process() -> Arc<Budget> {
        static PROCESS: OnceLock<Arc<Budget>> = OnceLock::new();
        let make = || {
            let limit = (machine_bytes() as f64 * DEFAULT_FRACTION) as u64;
            Arc::new(Budget::new(limit, &std::env::temp_dir()))
        };
        PROCESS.get_or_init(make).clone()
    }

    /// Sets limit and place. What was spilled elsewhere stays there until it is not needed.
    pub fn set(&self, limit_bytes: u64, parent: &Path) {
        self.limit.store(limit_bytes, Ordering::Relaxed);
        let mut place = self.place.lock();
        if place.parent != parent {
            place.parent = parent.to_owned();
            place.folder = None;
        }
    }

    /// Where folders for what does not fit are made.
    pub fn parent(&self) -> PathBuf {
        self.place.lock().parent.clone()
    }

    /// Bytes that values may take.
    pub fn limit_bytes(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Bytes that values take.
    pub fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many values were spilled so far, and their bytes in memory.
    pub fn spilled(&self) -> (u64, u64) {
        (self.spilled_values.load(Ordering::Relaxed), self.spilled_bytes.load(Ordering::Relaxed))
    }

    /// A value was spilled.
    pub fn note_spilled(&self, size_bytes: u64) {
        self.spilled_values.fetch_add(1, Ordering::Relaxed);
        self.spilled_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        self.untrimmed.fetch_add(size_bytes, Ordering::Relaxed);
    }

    /// Gives freed memory back to the system if much left since the last time. The allocator would keep it, and the
    /// budget is for what the process takes.
    pub fn trim(&self) {
        let untrimmed = self.untrimmed.load(Ordering::Relaxed);
        let much = untrimmed >= (self.limit_bytes() / TRIM_PART).clamp(TRIM_BYTES_MIN, TRIM_BYTES);
        if much && self.untrimmed.compare_exchange(untrimmed, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            #[expect(unsafe_code)]
            // SAFETY: `malloc_trim` may be called at any time, from any thread.
            unsafe {
                libc::malloc_trim(0);
            }
        }
    }

    /// A value is there.
    pub fn add(&self, size_bytes: u64) {
        self.used.fetch_add(size_bytes, Ordering::Relaxed);
    }

    /// A value is gone.
    pub fn remove(&self, size_bytes: u64) {
        self.used.fetch_sub(size_bytes, Ordering::Relaxed);
    }

    /// How many bytes should leave memory, so that `reserved` bytes more have room in the limit: none while they have, else
    /// enough for some to come.
    ///
    /// ```
    /// let budget = raskal_store::Budget::new(1000, &std::env::temp_dir());
    /// budget.add(800);
    /// assert_eq!((budget.excess(0), budget.excess(200)), (0, 0));
    /// assert_eq!(budget.excess(201), 101);
    /// ```
    pub fn excess(&self, reserved: u64) -> u64 {
        let (used, limit) = (self.used_bytes() + reserved, self.limit_bytes());
        if used <= limit { 0 } else { used - (limit as f64 * RELIEF) as u64 }
    }

    /// The folder for values, made when it is first needed.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn folder(&self) -> Result<Arc<SpillFolder>, SpillError> {
        let mut place = self.place.lock();
        if place.process != std::process::id() {
            place.process = std::process::id();
            std::mem::forget(place.folder.take());
        }
        if let Some(folder) = &place.folder {
            return Ok(folder.clone());
        }
        let folder = SpillFolder::new(&place.parent)?;
        place.folder = Some(folder.clone());
        Ok(folder)
    }

    /// Lets go of the folder: it goes with its last file. For the end of a process, which runs no destructors of statics.
    pub fn close(&self) {
        let mut place = self.place.lock();
        if place.process == std::process::id() {
            place.folder = None;
        }
    }
}

/// Memory of the cgroup or machine, in bytes; 4 GiB where neither tells.
pub fn machine_bytes() -> u64 {
    let cgroup = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    });
    match (cgroup, machine) {
        (Some(cgroup), Some(machine)) => u64::min(cgroup, machine),
        (one, other) => one.or(other).unwrap_or(4 << 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_place_holds_for_what_is_spilled_from_now_on() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let budget = Budget::new(10, one.path());
        let first = budget.folder().unwrap();
        assert!(first.path().starts_with(one.path()));
        budget.set(20, other.path());
        assert_eq!(budget.limit_bytes(), 20);
        assert!(budget.folder().unwrap().path().starts_with(other.path()));
        assert!(first.path().exists());
    }
}
