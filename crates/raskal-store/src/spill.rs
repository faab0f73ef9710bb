//! Values on disk.
//!
//! Start at [`SpillFolder::write`]. A file holds one value: a header that tells the parts, and the parts, each compressed
//! where that pays. A checksum covers all of it, so that a damaged file is found and never read as a value. Files are
//! written under another name and renamed when whole, and go when nobody holds their [`SpillFile`] any more.

use crate::frames::{Codec, Frames};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first bytes of a file: what it is, and the version of its form.
const MAGIC: [u8; 8] = *b"rskspl01";
/// Of a part, so many bytes are compressed to see whether it pays.
const SAMPLE_BYTES: usize = 64 << 10;
/// Parts are compressed in blocks of this size, so that a compressed copy stays small.
const BLOCK_BYTES: usize = 1 << 20;
/// More than a file's header takes.
const HEADER_BYTES: u64 = 256;
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
        Ok(Arc::new(SpillFolder { path: folder.keep(), next: AtomicU64::new(0) }))
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
        let path = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let unfinished = path.with_extension("part");
        let written = write_file(&unfinished, frames).and_then(|size| fs::rename(&unfinished, &path).map(|()| size));
        match written {
            Ok(disk_bytes) => Ok(SpillFile { path, disk_bytes, _folder: self.clone() }),
            Err(source) => {
                let _ = fs::remove_file(&unfinished);
                Err(SpillError::Disk { action: "cannot write", path, source })
            }
        }
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

/// A value on disk.
pub struct SpillFile {
    path: PathBuf,
    disk_bytes: u64,
    _folder: Arc<SpillFolder>,
}

impl SpillFile {
    /// Size of the file.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the value.
    ///
    /// # Errors
    /// If the disk fails, or the file is not what was written.
    pub fn read(&self) -> Result<Frames, SpillError> {
        let failed = |source| SpillError::Disk { action: "cannot read", path: self.path.clone(), source };
        let damaged = |what: &str| SpillError::Damaged { path: self.path.clone(), what: what.to_owned() };
        let file = File::open(&self.path).map_err(failed)?;
        let buffer = buffer_len(self.disk_bytes);
        let mut input = Checked { inner: io::BufReader::with_capacity(buffer, file), hash: crc32fast::Hasher::new() };
        let frames = read_parts(&mut input).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
            io::ErrorKind::InvalidData => damaged(&error.to_string()),
            _ => failed(error),
        })?;
        let expected = input.hash.finalize();
        let mut found = [0; 4];
        input.inner.read_exact(&mut found).map_err(|_| damaged("it is cut short"))?;
        if u32::from_le_bytes(found) != expected {
            return Err(damaged("its checksum is wrong"));
        }
        Ok(frames)
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // The folder may be gone with the disk.
        let _ = fs::remove_file(&self.path);
    }
}

/// What goes through it is added to the checksum.
struct Checked<T> {
    inner: T,
    hash: crc32fast::Hasher,
}

impl<T: Write> Checked<T> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Checked<T> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.take(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn write_file(path: &Path, frames: &Frames) -> io::Result<u64> {
    let buffer = buffer_len(frames.size_bytes() as u64 + HEADER_BYTES);
    let mut output =
        Checked { inner: BufWriter::with_capacity(buffer, File::create(path)?), hash: crc32fast::Hasher::new() };
    output.put(&MAGIC)?;
    output.put(&[frames.codec as u8])?;
    output.put(&(frames.buffers.len() as u64).to_le_bytes())?;
    for part in std::iter::once(&frames.head).chain(&frames.buffers) {
        let packed = pays(part);
        output.put(&(part.len() as u64).to_le_bytes())?;
        output.put(&[u8::from(packed)])?;
        if packed {
            for block in part.chunks(BLOCK_BYTES) {
                let block = lz4_flex::block::compress(block);
                output.put(&(block.len() as u64).to_le_bytes())?;
                output.put(&block)?;
            }
        } else {
            for block in part.chunks(BLOCK_BYTES) {
                output.put(block)?;
            }
        }
    }
    let checksum = output.hash.finalize();
    output.inner.write_all(&checksum.to_le_bytes())?;
    let file = output.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file.metadata()?.len())
}

/// Bytes of a file that are read or written at a time: all of a small one, whose buffer would cost more than it.
fn buffer_len(file_bytes: u64) -> usize {
    file_bytes.min(BLOCK_BYTES as u64) as usize
}

/// Whether compressing a part saves a fifth of it or more, by the look of its middle.
fn pays(part: &[u8]) -> bool {
    if part.len() < 4096 {
        return false;
    }
    let first = (part.len() / 2).saturating_sub(SAMPLE_BYTES / 2);
    let sample = &part[first..(first + SAMPLE_BYTES).min(part.len())];
    lz4_flex::block::compress(sample).len() < sample.len() / 5 * 4
}

fn read_parts(input: &mut Checked<io::BufReader<File>>) -> io::Result<Frames> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut magic = [0; MAGIC.len()];
    input.take(&mut magic)?;
    if magic != MAGIC {
        return Err(bad("it is not a spilled value"));
    }
    let mut codec = [0];
    input.take(&mut codec)?;
    let codec = Codec::from_tag(codec[0]).ok_or_else(|| bad("it has an unknown codec"))?;
    let limit = input.inner.get_ref().metadata()?.len();
    let count = input.number()?;
    let mut parts = Vec::new();
    for _ in 0..=count {
        let length = input.number()?;
        let mut packed = [0];
        input.take(&mut packed)?;
        // Before the checksum is known lengths are only believed as far as the file could hold them.
        if packed[0] == 0 && length > limit || length > limit.saturating_mul(256) {
            return Err(bad("it tells impossible lengths"));
        }
        parts.push(if packed[0] == 0 { read_plain(input, length)? } else { read_packed(input, length)? });
    }
    let mut parts = parts.into_iter();
    let head = parts.next().unwrap_or_default();
    Ok(Frames { codec, head, buffers: parts.collect() })
}

fn read_plain(input: &mut Checked<io::BufReader<File>>, length: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(length as usize);
    let got = input.inner.by_ref().take(length).read_to_end(&mut bytes)?;
    if (got as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // In the pieces in which it was added when it was written: the sum does not depend on them.
    input.hash.update(&bytes);
    Ok(bytes.into())
}

fn read_packed(input: &mut Checked<io::BufReader<File>>, length: u64) -> io::Result<Bytes> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a block of it can't be decompressed");
    let mut bytes = Vec::with_capacity(length as usize);
    let mut packed = Vec::new();
    while (bytes.len() as u64) < length {
        let size = input.number()? as usize;
        if size > 2 * BLOCK_BYTES {
            return Err(bad());
        }
        packed.resize(size, 0);
        input.take(&mut packed)?;
        let block = (length as usize - bytes.len()).min(BLOCK_BYTES);
        let start = bytes.len();
        bytes.resize(start + block, 0);
        let got = lz4_flex::block::decompress_into(&packed, &mut bytes[start..]).map_err(|_| bad())?;
        if got != block {
            return Err(bad());
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        // A device that is always full, in the place of the next file.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("0.part")).unwrap();
        let error = folder.write(&frames(vec![vec![1; 10]])).err().unwrap();
        assert!(error.is_full(), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
