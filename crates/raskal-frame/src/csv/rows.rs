//! Rows and fields of a text whose structure is known.
//!
//! Start at [`split`]. Second of the two steps of reading CSV: it walks the positions that [`super::structure`] found
//! and notes where the fields of the wanted columns are; the others are stepped over.

use super::structure::Structure;

/// Where one column's fields are: one entry per row.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// First byte of each field.
    pub(crate) starts: Vec<u32>,
    /// Byte behind each field; the highest bit marks a field in quotes, which the range includes.
    pub(crate) ends: Vec<u32>,
}

/// Marks a field in quotes.
const QUOTED: u32 = 1 << 31;

impl Fields {
    fn push(&mut self, start: u32, end: u32) {
        self.starts.push(start);
        self.ends.push(end);
    }

    /// The field of one row, without the quotes around it, and whether it had quotes.
    pub(crate) fn get(&self, row: usize) -> (std::ops::Range<usize>, bool) {
        let (start, end) = (self.starts[row] as usize, self.ends[row]);
        if end & QUOTED == 0 {
            (start..end as usize, false)
        } else {
            (start + 1..((end & !QUOTED) as usize - 1).max(start + 1), true)
        }
    }

    pub(crate) fn clear(&mut self) {
        self.starts.clear();
        self.ends.clear();
    }
}

/// What [`split`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// Complete rows.
    pub(crate) rows: usize,
    /// Bytes of the text that they took, and blank lines between them.
    pub(crate) used: usize,
    /// A row that has too many fields: where it starts, and how many it has. The rows before it are in `rows`.
    pub(crate) too_many: Option<(usize, usize)>,
}

/// What [`split`] needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) structure: Structure,
    /// Number of columns in the file.
    pub(crate) columns: usize,
    /// The wanted columns, ascending; `fields` has one entry for each.
    pub(crate) wanted: Vec<usize>,
}

/// Splits the complete rows of `text` that start before `limit`.
///
/// `positions` are the structural bytes of the text. Missing fields at the end of a row are empty.
pub(crate) fn split(layout: &Layout, text: &[u8], positions: &[u32], limit: usize, fields: &mut [Fields]) -> Split {
    let quote = layout.structure.quote;
    let mut split = Split::default();
    let mut cursor = 0;
    while split.used < limit && cursor < positions.len() {
        let row_start = split.used as u32;
        let mut start = row_start;
        let mut column = 0;
        let mut next_wanted = 0;
        let mut quoted = 0u32;
        loop {
            let Some(&at) = positions.get(cursor) else {
                // The row is not complete: the caller comes back with more text.
                unwind(fields, split.rows);
                return split;
            };
            let byte = text[at as usize];
            cursor += 1;
            if byte == quote {
                if at == start {
                    match closing_quote(text, positions, cursor, quote) {
                        Some(behind) => cursor = behind,
                        None => {
                            unwind(fields, split.rows);
                            return split;
                        }
                    }
                    quoted = QUOTED;
                }
                continue;
            }
            let line_end = byte == b'\n';
            let mut end = at;
            if line_end && end > start && text[end as usize - 1] == b'\r' {
                end -= 1;
            }
            if line_end && column == 0 && end == start {
                // A blank line.
                split.used = at as usize + 1;
                break;
            }
            if layout.wanted.get(next_wanted) == Some(&column) {
                // Text behind the closing quote makes the field an ordinary one.
                let mark = if quoted != 0 && text[end as usize - 1] == quote { QUOTED } else { 0 };
                fields[next_wanted].push(start, end | mark);
                next_wanted += 1;
            }
            quoted = 0;
            column += 1;
            if line_end {
                if column > layout.columns {
                    // One empty field more is a separator at the end of the line, which everybody forgives.
                    if column != layout.columns + 1 || end != start {
                        unwind(fields, split.rows);
                        split.too_many = Some((row_start as usize, column));
                        return split;
                    }
                }
                for missing in &mut fields[next_wanted..] {
                    missing.push(end, end);
                }
                split.rows += 1;
                split.used = at as usize + 1;
                break;
            }
            start = at + 1;
        }
    }
    split
}

/// Position number behind the quote that closes the field opened before `cursor`; doubled quotes are part of it.
fn closing_quote(text: &[u8], positions: &[u32], mut cursor: usize, quote: u8) -> Option<usize> {
    loop {
        let at = *positions.get(cursor)?;
        cursor += 1;
        if text[at as usize] != quote {
            continue;
        }
        match positions.get(cursor) {
            Some(&next) if next == at + 1 && text[next as usize] == quote => cursor += 1,
            _ => return Some(cursor),
        }
    }
}

/// Takes back the fields of an incomplete row.
fn unwind(fields: &mut [Fields], rows: usize) {
    for column in fields {
        column.starts.truncate(rows);
        column.ends.truncate(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: usize) -> (Vec<Vec<String>>, Split) {
        let layout =
            Layout { structure: Structure { separator: b',', quote: b'"' }, columns, wanted: (0..columns).collect() };
        let mut positions = vec![0; text.len()];
        let count = layout.structure.positions(text.as_bytes(), &mut positions);
        let mut fields: Vec<Fields> = (0..columns).map(|_| Fields::default()).collect();
        let split = split(&layout, text.as_bytes(), &positions[..count], text.len(), &mut fields);
        let rows = (0..split.rows)
            .map(|row| fields.iter().map(|column| text[column.get(row).0].to_owned()).collect())
            .collect();
        (rows, split)
    }

    #[test]
    fn quotes_blank_lines_and_carriage_returns_are_understood() {
        let text = "a,1\r\n\n\"x, \"\"y\"\"\nz\",2\n,\nlast,incomplete";
        let (rows, split) = rows(text, 2);
        assert_eq!(rows, [vec!["a", "1"], vec!["x, \"\"y\"\"\nz", "2"], vec!["", ""]]);
        assert_eq!(&text[split.used..], "last,incomplete");
    }

    #[test]
    fn a_short_row_is_filled_and_a_long_one_is_refused() {
        let (found, split) = rows("a\nb,2\nc,3,4\n", 2);
        assert_eq!(found, [vec!["a", ""], vec!["b", "2"]]);
        assert_eq!(split.too_many, Some((6, 3)));
        assert_eq!(rows("a,1,\n", 2).0, [vec!["a", "1"]]);
    }
}
