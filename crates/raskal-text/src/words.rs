//! The words of lines, and how often each is there.
//!
//! Start at [`words`] and [`Counts`]. Invariant: words are those of Python's `str.split()`.

use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Whether Python counts a character as white space: as Unicode does, and the four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The same for bytes of ASCII.
const fn is_ascii_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | 0x1c..=0x1f | b' ')
}

/// The words of a text: what is between white space.
///
/// ```
/// assert_eq!(raskal_text::words(" two\u{a0}words\n").collect::<Vec<_>>(), ["two", "words"]);
/// ```
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// How often words were met, in the order in which they first were.
#[derive(Default)]
pub struct Counts {
    /// For each word its place in `counts`.
    places: HashMap<Box<str>, u32, FixedState>,
    counts: Vec<u64>,
}

impl Counts {
    /// Counts nothing yet.
    pub fn new() -> Counts {
        Counts::default()
    }

    /// Counts the words of a text.
    pub fn add(&mut self, text: &str) {
        if !text.is_ascii() {
            words(text).for_each(|word| self.add_word(word));
            return;
        }
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            if is_ascii_space(bytes[start]) {
                start += 1;
                continue;
            }
            let length = bytes[start..].iter().position(|&byte| is_ascii_space(byte)).unwrap_or(bytes.len() - start);
            self.add_word(&text[start..start + length]);
            start += length + 1;
        }
    }

    /// Counts one word.
    pub fn add_word(&mut self, word: &str) {
        match self.places.get(word) {
            Some(&place) => self.counts[place as usize] += 1,
            None => {
                self.places.insert(word.into(), self.counts.len() as u32);
                self.counts.push(1);
            }
        }
    }

    /// The words and how often each was met.
    pub fn into_pairs(self) -> impl Iterator<Item = (Box<str>, u64)> {
        let mut words: Vec<(u32, Box<str>)> = self.places.into_iter().map(|(word, place)| (place, word)).collect();
        words.sort_unstable_by_key(|(place, _)| *place);
        words.into_iter().map(|(_, word)| word).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_the_words_one_by_one(texts in prop::collection::vec("[ab\u{e4} \t\u{1c}\u{a0}]{0,12}", 0..5)) {
            let (mut counts, mut expected) = (Counts::new(), Vec::<(Box<str>, u64)>::new());
            for text in &texts {
                counts.add(text);
                for word in words(text) {
                    match expected.iter_mut().find(|(known, _)| **known == *word) {
                        Some((_, count)) => *count += 1,
                        None => expected.push((word.into(), 1)),
                    }
                }
            }
            prop_assert_eq!(counts.into_pairs().collect::<Vec<_>>(), expected);
        }
    }
}
