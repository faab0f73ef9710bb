//! Where the separators, line ends and quotes of a text are.
//!
//! Start at [`Structure::positions`]. First of the two steps of reading CSV: it looks at 64 bytes at a time and knows
//! nothing of rows, so that its speed does not depend on how long fields are. The second is [`super::rows`].

/// The bytes that give a CSV text its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Between fields.
    pub(crate) separator: u8,
    /// Around fields; a byte that never occurs in text where quoting is off.
    pub(crate) quote: u8,
}

/// How many bytes [`Structure::mask`] looks at.
const BLOCK: usize = 64;

impl Structure {
    /// Writes the positions of all separators, line feeds and quotes into `positions` and gives their number.
    ///
    /// `positions` must be at least as long as `text`. Texts are shorter than 2 GiB.
    pub(crate) fn positions(self, text: &[u8], positions: &mut [u32]) -> usize {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut count = 0;
        let mut base = 0u32;
        for block in blocks {
            let mut mask = self.mask(block);
            while mask != 0 {
                positions[count] = base + mask.trailing_zeros();
                count += 1;
                mask &= mask - 1;
            }
            base += BLOCK as u32;
        }
        for (offset, &byte) in rest.iter().enumerate() {
            if byte == self.separator || byte == b'\n' || byte == self.quote {
                positions[count] = base + offset as u32;
                count += 1;
            }
        }
        count
    }

    /// One bit per byte of the block, set where the byte is a separator, a line feed or a quote.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn mask(self, block: &[u8; BLOCK]) -> u64 {
        #[expect(unsafe_code)]
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            self.mask_sse2(block)
        }
    }

    /// The compiler does not find the step from bytes to bits in a plain loop by itself.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "sse2")]
    fn mask_sse2(self, block: &[u8; BLOCK]) -> u64 {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
        let separator = _mm_set1_epi8(self.separator as i8);
        let quote = _mm_set1_epi8(self.quote as i8);
        let line = _mm_set1_epi8(b'\n' as i8);
        let mut mask = 0u64;
        for quarter in 0..4 {
            let bytes = &block[quarter * 16..quarter * 16 + 16];
            #[expect(unsafe_code)]
            // SAFETY: the slice is 16 bytes long, and an unaligned load has no other requirement.
            let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            let hits = _mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(bytes, separator), _mm_cmpeq_epi8(bytes, line)),
                _mm_cmpeq_epi8(bytes, quote),
            );
            mask |= u64::from(_mm_movemask_epi8(hits) as u16) << (quarter * 16);
        }
        mask
    }

    /// One bit per byte of the block, set where the byte is a separator, a line feed or a quote.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn mask(self, block: &[u8; BLOCK]) -> u64 {
        let mut mask = 0u64;
        for (bit, &byte) in block.iter().enumerate() {
            let hit = (byte == self.separator) | (byte == b'\n') | (byte == self.quote);
            mask |= u64::from(hit) << bit;
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::Structure;

    #[test]
    fn every_structural_byte_is_found_wherever_it_stands() {
        let structure = Structure { separator: b',', quote: b'"' };
        let mut checked = 0;
        for length in 0..200usize {
            let text: Vec<u8> = (0..length).map(|n| b"a,b\"\n\xff\x00z"[(n * n + length) % 8]).collect();
            let expected: Vec<u32> =
                (0..length as u32).filter(|&n| matches!(text[n as usize], b',' | b'"' | b'\n')).collect();
            let mut positions = vec![0; length];
            let count = structure.positions(&text, &mut positions);
            assert_eq!(positions[..count], expected);
            checked += count;
        }
        assert!(checked > 1000);
    }
}
