//! The lines of one part of a file.
//!
//! Start at [`open`]. A part ends where the next one begins: behind the first line end at or after the place where the
//! file was cut, so that all parts together give each line once.

use crate::{Compression, LineEnd, Lines};
use memchr::memmem;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// From where to where a file was cut, in bytes; the lines are those that start behind the line ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub from: u64,
    /// Where it ends; the end of the file if not given.
    pub to: Option<u64>,
}

/// The lines of a file, or of one part of it.
///
/// # Errors
/// If the file can't be read, or a part of a compressed file is asked for.
pub fn open(path: &Path, compression: Option<Compression>, part: Option<Part>, end: LineEnd) -> io::Result<Lines> {
    let mut file = File::open(path)?;
    let source: Box<dyn Read + Send> = match (compression, part) {
        (None, None) => Box::new(file),
        (Some(compression), None) => compression.reader(file)?,
        (None, Some(part)) => {
            let border = match &end {
                LineEnd::Exactly(end) => end.as_slice(),
                LineEnd::Universal | LineEnd::Any => b"\n",
            };
            let from = behind(&mut file, part.from, border)?;
            let to = part.to.map_or(Ok(u64::MAX), |to| behind(&mut file, to, border))?;
            file.seek(SeekFrom::Start(from))?;
            Box::new(file.take(to.saturating_sub(from)))
        }
        (Some(_), Some(_)) => {
            let why = "a compressed file can't be read in parts: only its beginning can be found";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
    };
    Ok(Lines::new(source, end))
}

/// Bytes read at once in search of a border.
const SEARCH_BYTES: usize = 1 << 14;

/// The place behind the first border that begins at `place` or later; the beginning and the end of a file are borders.
fn behind(file: &mut File, place: u64, border: &[u8]) -> io::Result<u64> {
    if place == 0 {
        return Ok(0);
    }
    file.seek(SeekFrom::Start(place))?;
    let (mut text, mut dropped) = (Vec::new(), place);
    loop {
        let length = text.len();
        let read = file.by_ref().take(SEARCH_BYTES as u64).read_to_end(&mut text)?;
        // A border may begin in what was read before.
        let from = length.saturating_sub(border.len() - 1);
        if let Some(found) = memmem::find(&text[from..], border) {
            return Ok(dropped + (from + found + border.len()) as u64);
        }
        if read == 0 {
            return Ok(dropped + text.len() as u64);
        }
        let gone = text.len().saturating_sub(border.len());
        text.drain(..gone);
        dropped += gone as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn all(mut lines: Lines) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line.to_vec());
        }
        found
    }

    proptest! {
        #[test]
        fn parts_give_each_line_once(text in "[ab\n\r]{0,60}", cuts in prop::collection::vec(0u64..70, 0..5)) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let mut cuts = cuts;
            cuts.sort_unstable();
            for end in [LineEnd::Universal, LineEnd::Any, LineEnd::Exactly(b"\r\n".to_vec())] {
                let whole = all(open(file.path(), None, None, end.clone()).unwrap());
                let starts = std::iter::once(0).chain(cuts.iter().copied());
                let ends = cuts.iter().copied().map(Some).chain([None]);
                let mut parts = Vec::new();
                for (from, to) in starts.zip(ends) {
                    parts.extend(all(open(file.path(), None, Some(Part { from, to }), end.clone()).unwrap()));
                }
                prop_assert_eq!(parts, whole);
            }
        }
    }

    #[test]
    fn a_part_of_a_compressed_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let part = Some(Part { from: 0, to: None });
        let error = open(file.path(), Some(Compression::Gzip), part, LineEnd::Any).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
