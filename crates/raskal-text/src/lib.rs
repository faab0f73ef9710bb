//! Lines of text files, whole or in blocks, compressed or not.
//!
//! Start at [`Lines`]: a stream of lines that holds one buffer, however large the file is.
//!
//! ```
//! use raskal_text::{LineEnd, Lines};
//! let mut lines = Lines::new(Box::new(&b"one\r\ntwo"[..]), LineEnd::Universal);
//! let mut found = Vec::new();
//! while let Some(line) = lines.next_line()? {
//!     found.push(line.to_vec());
//! }
//! assert_eq!(found, [b"one\n".to_vec(), b"two".to_vec()]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - [`compression`]: how a file is compressed ([`Compression`]), and readers that undo it.
//! - [`lines`]: where a line ends ([`LineEnd`]).
//! - [`mod@words`]: words, and how often each is there ([`Counts`]).
//! - [`block`]: the lines of one part of a file ([`open`]); the parts of a file give each line once.
//!
//! Nothing here knows Python or starts a thread; text stays bytes.

pub mod block;
pub mod compression;
pub mod lines;
pub mod words;

pub use block::{Part, open};
pub use compression::Compression;
pub use lines::{LineEnd, Lines};
pub use words::{Counts, words};
