//! Times as people type them: `30`, `30s`, `500ms`, `5min`, `2h`.

use std::time::Duration;

/// Reads a time; a bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time; write 30s, 500ms, 5min or 2h");
    let text_trimmed = text.trim();
    let unit_at = text_trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text_trimmed.len());
    let (number, unit) = text_trimmed.split_at(unit_at);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let unit_seconds = match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "ms" => 1e-3,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * unit_seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_typed() {
        for (text, ms) in [("30", 30_000), ("1.5s", 1500), ("500ms", 500), ("5 min", 300_000), ("2h", 7_200_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_examples() {
        for text in ["", "soon", "-1s", "5 parsecs", "1e400", "s"] {
            assert!(parse(text).unwrap_err().contains("5min"), "{text}");
        }
    }
}
