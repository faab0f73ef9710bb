//! The secret that the processes of one cluster share.
//!
//! A token is never sent. Each side proves that it knows it with a keyed hash over both sides' fresh nonces and the
//! secret of their TLS session, so that a proof is worth nothing on any other connection.

use crate::NetError;
use std::fmt;
use subtle::ConstantTimeEq;

/// Name of the environment variable that gives a process the token.
pub const TOKEN_VARIABLE: &str = "RASKAL_TOKEN";

/// 256 random bits. Prints as `Token(..)`, so that logs don't give it away.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A new random token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> Result<Token, NetError> {
        random_bytes().map(Token)
    }

    /// The token from the environment variable `RASKAL_TOKEN`, if that is set.
    ///
    /// # Errors
    /// If it is set to something that is not a token.
    pub fn from_environment() -> Result<Option<Token>, NetError> {
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => Token::parse(&text).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// If the text is anything else; the message does not repeat it.
    pub fn parse(text: &str) -> Result<Token, NetError> {
        let digits = text.trim().as_bytes();
        let wrong = || {
            NetError::Credentials(format!(
                "a token is 64 hexadecimal digits, but the one given has {} characters or other ones\nhint: copy it from the \
                 scheduler file, or make one with `openssl rand -hex 32`",
                digits.len()
            ))
        };
        let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
        }
        Ok(Token(bytes))
    }

    /// The token as 64 hexadecimal digits, to be shown to its owner only.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a text is this token, compared in constant time: what the dashboard asks.
    pub fn matches(&self, text: &str) -> bool {
        Token::parse(text).is_ok_and(|other| bool::from(self.0.ct_eq(&other.0)))
    }

    /// What the side `label` sends to show that it knows the token.
    pub(crate) fn proof(&self, label: &str, transcript: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(label.len() as u64).to_le_bytes());
        hasher.update(label.as_bytes());
        hasher.update(transcript);
        *hasher.finalize().as_bytes()
    }

    /// Whether `proof` is what the side `label` must send, compared in constant time.
    pub(crate) fn accepts(&self, proof: &[u8], label: &str, transcript: &[u8]) -> bool {
        self.proof(label, transcript)[..].ct_eq(proof).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// 32 bytes from the system's random source.
pub(crate) fn random_bytes() -> Result<[u8; 32], NetError> {
    let random = ring::rand::generate::<[u8; 32]>(&ring::rand::SystemRandom::new());
    let random = random.map_err(|_| NetError::Credentials("the system gives no random numbers".to_owned()))?;
    Ok(random.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_stays_out_of_logs() {
        let token = Token::random().unwrap();
        assert!(Token::parse(&token.reveal()).unwrap().matches(&token.reveal()));
        assert!(!format!("{token:?}").contains(&token.reveal()[..8]));
        assert!(!token.matches(&Token::random().unwrap().reveal()));
    }

    #[test]
    fn a_text_that_is_no_token_is_refused_without_repeating_it() {
        for text in ["", "secret", &"g".repeat(64), &"é".repeat(32)] {
            let error = Token::parse(text).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits") && (text.is_empty() || !error.contains(text)), "{error}");
        }
    }

    #[test]
    fn a_proof_holds_for_its_own_side_and_connection_only() {
        let token = Token::random().unwrap();
        let proof = token.proof("client", b"one");
        assert!(token.accepts(&proof, "client", b"one"));
        assert!(!token.accepts(&proof, "server", b"one"));
        assert!(!token.accepts(&proof, "client", b"two"));
        assert!(!token.accepts(&proof[..31], "client", b"one"));
        assert!(!Token::random().unwrap().accepts(&proof, "client", b"one"));
    }
}
