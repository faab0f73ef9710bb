//! Inner loops of reductions over runs of contiguous elements, compiled for several instruction sets.
//!
//! Sums are pairwise within a run, so their error grows with the logarithm of its length, as NumPy's does.

use multiversion::multiversion;

/// Elements that are added in plain lanes before pairs are formed.
const BASE: usize = 256;
const LANES: usize = 16;

macro_rules! pairwise_sum {
    ($(#[$doc:meta])* $name:ident, $type:ty) => {
        $(#[$doc])*
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        pub(crate) fn $name(values: &[$type]) -> f64 {
            let mut blocks = [0.0; 64];
            let mut used = 0;
            for (number, block) in values.chunks(BASE).enumerate() {
                let mut lanes = [0.0; LANES];
                let mut groups = block.chunks_exact(LANES);
                for group in groups.by_ref() {
                    for lane in 0..LANES {
                        lanes[lane] += f64::from(group[lane]);
                    }
                }
                let mut total = groups.remainder().iter().map(|&value| f64::from(value)).sum::<f64>();
                let mut width = LANES;
                while width > 1 {
                    width /= 2;
                    for lane in 0..width {
                        lanes[lane] += lanes[lane + width];
                    }
                }
                total += lanes[0];
                // A binary counter: sums of 1, 2, 4... blocks wait for a partner of their own size.
                let mut carry = number + 1;
                while carry & 1 == 0 {
                    used -= 1;
                    total += blocks[used];
                    carry >>= 1;
                }
                blocks[used] = total;
                used += 1;
            }
            blocks[..used].iter().rev().sum()
        }
    };
}
pairwise_sum!(
    /// Pairwise sum.
    sum_f64,
    f64
);
pairwise_sum!(
    /// Pairwise sum in 64 bits.
    sum_f32,
    f32
);

/// Sum that wraps round.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn sum_i64(values: &[i64]) -> i64 {
    values.iter().fold(0i64, |sum, &value| sum.wrapping_add(value))
}

/// Sum of squared distances from `mean`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn deviations_f64(values: &[f64], mean: f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut groups = values.chunks_exact(LANES);
    for group in groups.by_ref() {
        for lane in 0..LANES {
            let distance = group[lane] - mean;
            lanes[lane] += distance * distance;
        }
    }
    groups.remainder().iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() + lanes.iter().sum::<f64>()
}

/// Smallest value times `sign` (1, or -1 to find the largest); missing values are passed over and reported beside it.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn min_f64(values: &[f64], sign: f64) -> (f64, bool) {
    let mut lanes = [f64::INFINITY; LANES];
    let mut missing = false;
    let mut groups = values.chunks_exact(LANES);
    for group in groups.by_ref() {
        for lane in 0..LANES {
            let value = group[lane] * sign;
            lanes[lane] = if value < lanes[lane] { value } else { lanes[lane] };
        }
    }
    for value in values {
        missing |= value.is_nan();
    }
    let rest = groups.remainder().iter().map(|&value| value * sign).chain(lanes);
    (rest.fold(f64::INFINITY, |least, value| if value < least { value } else { least }), missing)
}

/// Smallest value.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn min_i64(values: &[i64]) -> i64 {
    values.iter().fold(i64::MAX, |least, &value| least.min(value))
}

/// Largest value.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn max_i64(values: &[i64]) -> i64 {
    values.iter().fold(i64::MIN, |most, &value| most.max(value))
}

macro_rules! add_each {
    ($name:ident, $type:ty) => {
        /// Adds each value to its own sum, and what rounding lost to its own correction.
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        pub(crate) fn $name(sums: &mut [f64], lost: &mut [f64], values: &[$type]) {
            for ((sum, lost), &value) in sums.iter_mut().zip(lost).zip(values) {
                let (total, error) = two_sum(*sum, f64::from(value));
                *sum = total;
                *lost += error;
            }
        }
    };
}
add_each!(add_each_f64, f64);
add_each!(add_each_f32, f32);

/// The rounded sum of two floats, and exactly what rounding lost.
#[inline(always)]
pub(crate) fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let total = left + right;
    let seen = total - left;
    (total, (left - (total - seen)) + (right - seen))
}

/// Count, mean and squared deviations of two sets together.
#[inline(always)]
pub(crate) fn merge_moments(left: (f64, f64, f64), right: (f64, f64, f64)) -> (f64, f64, f64) {
    if left.0 == 0.0 {
        return right;
    }
    if right.0 == 0.0 {
        return left;
    }
    let count = left.0 + right.0;
    let distance = right.1 - left.1;
    let mean = left.1 + distance * (right.0 / count);
    (count, mean, left.2 + right.2 + distance * distance * (left.0 * right.0 / count))
}

/// Rows of values that are reduced together before the running results are read and written once.
pub(crate) const ROWS: usize = 8;

/// The rows of `values`, each as long as `columns`.
#[inline(always)]
fn rows_of<T>(values: &[T], columns: usize) -> [&[T]; ROWS] {
    std::array::from_fn(|row| &values[row * columns..(row + 1) * columns])
}

macro_rules! add_rows {
    ($name:ident, $type:ty) => {
        /// Adds [`ROWS`] rows of values to the sums of their columns, and what rounding lost to the corrections.
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        pub(crate) fn $name(sums: &mut [f64], lost: &mut [f64], values: &[$type]) {
            let columns = sums.len();
            let [a, b, c, d, e, f, g, h] = rows_of(values, columns);
            for (column, (sum, lost)) in sums.iter_mut().zip(lost).enumerate() {
                let at = |row: &[$type]| f64::from(row[column]);
                let rows = ((at(a) + at(b)) + (at(c) + at(d))) + ((at(e) + at(f)) + (at(g) + at(h)));
                let (total, error) = two_sum(*sum, rows);
                *sum = total;
                *lost += error;
            }
        }
    };
}
add_rows!(add_rows_f64, f64);
add_rows!(add_rows_f32, f32);

/// [`ROWS`] more values in each set, one of each row; all of the sets have as many values already.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn moments_rows(counts: &mut [f64], means: &mut [f64], squares: &mut [f64], values: &[f64]) {
    let Some(before) = counts.first().copied() else { return };
    let count = before + ROWS as f64;
    counts.fill(count);
    let (share, weight) = (ROWS as f64 / count, before * ROWS as f64 / count);
    let columns = means.len();
    let [a, b, c, d, e, f, g, h] = rows_of(values, columns);
    for (column, (mean_so_far, squares)) in means.iter_mut().zip(squares).enumerate() {
        let rows = [a[column], b[column], c[column], d[column], e[column], f[column], g[column], h[column]];
        let sum = ((rows[0] + rows[1]) + (rows[2] + rows[3])) + ((rows[4] + rows[5]) + (rows[6] + rows[7]));
        let mean = sum * (1.0 / ROWS as f64);
        let away = rows.map(|value| (value - mean) * (value - mean));
        let own = ((away[0] + away[1]) + (away[2] + away[3])) + ((away[4] + away[5]) + (away[6] + away[7]));
        let distance = mean - *mean_so_far;
        *mean_so_far += distance * share;
        *squares += own + distance * distance * weight;
    }
}

/// One more value in each set; all of the sets have as many values already.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn moments_each(counts: &mut [f64], means: &mut [f64], squares: &mut [f64], values: &[f64]) {
    let Some(count) = counts.first().map(|count| count + 1.0) else { return };
    counts.fill(count);
    // One division instead of one for each set.
    let share = 1.0 / count;
    for ((mean, squares), &value) in means.iter_mut().zip(squares).zip(values) {
        let distance = value - *mean;
        *mean += distance * share;
        *squares += distance * (value - *mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pairwise_sum_of_whole_numbers_is_exact(values in prop::collection::vec(-1000i32..1000, 0..3000)) {
            let floats: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            let exact: i64 = values.iter().map(|&value| i64::from(value)).sum();
            prop_assert_eq!(sum_f64(&floats), exact as f64);
        }
    }

    #[test]
    fn a_pairwise_sum_loses_less_than_adding_in_order() {
        let values = vec![0.1; 100_000];
        let in_order: f64 = values.iter().sum();
        assert!((sum_f64(&values) - 10_000.0).abs() < 1e-11);
        assert!((in_order - 10_000.0).abs() > 1e-9);
    }
}
