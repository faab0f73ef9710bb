//! The running results of a reduction, one per kept element of a block.
//!
//! [`Accumulator::fold_run`] takes many elements into one place, [`Accumulator::fold_each`] one element into each of many;
//! [`Accumulator::merge`] takes a partial result of another block.

use super::Reduction;
use super::kernels::*;
use crate::column::{ColumnRef, from_f64, from_i64};
use raskal_runtime::Failure;
use raskal_store::{Block, DType};

/// The running results.
pub enum Accumulator {
    /// Sums, and what rounding lost of each.
    SumF64(Vec<f64>, Vec<f64>),
    /// Sums that wrap round.
    SumI64(Vec<i64>),
    /// Products.
    ProdF64(Vec<f64>),
    /// Products that wrap round.
    ProdI64(Vec<i64>),
    /// Least or largest floats.
    ExtremeF64 {
        /// The values so far.
        values: Vec<f64>,
        /// 1 for the least, -1 for the largest (values are kept negated).
        sign: f64,
        /// Whether missing values are passed over.
        skip: bool,
    },
    /// Least or largest integers.
    ExtremeI64(Vec<i64>, bool),
    /// Counts, means, squared deviations.
    Moments(Vec<f64>, Vec<f64>, Vec<f64>),
    /// Least or largest floats and their places; place -1 means none yet.
    PlaceF64(Vec<f64>, Vec<i64>, bool),
    /// As above, of integers.
    PlaceI64(Vec<i64>, Vec<i64>, bool),
}

/// Whether a value at a place is the better one: smaller (or larger), the first of equals, missing values before all.
fn better<T: PartialOrd + Copy>(new: (T, i64), old: (T, i64), largest: bool, missing: impl Fn(T) -> bool) -> bool {
    if old.1 < 0 || new.1 < 0 {
        return new.1 >= 0;
    }
    match (missing(new.0), missing(old.0)) {
        (true, true) => new.1 < old.1,
        (true, false) => true,
        (false, true) => false,
        _ if new.0 == old.0 => new.1 < old.1,
        _ => (new.0 > old.0) == largest,
    }
}

impl Accumulator {
    /// Results of nothing yet, for `count` kept elements and operands that are floats or integers.
    pub fn new(kind: Reduction, float: bool, count: usize) -> Accumulator {
        use Reduction::*;
        match (kind, float) {
            (Sum | NanSum | Mean, true) => Accumulator::SumF64(vec![0.0; count], vec![0.0; count]),
            (Sum | NanSum | Mean, false) => Accumulator::SumI64(vec![0; count]),
            (Prod | NanProd, true) => Accumulator::ProdF64(vec![1.0; count]),
            (Prod | NanProd, false) => Accumulator::ProdI64(vec![1; count]),
            (Min | NanMin | Max | NanMax, true) => {
                let skip = matches!(kind, NanMin | NanMax);
                let sign = if matches!(kind, Min | NanMin) { 1.0 } else { -1.0 };
                let values = vec![if skip { f64::NAN } else { f64::INFINITY }; count];
                Accumulator::ExtremeF64 { values, sign, skip }
            }
            (Min | NanMin, false) => Accumulator::ExtremeI64(vec![i64::MAX; count], false),
            (Max | NanMax, false) => Accumulator::ExtremeI64(vec![i64::MIN; count], true),
            (All, _) => Accumulator::ExtremeI64(vec![1; count], false),
            (Any, _) => Accumulator::ExtremeI64(vec![0; count], true),
            (Var { .. } | Std { .. } | MeanOfMoments, _) => {
                Accumulator::Moments(vec![0.0; count], vec![0.0; count], vec![0.0; count])
            }
            (ArgMin | ArgMax, true) => Accumulator::PlaceF64(vec![0.0; count], vec![-1; count], kind == ArgMax),
            (ArgMin | ArgMax, false) => Accumulator::PlaceI64(vec![0; count], vec![-1; count], kind == ArgMax),
        }
    }

    /// Takes all of `values` into the result at `at`. `places` are read by searches for a place only.
    pub fn fold_run(&mut self, at: usize, values: ColumnRef<'_>, places: &[i64]) {
        match (self, values) {
            (Accumulator::SumF64(sums, lost), ColumnRef::F64(values)) => {
                let (total, error) = two_sum(sums[at], sum_f64(values));
                sums[at] = total;
                lost[at] += error;
            }
            (Accumulator::SumF64(sums, lost), ColumnRef::F32(values)) => {
                let (total, error) = two_sum(sums[at], sum_f32(values));
                sums[at] = total;
                lost[at] += error;
            }
            (Accumulator::SumI64(sums), ColumnRef::I64(values)) => sums[at] = sums[at].wrapping_add(sum_i64(values)),
            (Accumulator::ProdF64(products), ColumnRef::F64(values)) => products[at] *= values.iter().product::<f64>(),
            (Accumulator::ProdI64(products), ColumnRef::I64(values)) => {
                products[at] = values.iter().fold(products[at], |product, &value| product.wrapping_mul(value));
            }
            (Accumulator::ExtremeF64 { values: best, sign, skip }, ColumnRef::F64(values)) => {
                let (least, missing) = min_f64(values, *sign);
                // A run of missing values alone gives infinity, which was not there.
                let nothing = values.is_empty() || (*skip && missing && values.iter().all(|value| value.is_nan()));
                if !nothing {
                    best[at] = extreme(best[at], least, missing, *skip);
                }
            }
            (Accumulator::ExtremeI64(best, largest), ColumnRef::I64(values)) => {
                best[at] = if *largest { best[at].max(max_i64(values)) } else { best[at].min(min_i64(values)) };
            }
            (Accumulator::Moments(counts, means, squares), ColumnRef::F64(values)) => {
                let count = values.len() as f64;
                let mean = if values.is_empty() { 0.0 } else { sum_f64(values) / count };
                let merged =
                    merge_moments((counts[at], means[at], squares[at]), (count, mean, deviations_f64(values, mean)));
                (counts[at], means[at], squares[at]) = merged;
            }
            (Accumulator::PlaceF64(best, at_places, largest), ColumnRef::F64(values)) => {
                for (&value, &place) in values.iter().zip(places) {
                    if better((value, place), (best[at], at_places[at]), *largest, f64::is_nan) {
                        (best[at], at_places[at]) = (value, place);
                    }
                }
            }
            (Accumulator::PlaceI64(best, at_places, largest), ColumnRef::I64(values)) => {
                for (&value, &place) in values.iter().zip(places) {
                    if better((value, place), (best[at], at_places[at]), *largest, |_| false) {
                        (best[at], at_places[at]) = (value, place);
                    }
                }
            }
            _ => unreachable!("a reduction reads floats or integers as its accumulator was made for"),
        }
    }

    /// Takes `values[i]` into the result at `at + i`.
    pub fn fold_each(&mut self, at: usize, values: ColumnRef<'_>, places: &[i64]) {
        match (self, values) {
            (Accumulator::SumF64(sums, lost), ColumnRef::F64(values)) => {
                add_each_f64(&mut sums[at..at + values.len()], &mut lost[at..at + values.len()], values);
            }
            (Accumulator::SumF64(sums, lost), ColumnRef::F32(values)) => {
                add_each_f32(&mut sums[at..at + values.len()], &mut lost[at..at + values.len()], values);
            }
            (Accumulator::SumI64(sums), ColumnRef::I64(values)) => {
                sums[at..].iter_mut().zip(values).for_each(|(sum, &value)| *sum = sum.wrapping_add(value));
            }
            (Accumulator::ProdF64(products), ColumnRef::F64(values)) => {
                products[at..].iter_mut().zip(values).for_each(|(product, &value)| *product *= value);
            }
            (Accumulator::ProdI64(products), ColumnRef::I64(values)) => {
                products[at..]
                    .iter_mut()
                    .zip(values)
                    .for_each(|(product, &value)| *product = product.wrapping_mul(value));
            }
            (Accumulator::ExtremeF64 { values: best, sign, skip }, ColumnRef::F64(values)) => {
                for (best, &value) in best[at..].iter_mut().zip(values) {
                    let value = *sign * value;
                    *best = if *skip {
                        if value < *best || best.is_nan() { value } else { *best }
                    } else if value < *best || value.is_nan() {
                        value
                    } else {
                        *best
                    };
                }
            }
            (Accumulator::ExtremeI64(best, largest), ColumnRef::I64(values)) => {
                for (best, &value) in best[at..].iter_mut().zip(values) {
                    *best = if *largest { (*best).max(value) } else { (*best).min(value) };
                }
            }
            (Accumulator::Moments(counts, means, squares), ColumnRef::F64(values)) => {
                let to = at + values.len();
                moments_each(&mut counts[at..to], &mut means[at..to], &mut squares[at..to], values);
            }
            (own @ (Accumulator::PlaceF64(..) | Accumulator::PlaceI64(..)), values) => {
                for offset in 0..values.len() {
                    own.fold_run(at + offset, values.slice(offset, offset + 1), &places[offset..=offset]);
                }
            }
            _ => unreachable!("a reduction reads floats or integers as its accumulator was made for"),
        }
    }

    /// Takes rows of `columns` values each into the results from the first on: [`ROWS`] at a time where there is a kernel.
    pub fn fold_rows(&mut self, columns: usize, values: ColumnRef<'_>) {
        let together = ROWS * columns;
        let mut from = if columns == 0 { values.len() } else { 0 };
        while from + together <= values.len() {
            let rows = values.slice(from, from + together);
            match (&mut *self, rows) {
                (Accumulator::SumF64(sums, lost), ColumnRef::F64(rows)) => add_rows_f64(sums, lost, rows),
                (Accumulator::SumF64(sums, lost), ColumnRef::F32(rows)) => add_rows_f32(sums, lost, rows),
                (Accumulator::Moments(counts, means, squares), ColumnRef::F64(rows)) => {
                    moments_rows(counts, means, squares, rows);
                }
                _ => break,
            }
            from += together;
        }
        while from < values.len() {
            self.fold_each(0, values.slice(from, from + columns), &[]);
            from += columns;
        }
    }

    /// Number of components of a partial result.
    fn components(&self) -> usize {
        match self {
            Accumulator::Moments(..) => 3,
            Accumulator::PlaceF64(..) | Accumulator::PlaceI64(..) => 2,
            _ => 1,
        }
    }

    /// Takes the partial result of another block.
    ///
    /// # Errors
    /// If it is not a partial result of the same reduction.
    pub fn merge(&mut self, partial: &Block) -> Result<(), Failure> {
        let kept: usize = partial.shape().iter().skip(1).product();
        let wrong = || Failure::internal(format!("{partial:?} is not a partial result of this reduction"));
        if partial.shape().first() != Some(&self.components()) {
            return Err(wrong());
        }
        if let (Accumulator::Moments(counts, means, squares), Some(parts)) = (&mut *self, partial.as_slice::<f64>()) {
            for at in 0..kept {
                let other = (parts[at], parts[kept + at], parts[2 * kept + at]);
                (counts[at], means[at], squares[at]) = merge_moments((counts[at], means[at], squares[at]), other);
            }
            return Ok(());
        }
        if let (Accumulator::ExtremeF64 { values, skip, .. }, Some(parts)) = (&mut *self, partial.as_slice::<f64>()) {
            for (best, &part) in values.iter_mut().zip(parts) {
                if !(*skip && part.is_nan()) {
                    *best = extreme(*best, part, part.is_nan(), *skip);
                }
            }
            return Ok(());
        }
        if let Some(parts) = partial.as_slice::<f64>() {
            let (values, places) = parts.split_at(kept);
            let places: Vec<i64> = places.iter().map(|&place| place as i64).collect();
            self.fold_each(0, ColumnRef::F64(values), &places);
        } else if let Some(parts) = partial.as_slice::<i64>() {
            let (values, places) = parts.split_at(kept);
            self.fold_each(0, ColumnRef::I64(values), places);
        } else {
            return Err(wrong());
        }
        Ok(())
    }

    /// The partial result, of shape `[components, kept...]`.
    pub fn into_partial(self, kept: &[usize]) -> Block {
        let components = self.components();
        let shape: Vec<usize> = std::iter::once(components).chain(kept.iter().copied()).collect();
        match self {
            Accumulator::SumF64(sums, lost) => Block::from_vec(corrected(sums, &lost), &shape),
            Accumulator::ProdF64(values) | Accumulator::ExtremeF64 { values, .. } => Block::from_vec(values, &shape),
            Accumulator::SumI64(values) | Accumulator::ProdI64(values) | Accumulator::ExtremeI64(values, _) => {
                Block::from_vec(values, &shape)
            }
            Accumulator::Moments(mut counts, means, squares) => {
                counts.extend(means);
                counts.extend(squares);
                Block::from_vec(counts, &shape)
            }
            Accumulator::PlaceF64(mut values, places, _) => {
                // Places below 2^53 are exact as floats; no array has more elements.
                values.extend(places.iter().map(|&place| place as f64));
                Block::from_vec(values, &shape)
            }
            Accumulator::PlaceI64(mut values, places, _) => {
                values.extend(places);
                Block::from_vec(values, &shape)
            }
        }
    }

    /// The final result of type `dtype` and shape `shape`; `count` is how many elements each result stands for.
    ///
    /// # Errors
    /// If the result can't be of that type, which a constructor should have refused.
    pub fn finish(self, kind: Reduction, count: f64, dtype: DType, shape: &[usize]) -> Result<Block, Failure> {
        match self {
            Accumulator::SumF64(sums, lost) => {
                let mut values = corrected(sums, &lost);
                if kind == Reduction::Mean {
                    values.iter_mut().for_each(|value| *value /= count);
                }
                from_f64(values, dtype, shape)
            }
            Accumulator::ProdF64(values) => from_f64(values, dtype, shape),
            Accumulator::ExtremeF64 { mut values, sign, .. } => {
                values.iter_mut().for_each(|value| *value *= sign);
                from_f64(values, dtype, shape)
            }
            Accumulator::SumI64(values) | Accumulator::ProdI64(values) | Accumulator::ExtremeI64(values, _) => {
                from_i64(values, dtype, shape)
            }
            Accumulator::Moments(counts, means, squares) => {
                let (ddof, root) = match kind {
                    Reduction::Std { ddof } => (ddof, true),
                    Reduction::Var { ddof } => (ddof, false),
                    Reduction::MeanOfMoments => {
                        let mean = |(count, mean): (&f64, f64)| if *count == 0.0 { f64::NAN } else { mean };
                        return from_f64(counts.iter().zip(means).map(mean).collect(), dtype, shape);
                    }
                    _ => return Err(Failure::internal("moments of a reduction that has none")),
                };
                let variance = counts.iter().zip(squares).map(|(count, square)| {
                    let variance = square / (count - f64::from(ddof)).max(0.0);
                    if root { variance.sqrt() } else { variance }
                });
                from_f64(variance.collect(), dtype, shape)
            }
            Accumulator::PlaceF64(_, places, _) | Accumulator::PlaceI64(_, places, _) => from_i64(places, dtype, shape),
        }
    }
}

/// Sums with what rounding lost put back; a correction of an infinite or missing sum means nothing.
fn corrected(mut sums: Vec<f64>, lost: &[f64]) -> Vec<f64> {
    for (sum, lost) in sums.iter_mut().zip(lost) {
        if lost.is_finite() && sum.is_finite() {
            *sum += lost;
        }
    }
    sums
}

/// The best value so far and the best of a run, in which values may be missing.
fn extreme(best: f64, run: f64, missing: bool, skip: bool) -> f64 {
    if skip {
        return if best.is_nan() || run < best { run } else { best };
    }
    if missing || best.is_nan() {
        return f64::NAN;
    }
    if run < best { run } else { best }
}
