//! Memory that processes of one machine share: large buffers, each copied once and mapped by whoever reads it.
//!
//! Start at [`Lender::lend`]. The large buffers of a value go into a file without a name (a memfd); the other process is
//! told its place ([`Loan`]), opens it by way of `/proc` and maps it ([`Loan::take`]). The lender closes its end when it
//! hears that the loan was taken. A file without a name lives as long as somebody has it open or mapped, so that nothing
//! is left over whichever process dies. Buffers that came in this way are lent on without any copy.
//! Invariant: nobody writes to a segment after it was lent. Who wants to write maps it anew, for itself ([`Private`]).

use crate::frames::{Codec, Frames};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Values with fewer bytes in buffers go through pipes: opening and mapping costs as much as copying these.
pub const SHARED_BYTES_MIN: usize = 256 << 10;
/// Where buffers begin in a segment: enough for the widest vector instructions.
const ALIGNMENT: usize = 64;

/// A part of a file of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    pid: u32,
    fd: u32,
    offset: u64,
    length: u64,
}

const PLACE_BYTES: usize = 24;

/// A value whose buffers are to be found in memory of the process that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    /// What the lender wants to hear when its memory was taken.
    pub id: u64,
    codec: Codec,
    head: Bytes,
    places: Vec<Place>,
}

impl Loan {
    /// The loan in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + PLACE_BYTES * self.places.len() + self.head.len());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.push(self.codec as u8);
        bytes.extend_from_slice(&(self.places.len() as u64).to_le_bytes());
        for place in &self.places {
            bytes.extend_from_slice(&place.pid.to_le_bytes());
            bytes.extend_from_slice(&place.fd.to_le_bytes());
            bytes.extend_from_slice(&place.offset.to_le_bytes());
            bytes.extend_from_slice(&place.length.to_le_bytes());
        }
        bytes.extend_from_slice(&self.head);
        bytes
    }

    /// Reads what [`Loan::to_bytes`] wrote; `None` if it is anything else.
    pub fn from_bytes(bytes: &Bytes) -> Option<Loan> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (id, codec) = (number(0)?, Codec::from_tag(*bytes.get(8)?)?);
        let count = usize::try_from(number(9)?).ok()?;
        let head = count.checked_mul(PLACE_BYTES)?.checked_add(17)?;
        if head > bytes.len() {
            return None;
        }
        let place = |at: usize| {
            Some(Place { pid: short(at)?, fd: short(at + 4)?, offset: number(at + 8)?, length: number(at + 16)? })
        };
        let places = (0..count).map(|index| place(17 + PLACE_BYTES * index)).collect::<Option<_>>()?;
        Some(Loan { id, codec, head: bytes.slice(head..), places })
    }

    /// The value, its buffers mapped.
    ///
    /// # Errors
    /// If the lender is gone or its memory can't be opened.
    pub fn take(self) -> io::Result<Frames> {
        let mut segments: HashMap<(u32, u32), Arc<Segment>> = HashMap::new();
        let mut buffers = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let segment = match segments.get(&(place.pid, place.fd)) {
                Some(segment) => segment.clone(),
                None => {
                    let path = format!("/proc/{}/fd/{}", place.pid, place.fd);
                    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot open {path}: {error}"));
                    let segment = Segment::map(File::open(&path).map_err(named)?)?;
                    segments.insert((place.pid, place.fd), segment.clone());
                    segment
                }
            };
            let range = place.offset as usize..place.offset.saturating_add(place.length) as usize;
            let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a loan reaches beyond its memory");
            buffers.push(segment.part(range).ok_or_else(wrong)?);
        }
        Ok(Frames { codec: self.codec, head: self.head, buffers })
    }
}

/// What keeps lent memory open until it was taken.
enum Kept {
    Made(#[expect(dead_code, reason = "held open")] File),
    Passed(#[expect(dead_code, reason = "held open")] Arc<Segment>),
}

/// Lends memory to one other process. Dropping it takes back what was not taken.
pub struct Lender {
    reached: bool,
    loans: Mutex<(u64, HashMap<u64, Vec<Kept>>)>,
}

impl Lender {
    /// A lender to the process `peer`, which belongs to the same user. It lends nothing if the two can't open each
    /// other's files (another system than Linux, a hardened one, a process that forbids it).
    pub fn new(peer: u32) -> Lender {
        let reached = cfg!(target_os = "linux") && std::fs::read_dir(format!("/proc/{peer}/fd")).is_ok();
        Lender { reached, loans: Mutex::default() }
    }

    /// Puts the value's buffers where the other process can map them; `None` if it is better sent through the pipe.
    pub fn lend(&self, frames: &Frames) -> Option<Loan> {
        let size_bytes: usize = frames.buffers.iter().map(Bytes::len).sum();
        if !self.reached || size_bytes < SHARED_BYTES_MIN {
            return None;
        }
        let pid = std::process::id();
        let (mut kept, mut made, mut end) = (Vec::new(), None, 0usize);
        let mut places = Vec::with_capacity(frames.buffers.len());
        for buffer in &frames.buffers {
            if let Some((segment, offset)) = Segment::find(buffer)
                && let Some(file) = &segment.file
            {
                places.push(place(pid, file, offset, buffer.len()));
                kept.push(Kept::Passed(segment));
                continue;
            }
            if made.is_none() {
                made = Some(nameless_file().ok()?);
            }
            let file = made.as_ref()?;
            // Without room for it (of memory, of a limit) the value goes through the pipe.
            file.write_all_at(buffer, end as u64).ok()?;
            places.push(place(pid, file, if buffer.is_empty() { 0 } else { end }, buffer.len()));
            end = (end + buffer.len()).next_multiple_of(ALIGNMENT);
        }
        kept.extend(made.map(Kept::Made));
        let mut loans = self.loans.lock();
        loans.0 += 1;
        let id = loans.0;
        loans.1.insert(id, kept);
        Some(Loan { id, codec: frames.codec, head: frames.head.clone(), places })
    }

    /// The other process has mapped a loan.
    pub fn taken(&self, loan: u64) {
        let kept = self.loans.lock().1.remove(&loan);
        drop(kept);
    }
}

fn place(pid: u32, file: &File, offset: usize, length: usize) -> Place {
    Place { pid, fd: file.as_raw_fd() as u32, offset: offset as u64, length: length as u64 }
}

/// A file in memory that no folder lists.
pub(crate) fn nameless_file() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::FromRawFd;
        #[expect(unsafe_code)]
        // SAFETY: the name is a C string; the descriptor is new and nobody else's.
        unsafe {
            let fd = libc::memfd_create(c"raskal".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(File::from_raw_fd(fd)) }
        }
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// A mapped file. Nobody writes to it.
struct Segment {
    /// Kept for who wants the same memory after us; not when too many are open.
    file: Option<File>,
    address: usize,
    length: usize,
}

/// The segments of this process by address, so that a buffer is known to be part of one.
static SEGMENTS: Mutex<BTreeMap<usize, Weak<Segment>>> = Mutex::new(BTreeMap::new());
/// How many segments keep their file open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many may: a quarter of the files that this process may have open.
fn open_max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        #[expect(unsafe_code)]
        // SAFETY: writes to the struct that it is given.
        let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
        if known { usize::try_from(limit.rlim_cur / 4).unwrap_or(usize::MAX) } else { 64 }
    })
}

impl Segment {
    fn map(file: File) -> io::Result<Arc<Segment>> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let address = map(&file, 0, length, libc::PROT_READ, libc::MAP_SHARED)?;
        let kept = OPEN.fetch_add(1, Ordering::Relaxed) < open_max();
        if !kept {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
        let segment = Arc::new(Segment { file: kept.then_some(file), address, length });
        SEGMENTS.lock().insert(address, Arc::downgrade(&segment));
        Ok(segment)
    }

    fn part(self: &Arc<Segment>, range: Range<usize>) -> Option<Bytes> {
        struct Part(Arc<Segment>, Range<usize>);
        impl AsRef<[u8]> for Part {
            fn as_ref(&self) -> &[u8] {
                #[expect(unsafe_code)]
                // SAFETY: the range was checked against the mapping, which lives as long as the segment does, and whose
                // pages nobody writes to.
                unsafe {
                    std::slice::from_raw_parts((self.0.address + self.1.start) as *const u8, self.1.len())
                }
            }
        }
        (range.start <= range.end && range.end <= self.length).then(|| Bytes::from_owner(Part(self.clone(), range)))
    }

    /// The segment that a buffer is part of, and where in it.
    fn find(buffer: &Bytes) -> Option<(Arc<Segment>, usize)> {
        let address = buffer.as_ptr() as usize;
        let segment = SEGMENTS.lock().range(..=address).next_back()?.1.upgrade()?;
        let offset = address - segment.address;
        (offset + buffer.len() <= segment.length).then_some((segment, offset))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        SEGMENTS.lock().remove(&self.address);
        unmap(self.address, self.length);
        if self.file.is_some() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A buffer's memory for one owner, who may write to it: nobody else sees that. Pages are copied when they are written.
pub struct Private {
    address: usize,
    mapped: usize,
    begin: usize,
    length: usize,
}

impl Private {
    /// The same bytes, if they are part of shared memory that can be mapped once more.
    pub fn of(buffer: &Bytes) -> Option<Private> {
        let (segment, offset) = Segment::find(buffer)?;
        let file = segment.file.as_ref()?;
        let begin = offset % page_bytes();
        let mapped = begin + buffer.len();
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let address = map(file, offset - begin, mapped, libc::PROT_READ | libc::PROT_WRITE, flags).ok()?;
        Some(Private { address, mapped, begin, length: buffer.len() })
    }

    /// Where the bytes are. They may be written for as long as this lives.
    pub fn as_ptr(&self) -> *mut u8 {
        (self.address + self.begin) as *mut u8
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        unmap(self.address, self.mapped);
    }
}

fn page_bytes() -> usize {
    #[expect(unsafe_code)]
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

pub(crate) fn map(file: &File, offset: usize, length: usize, protection: i32, flags: i32) -> io::Result<usize> {
    #[expect(unsafe_code)]
    // SAFETY: asks for a new mapping wherever the system likes; the file lives for the call, a mapping outlives it.
    let address = unsafe {
        libc::mmap(std::ptr::null_mut(), length.max(1), protection, flags, file.as_raw_fd(), offset as libc::off_t)
    };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address as usize) }
}

pub(crate) fn unmap(address: usize, length: usize) {
    #[expect(unsafe_code)]
    // SAFETY: the mapping was made by `map` with this length, and its owner is being dropped.
    unsafe {
        libc::munmap(address as *mut libc::c_void, length.max(1));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(lengths: &[usize]) -> Frames {
        let buffer = |(seed, &length): (usize, &usize)| {
            Bytes::from((0..length).map(|index| ((index + seed) % 251) as u8).collect::<Vec<_>>())
        };
        let buffers = lengths.iter().enumerate().map(buffer).collect();
        Frames { codec: Codec::Pickle, head: Bytes::from_static(b"head"), buffers }
    }

    fn lender() -> Lender {
        Lender::new(std::process::id())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_lent_arrives_and_is_lent_on_without_a_copy(lengths in prop::collection::vec(0usize..200_000, 1..5)) {
            let lengths: Vec<usize> = [SHARED_BYTES_MIN].into_iter().chain(lengths).collect();
            let sent = frames(&lengths);
            let (first, second) = (lender(), lender());
            let loan = first.lend(&sent).unwrap();
            let loan = Loan::from_bytes(&loan.to_bytes().into()).unwrap();
            let id = loan.id;
            let middle = loan.take().unwrap();
            first.taken(id);
            prop_assert_eq!(&middle.buffers, &sent.buffers);
            let again = second.lend(&middle).unwrap();
            prop_assert!(again.places.iter().all(|place| place.fd == again.places[0].fd));
            let last = again.take().unwrap();
            drop((first, second, middle));
            prop_assert_eq!((&last.head, &last.buffers), (&sent.head, &sent.buffers));
        }
    }

    #[test]
    fn small_values_are_not_lent() {
        assert!(lender().lend(&frames(&[1000])).is_none());
        assert!(Lender::new(u32::MAX).lend(&frames(&[SHARED_BYTES_MIN])).is_none());
    }

    #[test]
    fn who_writes_to_a_private_mapping_changes_nothing_elsewhere() {
        let lender = lender();
        let sent = frames(&[100, SHARED_BYTES_MIN]);
        let taken = lender.lend(&sent).unwrap().take().unwrap();
        let private = Private::of(&taken.buffers[1]).unwrap();
        assert_eq!(private.len(), SHARED_BYTES_MIN);
        #[expect(unsafe_code)]
        // SAFETY: the mapping is this test's alone.
        let bytes = unsafe { std::slice::from_raw_parts_mut(private.as_ptr(), private.len()) };
        assert_eq!(bytes, &sent.buffers[1]);
        bytes.fill(7);
        assert_eq!(taken.buffers, sent.buffers);
        assert!(Private::of(&sent.buffers[1]).is_none());
    }

    #[test]
    fn bytes_that_are_no_loan_are_refused() {
        let loan = lender().lend(&frames(&[SHARED_BYTES_MIN])).unwrap();
        let bytes: Bytes = loan.to_bytes().into();
        assert_eq!(Loan::from_bytes(&bytes), Some(loan));
        assert!(Loan::from_bytes(&bytes.slice(..30)).is_none());
        let gone = Loan {
            id: 1,
            codec: Codec::Block,
            head: Bytes::new(),
            places: vec![Place { pid: u32::MAX, fd: 1, offset: 0, length: 1 }],
        };
        assert!(gone.take().unwrap_err().to_string().contains("/proc/4294967295/fd/1"));
    }
}
