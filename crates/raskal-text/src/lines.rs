//! A stream of lines over one buffer.
//!
//! Start at [`Lines::next_line`]. Invariant: the lines, joined, are the text (with line ends as [`LineEnd`] says).

use memchr::{memchr, memchr2, memmem};
use std::io::{self, Read};

/// What ends a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`, `\r\n` or `\r`, each given as `\n`.
    Universal,
    /// `\n`, `\r\n` or `\r`, as they are.
    Any,
    /// These bytes, as they are.
    Exactly(Vec<u8>),
}

/// Bytes read at once.
const READ_BYTES: usize = 1 << 18;

/// A stream of lines.
pub struct Lines {
    source: Box<dyn Read + Send>,
    end: LineEnd,
    buffer: Vec<u8>,
    /// Where in the buffer the next line starts.
    start: usize,
    /// Up to where the next line's end was searched for in vain.
    searched: usize,
    at_end: bool,
}

/// A line in the buffer, from where the next line starts: the end of its content, and of what ends it.
#[derive(Clone, Copy)]
struct Found {
    content: usize,
    next: usize,
}

impl Lines {
    /// The lines of a source.
    pub fn new(source: Box<dyn Read + Send>, end: LineEnd) -> Lines {
        Lines { source, end, buffer: Vec::new(), start: 0, searched: 0, at_end: false }
    }

    /// The next line, with its end; `None` behind the last.
    ///
    /// # Errors
    /// As the source.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        while !self.is_ready() {
            self.fill()?;
        }
        Ok(self.take_line())
    }

    /// Whether [`Lines::take_line`] has what it needs: else [`Lines::fill`] must read first.
    pub fn is_ready(&mut self) -> bool {
        self.at_end || self.find().is_some()
    }

    /// The next line of what was read.
    pub fn take_line(&mut self) -> Option<&[u8]> {
        let start = self.start;
        let found = match self.find() {
            Some(found) => found,
            None if start < self.buffer.len() => Found { content: self.buffer.len(), next: self.buffer.len() },
            None => return None,
        };
        self.start = found.next;
        self.searched = found.next;
        if self.end == LineEnd::Universal && found.content < found.next {
            // In place: the byte behind the content is the `\r` or the `\n`.
            self.buffer[found.content] = b'\n';
            return Some(&self.buffer[start..=found.content]);
        }
        Some(&self.buffer[start..found.next])
    }

    /// Reads on.
    ///
    /// # Errors
    /// As the source.
    pub fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let mut filled = self.buffer.len();
        // A line longer than the buffer doubles it.
        self.buffer.resize(filled + READ_BYTES.max(filled), 0);
        let answer = loop {
            match self.source.read(&mut self.buffer[filled..]) {
                Ok(0) => {
                    self.at_end = true;
                    break Ok(());
                }
                Ok(read) => {
                    filled += read;
                    if filled == self.buffer.len() {
                        break Ok(());
                    }
                }
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => break Err(why),
            }
        };
        self.buffer.truncate(filled);
        answer
    }

    /// The end of the next line, if it is in the buffer.
    fn find(&mut self) -> Option<Found> {
        let text = &self.buffer[self.searched..];
        let (ahead, length) = match &self.end {
            LineEnd::Exactly(end) if end.len() == 1 => (memchr(end[0], text), 1),
            LineEnd::Exactly(end) => (memmem::find(text, end), end.len()),
            LineEnd::Universal | LineEnd::Any => {
                let ahead = memchr2(b'\n', b'\r', text);
                match ahead {
                    Some(at) if text[at] == b'\r' && text.get(at + 1) == Some(&b'\n') => (ahead, 2),
                    // What follows decides whether the `\r` is all of the end.
                    Some(at) if text[at] == b'\r' && at + 1 == text.len() && !self.at_end => {
                        self.searched += at;
                        return None;
                    }
                    _ => (ahead, 1),
                }
            }
        };
        match ahead {
            Some(at) => {
                let content = self.searched + at;
                // The search need not be repeated when the line is taken.
                self.searched = content;
                Some(Found { content, next: content + length })
            }
            None => {
                // The beginning of a longer end may be there already.
                self.searched = self.buffer.len().saturating_sub(length.max(1) - 1).max(self.searched);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, so that borders of reads fall anywhere.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn lines(text: &[u8], end: LineEnd, step: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Box::new(Trickle(text.to_vec(), step)), end);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line.to_vec());
        }
        found
    }

    proptest! {
        #[test]
        fn lines_joined_are_the_text(text in "[ab\n\r]{0,40}", step in 1usize..9, end in "[ab]{1,3}") {
            let bytes = text.as_bytes();
            let any = lines(bytes, LineEnd::Any, step);
            prop_assert_eq!(any.concat(), bytes);
            let universal = text.replace("\r\n", "\n").replace('\r', "\n");
            let expected: Vec<&str> = universal.split_inclusive('\n').collect();
            let found = lines(bytes, LineEnd::Universal, step);
            prop_assert_eq!(found.iter().map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(any.len(), found.len());
            let exactly = lines(bytes, LineEnd::Exactly(end.clone().into_bytes()), step);
            let expected: Vec<Vec<u8>> = text.split_inclusive(end.as_str()).map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(exactly, expected);
        }
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_one_line() {
        let text = [vec![b'x'; 3 * READ_BYTES], b"\nshort".to_vec()].concat();
        let found = lines(&text, LineEnd::Universal, 70_000);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3 * READ_BYTES + 1, 5]);
    }
}
