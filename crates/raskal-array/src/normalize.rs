//! What users write for `chunks=` made into [`Chunks`].
//!
//! Start at [`normalize`]. Each axis takes a number, -1 (a single block), explicit lengths, `"auto"`, a byte size, or
//! nothing (keep what is there).

use crate::chunks::{Chunks, cut};
use crate::error::{ArrayError, Result, tuple};

/// Bytes that an automatic block holds at most, if nobody says otherwise.
pub const AUTO_BLOCK_BYTES: usize = 128 << 20;

/// What a user wrote for one axis.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisSpec {
    /// Blocks of this many elements; -1 is a single block.
    Size(i64),
    /// These lengths.
    Lengths(Vec<usize>),
    /// Whatever makes blocks of about this many bytes, together with the other automatic axes.
    Bytes(usize),
    /// As `Bytes`, of the default size.
    Auto,
    /// What the array has already; a single block if it has none.
    Keep,
}

impl AxisSpec {
    /// The specification of a text: `"auto"`, or a byte size such as `"64 MiB"`.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn from_text(text: &str) -> Result<AxisSpec> {
        if text == "auto" {
            return Ok(AxisSpec::Auto);
        }
        parse_bytes(text).map(AxisSpec::Bytes).ok_or_else(|| {
            ArrayError::value(
                format!("chunks '{text}' is neither \"auto\" nor a byte size"),
                "write \"auto\", or a size such as \"64 MiB\" or \"100MB\"",
            )
        })
    }
}

/// Reads `"64 MiB"`, `"100MB"`, `"1e6"`: a number and an optional unit of bytes.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')).unwrap_or(text.len());
    let number: f64 = text[..split].trim().parse().ok()?;
    let factor = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes.is_finite() && bytes >= 1.0).then_some(bytes as usize)
}

/// The chunks of an array of `shape` that `specs` (one per axis) ask for.
///
/// # Errors
/// If the numbers of axes differ, lengths do not sum to their axis, or a size is zero.
pub fn normalize(shape: &[usize], specs: &[AxisSpec], size_bytes: usize, previous: Option<&Chunks>) -> Result<Chunks> {
    if specs.len() != shape.len() {
        return Err(ArrayError::value(
            format!("chunks have {} axes, shape {} has {}", specs.len(), tuple(shape), shape.len()),
            "pass one entry of chunks per axis, or one number for all axes",
        ));
    }
    let mut axes: Vec<Vec<usize>> = Vec::with_capacity(shape.len());
    let mut automatic = Vec::new();
    let mut limit = AUTO_BLOCK_BYTES;
    for (axis, (spec, &length)) in specs.iter().zip(shape).enumerate() {
        axes.push(match spec {
            AxisSpec::Size(-1) => vec![length],
            AxisSpec::Size(size) if *size > 0 => cut(length, *size as usize),
            AxisSpec::Size(0) if length == 0 => vec![0],
            AxisSpec::Size(size) => {
                return Err(ArrayError::value(
                    format!("chunk size {size} along axis {axis} of shape {} is not positive", tuple(shape)),
                    "pass a positive number, -1 for a single chunk, or \"auto\"",
                ));
            }
            AxisSpec::Lengths(lengths) if lengths.is_empty() => vec![length],
            AxisSpec::Lengths(lengths) => lengths.clone(),
            AxisSpec::Keep => previous.map_or_else(|| vec![length], |previous| previous.axis(axis).to_vec()),
            AxisSpec::Bytes(_) | AxisSpec::Auto => {
                if let AxisSpec::Bytes(bytes) = spec {
                    limit = *bytes;
                }
                automatic.push(axis);
                vec![length]
            }
        });
    }
    if !automatic.is_empty() {
        let fixed: usize = (0..shape.len())
            .filter(|axis| !automatic.contains(axis))
            .map(|axis| axes[axis].iter().copied().max().unwrap_or(1).max(1))
            .product();
        fill_automatic(shape, &mut axes, &automatic, (limit / size_bytes.max(1) / fixed.max(1)).max(1), previous);
    }
    let chunks = Chunks::new(axes);
    chunks.check(shape, "chunk")?;
    Ok(chunks)
}

/// Cuts the automatic axes so that a block holds at most `elements` along them together: equal lengths, short axes whole,
/// and a multiple of the previous chunks where there are some.
fn fill_automatic(
    shape: &[usize],
    axes: &mut [Vec<usize>],
    automatic: &[usize],
    elements: usize,
    previous: Option<&Chunks>,
) {
    let mut order = automatic.to_vec();
    order.sort_by_key(|&axis| shape[axis]);
    let mut left = elements as f64;
    for (done, &axis) in order.iter().enumerate() {
        let share = left.powf(1.0 / (order.len() - done) as f64).max(1.0);
        let mut block = ((share + 1e-9) as usize).clamp(1, shape[axis].max(1));
        if let Some(previous) = previous.map(|previous| previous.axis(axis).iter().copied().max().unwrap_or(1))
            && previous > 0
            && block > previous
            && block < shape[axis]
        {
            block -= block % previous;
        }
        axes[axis] = cut(shape[axis], block);
        left = (left / block as f64).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chunks_that_do_not_sum_to_their_axis_say_so() {
        let error = normalize(&[3, 12], &[AxisSpec::Size(3), AxisSpec::Lengths(vec![4, 4, 3])], 8, None).unwrap_err();
        insta::assert_snapshot!(error, @r"
        cannot chunk axis 1: chunks (4, 4, 3) sum to 11, axis length is 12
        hint: pass chunks that sum to 12, or -1 for a single chunk
        ");
    }

    #[test]
    fn byte_sizes_are_read_in_both_unit_systems() {
        assert_eq!(parse_bytes("64 MiB"), Some(64 << 20));
        assert_eq!(parse_bytes("100MB"), Some(100_000_000));
        assert_eq!(parse_bytes("1e6"), Some(1_000_000));
        assert_eq!(parse_bytes("many"), None);
    }

    #[test]
    fn automatic_blocks_are_square_where_the_axes_allow() {
        let chunks =
            normalize(&[8000, 8000], &[AxisSpec::Bytes(8_000_000), AxisSpec::Bytes(8_000_000)], 8, None).unwrap();
        assert_eq!(chunks.largest(), [1000, 1000]);
        let chunks =
            normalize(&[10, 8_000_000], &[AxisSpec::Bytes(8_000_000), AxisSpec::Bytes(8_000_000)], 8, None).unwrap();
        assert_eq!(chunks.largest(), [10, 100_000]);
    }

    proptest! {
        #[test]
        fn automatic_blocks_keep_the_limit_and_sum_to_the_shape(
            shape in prop::collection::vec(0usize..2000, 1..4), limit in 8usize..100_000,
        ) {
            let chunks = normalize(&shape, &vec![AxisSpec::Bytes(limit); shape.len()], 8, None).unwrap();
            prop_assert_eq!(chunks.shape(), shape);
            prop_assert!(chunks.largest().iter().product::<usize>() * 8 <= limit.max(8));
        }
    }
}
