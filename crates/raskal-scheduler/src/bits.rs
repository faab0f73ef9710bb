//! A set of tasks of one graph, one bit each.

/// Numbers below a bound that is given when it is made.
#[derive(Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(crate) fn new(bound: usize) -> Bits {
        Bits { words: vec![0; bound.div_ceil(64)], len: 0 }
    }

    fn split(index: u32) -> (usize, u64) {
        (index as usize / 64, 1 << (index % 64))
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        let (word, bit) = Bits::split(index);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a number below the bound; false if it was there.
    pub(crate) fn insert(&mut self, index: u32) -> bool {
        let (word, bit) = Bits::split(index);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
        new
    }

    /// Takes a number out; false if it was not there.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        let there = self.contains(index);
        if there {
            let (word, bit) = Bits::split(index);
            self.words[word] &= !bit;
            self.len -= 1;
        }
        there
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The numbers, from the smallest on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            (0..64u32).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at as u32 * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bits_are_a_set(steps in prop::collection::vec((0u32..200, any::<bool>()), 0..300)) {
            let (mut bits, mut set) = (Bits::new(200), BTreeSet::new());
            for (index, insert) in steps {
                if insert {
                    prop_assert_eq!(bits.insert(index), set.insert(index));
                } else {
                    prop_assert_eq!(bits.remove(index), set.remove(&index));
                }
                prop_assert_eq!(bits.is_empty(), set.is_empty());
            }
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), set.into_iter().collect::<Vec<_>>());
            prop_assert!(!bits.contains(1_000_000));
        }
    }
}
