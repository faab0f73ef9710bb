//! Fields of one column into an Arrow array, with pandas' rules for what is missing.
//!
//! Start at [`build`].

use super::missing::Missing;
use super::rows::Fields;
use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringViewArray, make_view};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

/// A field that does not fit its column's type: its row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) row: usize,
}

/// The array of one column. `text` must be valid UTF-8 for columns of strings.
pub(crate) fn build(
    dtype: &DataType,
    text: &Buffer,
    fields: &Fields,
    missing: &Missing,
    quote: u8,
) -> Result<ArrayRef, Misfit> {
    Ok(match dtype {
        DataType::Int64 => numbers::<Int64Type>(text, fields, missing, integer)?,
        DataType::Float64 => numbers::<Float64Type>(text, fields, missing, float)?,
        DataType::Utf8View => strings(text, fields, missing, quote),
        DataType::Boolean => booleans(text, fields, missing)?,
        DataType::Float32 => numbers::<Float32Type>(text, fields, missing, |text| float(text).map(|x| x as f32))?,
        DataType::Int8 => numbers::<Int8Type>(text, fields, missing, narrow)?,
        DataType::Int16 => numbers::<Int16Type>(text, fields, missing, narrow)?,
        DataType::Int32 => numbers::<Int32Type>(text, fields, missing, narrow)?,
        DataType::UInt8 => numbers::<UInt8Type>(text, fields, missing, narrow)?,
        DataType::UInt16 => numbers::<UInt16Type>(text, fields, missing, narrow)?,
        DataType::UInt32 => numbers::<UInt32Type>(text, fields, missing, narrow)?,
        DataType::UInt64 => {
            numbers::<UInt64Type>(text, fields, missing, |text| std::str::from_utf8(text).ok()?.trim().parse().ok())?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            numbers::<TimestampNanosecondType>(text, fields, missing, |text| {
                timestamp(text)?.and_utc().timestamp_nanos_opt()
            })?
        }
        // The only other type that the options let through.
        _ => numbers::<TimestampMicrosecondType>(text, fields, missing, |text| {
            Some(timestamp(text)?.and_utc().timestamp_micros())
        })?,
    })
}

fn numbers<T: ArrowPrimitiveType>(
    text: &[u8],
    fields: &Fields,
    missing: &Missing,
    parse: impl Fn(&[u8]) -> Option<T::Native>,
) -> Result<ArrayRef, Misfit> {
    let rows = fields.starts.len();
    let mut values = Vec::with_capacity(rows);
    let mut absent = Vec::new();
    for row in 0..rows {
        let field = &text[fields.get(row).0];
        // Nearly every field is a number: only what is not one is looked up among the missing ones.
        match parse(field) {
            Some(value) => values.push(value),
            None if missing.contains(field.trim_ascii()) => {
                absent.push(row);
                values.push(T::Native::default());
            }
            None => return Err(Misfit { row }),
        }
    }
    let nulls = nulls(rows, &absent);
    Ok(std::sync::Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls)))
}

fn nulls(rows: usize, absent: &[usize]) -> Option<NullBuffer> {
    if absent.is_empty() {
        return None;
    }
    let mut present = vec![true; rows];
    absent.iter().for_each(|&row| present[row] = false);
    Some(NullBuffer::from(present))
}

fn booleans(text: &[u8], fields: &Fields, missing: &Missing) -> Result<ArrayRef, Misfit> {
    let rows = fields.starts.len();
    let mut values = Vec::with_capacity(rows);
    let mut absent = Vec::new();
    for row in 0..rows {
        let field = text[fields.get(row).0].trim_ascii();
        values.push(match boolean(field) {
            Some(value) => value,
            None if missing.contains(field) => {
                absent.push(row);
                false
            }
            None => return Err(Misfit { row }),
        });
    }
    Ok(std::sync::Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls(rows, &absent))))
}

/// Views into the text itself: only fields with doubled quotes are copied.
fn strings(text: &Buffer, fields: &Fields, missing: &Missing, quote: u8) -> ArrayRef {
    let rows = fields.starts.len();
    let mut views = Vec::with_capacity(rows);
    let mut absent = Vec::new();
    let mut unescaped: Vec<u8> = Vec::new();
    let mut outside = false;
    for row in 0..rows {
        let (range, quoted) = fields.get(row);
        let field = &text[range.clone()];
        if missing.contains(field) {
            absent.push(row);
            views.push(0);
        } else if quoted && memchr::memchr(quote, field).is_some() {
            let start = unescaped.len();
            let mut quote_before = false;
            for &byte in field {
                quote_before = byte == quote && !quote_before;
                if !quote_before {
                    unescaped.push(byte);
                }
            }
            views.push(make_view(&unescaped[start..], 1, start as u32));
        } else {
            outside |= field.len() > 12;
            views.push(make_view(field, 0, range.start as u32));
        }
    }
    // Short strings live in their views: then the text need not be kept.
    let buffers = match (outside, unescaped.is_empty()) {
        (false, true) => vec![],
        (_, true) => vec![text.clone()],
        _ => vec![text.clone(), Buffer::from_vec(unescaped)],
    };
    let (views, nulls) = (ScalarBuffer::from(views), nulls(rows, &absent));
    // SAFETY: the views were made from ranges of these buffers; the text is valid UTF-8 (the caller checked it) and is
    // cut at ASCII bytes only, so every field is valid UTF-8 too.
    #[expect(unsafe_code)]
    let array = unsafe { StringViewArray::new_unchecked(views, buffers, nulls) };
    std::sync::Arc::new(array)
}

/// A whole number, with spaces around it.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

fn narrow<T: TryFrom<i64>>(text: &[u8]) -> Option<T> {
    T::try_from(integer(text)?).ok()
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number, with spaces around it. Correctly rounded. `NaN` and its spellings are not numbers but missing.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    // Digits with one point, up to 2^53 and 22 decimals: one exact division of two exact numbers (Clinger).
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let mut mantissa = 0u64;
    let mut decimals = None;
    if digits.len() <= 19 {
        let mut count = 0usize;
        let mut plain = true;
        for (at, &byte) in digits.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                mantissa = mantissa * 10 + u64::from(digit);
                count += 1;
            } else if byte == b'.' && decimals.is_none() {
                decimals = Some(digits.len() - at - 1);
            } else {
                plain = false;
                break;
            }
        }
        if plain && count > 0 && mantissa <= 1 << 53 {
            let value = mantissa as f64 / POWERS[decimals.unwrap_or(0)];
            return Some(if negative { -value } else { value });
        }
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    let value = text.parse::<f64>().ok()?;
    // Rust reads "nan" and "infinity" too: the first is missing, the second is what pandas reads.
    if value.is_nan() { None } else { Some(value) }
}

/// `True` or `False`, as pandas spells them.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"True" | b"TRUE" | b"true" => Some(true),
        b"False" | b"FALSE" | b"false" => Some(false),
        _ => None,
    }
}

/// A date with or without a time, ISO 8601.
pub(crate) fn timestamp(text: &[u8]) -> Option<chrono::NaiveDateTime> {
    let text = text.trim_ascii();
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        text.get(range)?
            .iter()
            .try_fold(0u32, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
    };
    let punctuation = |at: usize, allowed: &[u8]| text.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(punctuation(4, b"-/") && punctuation(7, b"-/")) {
        return None;
    }
    let date = chrono::NaiveDate::from_ymd_opt(number(0..4)? as i32, number(5..7)?, number(8..10)?)?;
    if text.len() == 10 {
        return date.and_hms_opt(0, 0, 0);
    }
    if !(punctuation(10, b" T") && punctuation(13, b":")) {
        return None;
    }
    let (hour, minute) = (number(11..13)?, number(14..16)?);
    if text.len() == 16 {
        return date.and_hms_opt(hour, minute, 0);
    }
    if !punctuation(16, b":") {
        return None;
    }
    let second = number(17..19)?;
    let nanosecond = match text.len() {
        19 => 0,
        21..=29 if punctuation(19, b".") => number(20..text.len())? * 10u32.pow(29 - text.len() as u32),
        _ => return None,
    };
    date.and_hms_nano_opt(hour, minute, second, nanosecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_to_the_last_bit() {
        let mut checked = 0;
        for text in [
            "0",
            "-0.0",
            "1.5",
            "123.45",
            "0.1",
            "9007199254740993",
            "1e300",
            "-1.7976931348623157e308",
            ".5",
            "5.",
            " 2.25 ",
            "0.30000000000000004",
            "1234567890123456789",
            "inf",
            "-inf",
            "+7.5",
            "3.141592653589793238",
        ] {
            let expected: f64 = text.trim().parse().unwrap();
            assert_eq!(float(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()), "{text}");
            checked += 1;
        }
        assert_eq!(checked, 17);
        for text in ["", ".", "-", "1.2.3", "nan", "x", "1,5"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn integers_stay_within_their_range() {
        assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer(b"9223372036854775808"), None);
        assert_eq!(integer(b"1.0"), None);
        assert_eq!(narrow::<i8>(b"128"), None);
    }

    #[test]
    fn timestamps_are_iso_8601() {
        let at = |text: &str| timestamp(text.as_bytes()).map(|time| time.to_string());
        assert_eq!(at("2024-02-29").as_deref(), Some("2024-02-29 00:00:00"));
        assert_eq!(at("2024-02-29T23:59:58").as_deref(), Some("2024-02-29 23:59:58"));
        assert_eq!(at("2024-02-29 23:59:58.25").as_deref(), Some("2024-02-29 23:59:58.250"));
        assert_eq!(at("2023-02-29"), None);
        assert_eq!(at("29.02.2024"), None);
    }
}
