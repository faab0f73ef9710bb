//! One number that a process writes down and another reads, also when the first has died.
//!
//! Start at [`Slate`]. An executor notes which task it runs: a store to memory, so that a task of a microsecond can afford
//! it, and known for certain when the process was killed in the middle.

use crate::shared::{map, nameless_file, unmap};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number in shared memory.
pub struct Slate {
    file: File,
    address: usize,
}

const SLATE_BYTES: usize = size_of::<AtomicU64>();

impl Slate {
    /// A new slate with `number` on it.
    ///
    /// # Errors
    /// If the system has no memory for it, or knows no files without names.
    pub fn create(number: u64) -> io::Result<Slate> {
        let file = nameless_file()?;
        file.set_len(SLATE_BYTES as u64)?;
        let slate = Slate::of(file)?;
        slate.write(number);
        Ok(slate)
    }

    /// The slate of another process, at its [`Slate::path`].
    ///
    /// # Errors
    /// If there is none.
    pub fn open(path: &Path) -> io::Result<Slate> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.metadata()?.len() < SLATE_BYTES as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no slate", path.display())));
        }
        Slate::of(file)
    }

    fn of(file: File) -> io::Result<Slate> {
        let address = map(&file, 0, SLATE_BYTES, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
        Ok(Slate { file, address })
    }

    /// Where others find it, for as long as it lives here.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    fn number(&self) -> &AtomicU64 {
        #[expect(unsafe_code)]
        // SAFETY: the mapping is page-aligned, large enough, and lives as long as the slate; all access is atomic.
        unsafe {
            &*(self.address as *const AtomicU64)
        }
    }

    /// Writes a number down.
    pub fn write(&self, number: u64) {
        self.number().store(number, Ordering::Release);
    }

    /// The number that was written last.
    pub fn read(&self) -> u64 {
        self.number().load(Ordering::Acquire)
    }
}

impl Drop for Slate {
    fn drop(&mut self) {
        unmap(self.address, SLATE_BYTES);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_one_writes_the_other_reads() {
        let ours = Slate::create(5).unwrap();
        let theirs = Slate::open(&ours.path()).unwrap();
        assert_eq!(theirs.read(), 5);
        theirs.write(9);
        drop(theirs);
        assert_eq!(ours.read(), 9);
        assert!(Slate::open(Path::new("/dev/null")).is_err());
    }
}
