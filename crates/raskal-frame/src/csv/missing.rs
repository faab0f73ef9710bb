//! Which texts mean "no value".

use std::collections::HashSet;

/// What pandas takes for missing unless told otherwise.
pub const DEFAULT: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// A set of texts that mean "no value", quick to say no.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    texts: HashSet<Vec<u8>>,
    /// For each possible first byte, whether any text starts so.
    first: [bool; 256],
    empty: bool,
    longest: usize,
}

impl Missing {
    pub(crate) fn new(texts: &[String]) -> Missing {
        let mut first = [false; 256];
        for byte in texts.iter().filter_map(|text| text.as_bytes().first()) {
            first[usize::from(*byte)] = true;
        }
        Missing {
            first,
            empty: texts.iter().any(String::is_empty),
            longest: texts.iter().map(String::len).max().unwrap_or(0),
            texts: texts.iter().map(|text| text.clone().into_bytes()).collect(),
        }
    }

    #[inline]
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        match text.first() {
            None => self.empty,
            Some(&byte) => self.first[usize::from(byte)] && text.len() <= self.longest && self.texts.contains(text),
        }
    }
}
