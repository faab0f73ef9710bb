//! What can go wrong between two processes, each with the peer's name and what to do.
//!
//! Start at [`NetError`]. Errors are cheap to clone: one lost connection wakes many waiters, and each gets the reason.

use raskal_types::ErrorKind;

/// Why an address, a connection or a message failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The text is not an address.
    #[error(
        "'{text}' is not an address: {reason}\nhint: write tls://host:8786, unix:///path or, without encryption, tcp://host:8786"
    )]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address can't be listened on.
    #[error("cannot listen at {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error("no {role} listens at {address}{hint}")]
    NotListening {
        /// Who was expected there.
        role: &'static str,
        /// The address that was tried.
        address: String,
        /// What to do; empty, or starts with `; `.
        hint: String,
    },
    /// The address can't be reached.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// The address that was tried.
        address: String,
        /// The operating system's reason.
        reason: String,
    },
    /// An answer took too long.
    #[error("{peer} did not {action} within {seconds} s")]
    Timeout {
        /// Who did not answer.
        peer: String,
        /// What it should have done.
        action: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// One side speaks TLS, the other does not, or the peer is something else altogether.
    #[error("{peer} does not speak the same protocol: {reason}")]
    Protocol {
        /// The peer.
        peer: String,
        /// What it sent, and what to do.
        reason: String,
    },
    /// The peer's certificate is not the expected one, or ours is not accepted.
    #[error("the certificate of {peer} is refused: {reason}")]
    Certificate {
        /// The peer.
        peer: String,
        /// Why, and what to do.
        reason: String,
    },
    /// One side does not know the other's token.
    #[error("{peer} is not authenticated: {reason}")]
    Token {
        /// The peer.
        peer: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The two sides run different versions.
    #[error("{0}")]
    Version(String),
    /// The peer sent something that is not a message; its connection is closed.
    #[error("{peer} sent a malformed frame: {reason}")]
    Malformed {
        /// The peer.
        peer: String,
        /// What is wrong with the frame.
        reason: String,
    },
    /// A message is larger than the connection allows.
    #[error("a message of {size_bytes} bytes to {peer} is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The peer.
        peer: String,
        /// The message's size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The connection broke.
    #[error("the connection to {peer} was lost: {reason}")]
    Lost {
        /// The peer.
        peer: String,
        /// The operating system's reason.
        reason: String,
    },
    /// The connection was closed in order, by either side.
    #[error("the connection to {peer} is closed")]
    Closed {
        /// The peer.
        peer: String,
    },
    /// The peer understood a request and refused it.
    #[error("{peer} answered: {message}")]
    Refused {
        /// The peer.
        peer: String,
        /// Its words.
        message: String,
    },
    /// A scheduler file, certificate or key can't be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Credentials are missing or malformed.
    #[error("{0}")]
    Credentials(String),
}

impl NetError {
    /// The kind of failure, which decides the exception of a Python user.
    pub fn kind(&self) -> ErrorKind {
        match self {
            NetError::Address { .. } | NetError::Credentials(_) | NetError::TooLarge { .. } => ErrorKind::Value,
            _ => ErrorKind::Io,
        }
    }

    pub(crate) fn lost(peer: impl ToString, reason: impl ToString) -> NetError {
        NetError::Lost { peer: peer.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn malformed(peer: impl ToString, reason: impl ToString) -> NetError {
        NetError::Malformed { peer: peer.to_string(), reason: reason.to_string() }
    }
}
