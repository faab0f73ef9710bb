//! Values on disk.
//!
//! Start at [`SpillFolder::write`]. A large value has a file of its own, written under another name and renamed when whole;
//! small ones share files, since making and removing a file costs more than writing one of them. A checksum covers each
//! value (`form`), so that a damaged one is found and never read. A file goes when nobody holds a [`SpillFile`] in it any
//! more.

mod form;

use crate::frames::Frames;
use parking_lot::Mutex;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Values up to this size share a file.
const SHARING_BYTES: usize = 1 << 20;
/// A file that is shared is full from this size on: what is left of its values keeps all of it.
const SHARED_BYTES: u64 = 8 << 20;
/// The name of a folder of files: `raskal-spill-PID-RANDOM`.
const PREFIX: &str = "raskal-spill-";

/// Why a value could not be written, or read again.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The disk refuses.
    #[error("{action} {path}: {source}")]
    Disk {
        /// What was tried: "cannot write", "cannot read".
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        what: String,
    },
}

impl SpillError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, SpillError::Disk { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// A folder of its own for the values of this process. It goes with its last file and holder.
pub struct SpillFolder {
    path: PathBuf,
    next: AtomicU64,
    /// The file that the next small value goes to.
    shared: Mutex<Option<Shared>>,
}

/// A file that values are added to. It lives as long as one of them.
struct Shared {
    place: Weak<Place>,
    file: File,
    length: u64,
}

impl SpillFolder {
    /// Makes a folder inside `parent` that only its owner can read, and removes those of processes that are gone.
    ///
    /// # Errors
    /// If the system refuses.
    ///
    /// ```
    /// use raskal_store::{Block, Value, spill::SpillFolder};
    /// let folder = SpillFolder::new(&std::env::temp_dir())?;
    /// let value = Value::from(Block::from_vec(vec![1.0; 10_000], &[10_000]));
    /// let file = folder.write(&value.to_frames().unwrap())?;
    /// assert!(file.disk_bytes() < 10_000, "equal numbers are compressed");
    /// assert_eq!(Value::from_frames(&file.read()?).unwrap().size_bytes(), 80_000);
    /// # Ok::<(), raskal_store::spill::SpillError>(())
    /// ```
    pub fn new(parent: &Path) -> Result<Arc<SpillFolder>, SpillError> {
        let failed = |source| SpillError::Disk { action: "cannot make a folder in", path: parent.to_owned(), source };
        fs::create_dir_all(parent).map_err(failed)?;
        remove_orphans(parent);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(failed)?;
        Ok(Arc::new(SpillFolder { path: folder.keep(), next: AtomicU64::new(0), shared: Mutex::new(None) }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If the disk is full or fails; nothing is left of the file then.
    pub fn write(self: &Arc<Self>, frames: &Frames) -> Result<SpillFile, SpillError> {
        if frames.size_bytes() <= SHARING_BYTES {
            return self.add(frames);
        }
        let place = self.place();
        let unfinished = place.path.with_extension("part");
        let written =
            write_file(&unfinished, frames).and_then(|size| fs::rename(&unfinished, &place.path).map(|()| size));
        match written {
            Ok(disk_bytes) => Ok(SpillFile { place: Arc::new(place), offset: 0, disk_bytes }),
            Err(source) => {
                let _ = fs::remove_file(&unfinished);
                Err(SpillError::Disk { action: "cannot write", path: place.path.clone(), source })
            }
        }
    }

    /// Adds a small value to the file that others are in.
    fn add(self: &Arc<Self>, frames: &Frames) -> Result<SpillFile, SpillError> {
        let mut bytes = Vec::with_capacity(frames.size_bytes() + form::HEADER_BYTES);
        let failed = |path: &Path, source| SpillError::Disk { action: "cannot write", path: path.to_owned(), source };
        form::write(frames, &mut bytes).map_err(|source| failed(&self.path, source))?;
        let mut shared = self.shared.lock();
        // Until it is written there is none: what comes after a failure goes to another file.
        let open = shared.take().filter(|shared| shared.length < SHARED_BYTES);
        let (place, mut open) = match open.and_then(|open| Some((open.place.upgrade()?, open))) {
            Some(open) => open,
            None => {
                let place = Arc::new(self.place());
                let file = File::create(&place.path).map_err(|source| failed(&place.path, source))?;
                let open = Shared { place: Arc::downgrade(&place), file, length: 0 };
                (place, open)
            }
        };
        open.file.write_all(&bytes).map_err(|source| failed(&place.path, source))?;
        let (offset, disk_bytes) = (open.length, bytes.len() as u64);
        open.length += disk_bytes;
        *shared = Some(open);
        Ok(SpillFile { place, offset, disk_bytes })
    }

    /// A name for a file of this folder.
    fn place(self: &Arc<Self>) -> Place {
        let path = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        Place { path, _folder: self.clone() }
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a folder of spilled values could not be removed");
        }
    }
}

/// Removes the folders of processes that ended without doing so.
fn remove_orphans(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another user's is refused, which is right.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A file, which goes with the last value in it.
struct Place {
    path: PathBuf,
    _folder: Arc<SpillFolder>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The folder may be gone with the disk.
        let _ = fs::remove_file(&self.path);
    }
}

/// A value on disk.
pub struct SpillFile {
    place: Arc<Place>,
    /// Where in the file it begins.
    offset: u64,
    disk_bytes: u64,
}

impl SpillFile {
    /// What it takes of the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// The file that it is in.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Reads the value.
    ///
    /// # Errors
    /// If the disk fails, or the file is not what was written.
    pub fn read(&self) -> Result<Frames, SpillError> {
        let failed = |source| SpillError::Disk { action: "cannot read", path: self.place.path.clone(), source };
        let damaged = |what: String| SpillError::Damaged { path: self.place.path.clone(), what };
        let mut file = File::open(&self.place.path).map_err(failed)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        let buffer = self.disk_bytes.min(form::BLOCK_BYTES as u64) as usize;
        let mut input = BufReader::with_capacity(buffer, file.take(self.disk_bytes));
        form::read(&mut input, self.disk_bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut short".into()),
            io::ErrorKind::InvalidData => damaged(error.to_string()),
            _ => failed(error),
        })
    }
}

fn write_file(path: &Path, frames: &Frames) -> io::Result<u64> {
    let mut output = BufWriter::with_capacity(form::BLOCK_BYTES, File::create(path)?);
    form::write(frames, &mut output)?;
    let file = output.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Codec;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn frames(parts: Vec<Vec<u8>>) -> Frames {
        Frames { codec: Codec::Pickle, head: "head".into(), buffers: parts.into_iter().map(Bytes::from).collect() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_value_comes_back_as_it_went(parts in prop::collection::vec((0usize..3_000_000, 1u32..300), 0..4)) {
            let parent = tempfile::tempdir().unwrap();
            let folder = SpillFolder::new(parent.path()).unwrap();
            let part = |(length, period): (usize, u32)| (0..length as u32).map(|n| (n % period * 7) as u8).collect();
            let value = frames(parts.into_iter().map(part).collect());
            let file = folder.write(&value).unwrap();
            let back = file.read().unwrap();
            prop_assert_eq!((back.codec, back.head, back.buffers), (value.codec, value.head, value.buffers));
        }

        #[test]
        fn a_damaged_file_is_never_read_as_a_value(at in 0.0f64..1.0, bit in 0u8..8, cut in any::<bool>()) {
            let parent = tempfile::tempdir().unwrap();
            let folder = SpillFolder::new(parent.path()).unwrap();
            let numbers: Vec<u8> = (0..30_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let file = folder.write(&frames(vec![numbers, vec![1; 100_000]])).unwrap();
            let mut bytes = fs::read(file.path()).unwrap();
            let at = (at * bytes.len() as f64) as usize;
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            fs::write(file.path(), bytes).unwrap();
            let error = file.read().unwrap_err().to_string();
            prop_assert!(error.contains("is damaged: "), "{}", error);
        }
    }

    #[test]
    fn files_and_folder_go_with_those_who_hold_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = SpillFolder::new(parent.path()).unwrap();
        let file = folder.write(&frames(vec![])).unwrap();
        let (folder_path, file_path) = (folder.path().to_owned(), file.path().to_owned());
        drop(folder);
        assert!(file_path.exists());
        drop(file);
        assert!(!folder_path.exists());
    }

    #[test]
    fn folders_of_processes_that_are_gone_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        // Larger than any process id of Linux.
        let orphan = parent.path().join(format!("{PREFIX}4194999-abc"));
        fs::create_dir(&orphan).unwrap();
        fs::write(orphan.join("0"), "x").unwrap();
        let folder = SpillFolder::new(parent.path()).unwrap();
        assert!(!orphan.exists() && folder.path().exists());
    }

    #[test]
    fn a_full_disk_says_so_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = SpillFolder::new(parent.path()).unwrap();
        // A device that is always full, in the place of the next files: of small values, and of a large one.
        for (name, length) in [("0", 10), ("1.part", 2 * SHARING_BYTES)] {
            std::os::unix::fs::symlink("/dev/full", folder.path().join(name)).unwrap();
            let numbers = (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let error = folder.write(&frames(vec![numbers])).err().unwrap();
            assert!(error.is_full(), "{error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        folder.write(&frames(vec![vec![1; 10]])).unwrap().read().unwrap();
    }

    #[test]
    fn small_values_share_files_which_go_with_the_last_of_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = SpillFolder::new(parent.path()).unwrap();
        let mixed = |number: u32| (0..SHARING_BYTES as u32 / 8).map(move |n| (n ^ number).wrapping_mul(2_654_435_761));
        let part = |number: u32| mixed(number).flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        let mut files: Vec<_> = (0..40).map(|number| folder.write(&frames(vec![part(number)])).unwrap()).collect();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let most = files.iter().map(SpillFile::disk_bytes).sum::<u64>() / SHARED_BYTES + 2;
        assert!(count() as u64 <= most, "{} files", count());
        for (number, file) in files.iter().enumerate() {
            assert_eq!(file.read().unwrap().buffers, [part(number as u32)]);
        }
        // Of the file that others are added to nothing is left once its values are gone.
        files.truncate(1);
        assert_eq!(count(), 1);
        files.clear();
        assert_eq!(count(), 0);
        assert_eq!(folder.write(&frames(vec![part(7)])).unwrap().read().unwrap().buffers, [part(7)]);
    }
}
