//! The last lines of this process's log, to be looked at from elsewhere.
//!
//! A process that is part of a cluster writes its log through [`Tee`]: to the standard error as ever, and into a bounded
//! queue that [`take`] empties.
//! Invariant: never more than [`LINES_MAX`] lines of [`LINE_BYTES_MAX`] bytes are held; the oldest go first.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, Write};

/// How many lines wait to be taken.
pub const LINES_MAX: usize = 500;
/// Where a line is cut.
pub const LINE_BYTES_MAX: usize = 2000;

static TAIL: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Adds a line, without its colours.
pub fn note(line: &str) {
    let mut text = String::with_capacity(line.len().min(LINE_BYTES_MAX));
    let mut rest = line.trim_end().chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            // A terminal's escape sequence ends in a letter.
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else if text.len() < LINE_BYTES_MAX {
            text.push(letter);
        }
    }
    let mut tail = TAIL.lock();
    if tail.len() == LINES_MAX {
        tail.pop_front();
    }
    tail.push_back(text);
}

/// The lines since the last call, oldest first.
pub fn take() -> Vec<String> {
    std::mem::take(&mut *TAIL.lock()).into()
}

/// Writes to the standard error, and notes the lines.
#[derive(Debug, Default)]
pub struct Tee;

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        String::from_utf8_lossy(bytes).lines().for_each(note);
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_colours_and_cut_where_they_are_too_long() {
        (0..LINES_MAX + 3).for_each(|number| note(&format!("\u{1b}[32m{number}\u{1b}[0m")));
        note(&"x".repeat(3 * LINE_BYTES_MAX));
        let lines = take();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX, "4"));
        assert_eq!(lines[LINES_MAX - 1].len(), LINE_BYTES_MAX);
        assert!(take().is_empty());
    }
}
