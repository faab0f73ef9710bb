//! When blocks are cut before they are put together anew, and into what.

use crate::chunks::{Chunks, bounds};

/// Arrays up to this size are rechunked at once: they are held whole anyway.
const SMALL_BYTES: u64 = 32 << 20;
/// A task that reads no more than so many times the largest block may hold all it reads.
const READ_MAX: u64 = 4;
/// Cutting costs a task for each piece.
const PIECES_MAX: u64 = 1 << 20;

/// The pieces into which blocks of `from` are cut on their way to blocks of `to`, where a task that reads whole blocks would
/// hold many times what it gives; none where it would not.
pub(super) fn pieces(from: &Chunks, to: &Chunks, element_bytes: usize) -> Option<Chunks> {
    let bytes = |chunks: &Chunks| chunks.largest().iter().product::<usize>() as u64 * element_bytes as u64;
    let total = from.shape().iter().product::<usize>() as u64 * element_bytes as u64;
    let read: u64 = from.axes().zip(to.axes()).map(|(from, to)| most_read(from, to)).product();
    let held = read.saturating_mul(bytes(from)).min(total);
    if total <= SMALL_BYTES || held <= READ_MAX * bytes(from).max(bytes(to)) {
        return None;
    }
    let pieces = Chunks::new(from.axes().zip(to.axes()).map(|(from, to)| refined(from, to)).collect());
    (pieces.block_count() <= PIECES_MAX).then_some(pieces)
}

/// The most blocks of `from` that one block of `to` reads along an axis.
fn most_read(from: &[usize], to: &[usize]) -> u64 {
    let (from, to) = (bounds(from), bounds(to));
    let read = to.windows(2).filter(|ends| ends[0] < ends[1]).map(|ends| {
        let first = from.partition_point(|&bound| bound <= ends[0]) - 1;
        let end = from.partition_point(|&bound| bound < ends[1]);
        (end - first) as u64
    });
    read.max().unwrap_or(1)
}

/// The axis cut wherever one of the two cuts it.
fn refined(from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = bounds(from).into_iter().chain(bounds(to)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_to_columns_are_cut_and_neighbours_are_merged_at_once() {
        let (rows, columns) =
            (Chunks::regular(&[4096, 4096], &[64, 4096]), Chunks::regular(&[4096, 4096], &[4096, 64]));
        assert_eq!(pieces(&rows, &columns, 8), Some(Chunks::regular(&[4096, 4096], &[64, 64])));
        assert_eq!(pieces(&rows, &Chunks::regular(&[4096, 4096], &[128, 4096]), 8), None);
        assert_eq!(pieces(&rows, &Chunks::single(&[4096, 4096]), 8), None);
        let (rows, columns) = (Chunks::regular(&[64, 64], &[1, 64]), Chunks::regular(&[64, 64], &[64, 1]));
        assert_eq!(pieces(&rows, &columns, 8), None, "a small array is held whole anyway");
    }

    proptest! {
        #[test]
        fn a_piece_lies_in_one_block_of_each(
            from in prop::collection::vec(0usize..5, 1..6), to in prop::collection::vec(0usize..5, 1..6),
        ) {
            let mut to = to;
            let (length, own) = (from.iter().sum::<usize>(), to.iter().sum::<usize>());
            if own < length { to.push(length - own) }
            let mut from = from;
            if own > length { from.push(own - length) }
            let fine = bounds(&refined(&from, &to));
            for limits in [bounds(&from), bounds(&to)] {
                prop_assert!(limits.iter().all(|limit| fine.contains(limit)));
            }
            let counted = bounds(&to).windows(2).map(|ends| {
                bounds(&from).windows(2).filter(|own| own[0] < ends[1] && own[1] > ends[0] && own[0] < own[1]).count()
            }).max().unwrap();
            prop_assert!(most_read(&from, &to) >= counted as u64);
        }
    }
}
