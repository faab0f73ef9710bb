//! Deterministic content hashes: the same description gives the same token in every process and every run.

use std::fmt;

/// 128 bits of a BLAKE3 hash, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// The token of a sequence of parts. Lengths are hashed too, so `["ab"]` and `["a", "b"]` differ.
    ///
    /// ```
    /// use raskal_graph::Token;
    /// assert_eq!(Token::of(["sum", "x-1"]), Token::of(["sum", "x-1"]));
    /// assert_ne!(Token::of(["ab"]), Token::of(["a", "b"]));
    /// assert_eq!(Token::of(["sum"]).to_string().len(), 32);
    /// ```
    pub fn of<Part: AsRef<[u8]>>(parts: impl IntoIterator<Item = Part>) -> Token {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            let part = part.as_ref();
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Token(bytes)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
