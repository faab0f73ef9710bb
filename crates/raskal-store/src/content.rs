//! Content hashes of large data, at the speed of memory.
//!
//! Start at [`ContentHash`]. Data is hashed in pieces, on several threads where there is much of it; neither the number of
//! threads nor how the data is cut into buffers changes the result.
//!
//! XXH3 rather than BLAKE3, which tokens of descriptions use: these hashes tell data apart that nobody made to collide, and
//! an array in memory must not cost more to name than to reduce. It would be BLAKE3 if keys of strangers ever met.

use std::thread;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Bytes that are hashed as one: the second level then hashes a 65,000th of the data.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes that are worth a thread of their own, whose start costs about 20 us.
const THREAD_BYTES: usize = 8 << 20;
/// More threads than this don't read memory faster.
const THREADS_MAX: usize = 8;

/// A hash of 128 bits of all the bytes that it was given.
///
/// ```
/// use raskal_store::ContentHash;
/// let mut parts = ContentHash::new();
/// parts.update(b"large ");
/// parts.update(b"data");
/// let mut whole = ContentHash::new();
/// whole.update(b"large data");
/// assert_eq!(parts.digest(), whole.digest());
/// ```
pub struct ContentHash {
    pieces: Vec<u128>,
    /// The piece that is not full yet, and how many bytes it has.
    open: Box<Xxh3>,
    open_bytes: usize,
    total_bytes: u64,
}

impl Default for ContentHash {
    fn default() -> ContentHash {
        ContentHash::new()
    }
}

impl ContentHash {
    /// The hash of nothing yet.
    pub fn new() -> ContentHash {
        ContentHash { pieces: Vec::new(), open: Box::new(Xxh3::new()), open_bytes: 0, total_bytes: 0 }
    }

    /// Takes more bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.total_bytes += bytes.len() as u64;
        if self.open_bytes > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.open_bytes));
            self.extend_open(head);
            bytes = rest;
        }
        let (whole, rest) = bytes.split_at(bytes.len() / PIECE_BYTES * PIECE_BYTES);
        self.pieces.extend(hash_pieces(whole));
        self.extend_open(rest);
    }

    fn extend_open(&mut self, bytes: &[u8]) {
        self.open.update(bytes);
        self.open_bytes += bytes.len();
        if self.open_bytes == PIECE_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        self.pieces.push(self.open.digest128());
        self.open.reset();
        self.open_bytes = 0;
    }

    /// The hash of all bytes.
    pub fn digest(mut self) -> u128 {
        if self.open_bytes > 0 {
            self.close();
        }
        let pieces = self.pieces.iter().flat_map(|piece| piece.to_le_bytes());
        let bytes: Vec<u8> = self.total_bytes.to_le_bytes().into_iter().chain(pieces).collect();
        xxh3_128(&bytes)
    }
}

/// The hash of each piece of `bytes`, which are whole pieces.
fn hash_pieces(bytes: &[u8]) -> Vec<u128> {
    let mut hashes = vec![0; bytes.len() / PIECE_BYTES];
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (bytes.len() / THREAD_BYTES).min(cores).clamp(1, THREADS_MAX);
    let share = hashes.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut parts = hashes.chunks_mut(share).zip(bytes.chunks(share * PIECE_BYTES));
        let own = parts.next();
        for (hashes, bytes) in parts {
            scope.spawn(move || hash_each(hashes, bytes));
        }
        if let Some((hashes, bytes)) = own {
            hash_each(hashes, bytes);
        }
    });
    hashes
}

fn hash_each(hashes: &mut [u128], bytes: &[u8]) {
    for (hash, piece) in hashes.iter_mut().zip(bytes.chunks(PIECE_BYTES)) {
        *hash = xxh3_128(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(parts: &[&[u8]]) -> u128 {
        let mut hash = ContentHash::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.digest()
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn buffers_may_end_anywhere(length in 0usize..3 * PIECE_BYTES, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
            let bytes = bytes(length);
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
            ends.extend([0, length]);
            ends.sort_unstable();
            let parts: Vec<&[u8]> = ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(digest(&parts), digest(&[&bytes]));
        }
    }

    #[test]
    fn threads_change_nothing_and_every_byte_counts() {
        let mut bytes = bytes(2 * THREAD_BYTES + 12_345);
        let small: Vec<&[u8]> = bytes.chunks(THREAD_BYTES / 3).collect();
        let whole = digest(&[&bytes]);
        assert_eq!(digest(&small), whole);
        for at in [0, PIECE_BYTES, bytes.len() - 1] {
            bytes[at] ^= 1;
            assert_ne!(digest(&[&bytes]), whole, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_ne!(digest(&[]), digest(&[&[0]]));
    }
}
