//! Connections between the processes of a cluster: addresses, TLS, tokens, frames of messages, and bulk data.
//!
//! A listening side and a connecting side that share [`Credentials`] give each other a [`Link`]; a link becomes a
//! [`Sender`] and [`Receiver`] of any messages that bitcode can encode, or a [`data::DataClient`] and a
//! [`data::serve`] loop for large buffers.
//!
//! ```
//! use raskal_net::{ConnectionOptions, Credentials, HandshakeOptions, Listener, Role, connect};
//! use std::time::Duration;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let credentials = Credentials::generate(&["localhost", "127.0.0.1"])?;
//! let mut listener =
//!     Listener::bind(&"tls://127.0.0.1:0".parse()?, &credentials, HandshakeOptions::new(Role::Scheduler)).await?;
//! let address = listener.address().clone();
//! let (accepted, connected) =
//!     tokio::join!(listener.accept(), connect(&address, &credentials, Role::Worker, Duration::from_secs(5)));
//! let (to_worker, _from_worker) = accepted.into_connection::<u32, String>(ConnectionOptions::default());
//! let (_to_scheduler, mut from_scheduler) = connected?.into_connection::<String, u32>(ConnectionOptions::default());
//! to_worker.push([1, 2, 3])?;
//! assert_eq!(from_scheduler.receive().await?, Some(vec![1, 2, 3]));
//! # Ok::<(), raskal_net::NetError>(())
//! # }).unwrap();
//! ```
//!
//! - [`address`]: `tls://host:port`, `tcp://host:port`, `unix:///path`.
//! - [`credentials`], [`token`], [`certificate`]: who may connect, and to whom; [`scheduler_file`]: how local processes
//!   find both.
//! - [`listener`], [`connect()`](connect()), [`handshake`]: from a socket to an authenticated [`link`].
//! - [`connection`]: messages, many per frame.
//! - [`data`]: requests answered with large buffers, on connections of their own.
//! - [`log_tail`]: the last lines of this process's log.
//! - [`error`]: what went wrong, with the peer's name and what to do.
//!
//! This crate knows no message, no task and no value: it is generic over what travels.

pub mod address;
pub mod certificate;
pub mod connect;
pub mod connection;
pub mod credentials;
pub mod data;
pub mod error;
pub mod handshake;
pub mod link;
pub mod listener;
pub mod log_tail;
mod parcel;
mod queue;
pub mod scheduler_file;
mod stream;
mod tls;
pub mod token;
mod writer;

pub use address::Address;
pub use certificate::{Certificate, Identity, Trust};
pub use connect::{connect, connect_with};
pub use connection::{ConnectionOptions, Receiver, Sender, Written};
pub use credentials::Credentials;
pub use data::{Credits, DataClient, DataOptions, Parcel};
pub use error::NetError;
pub use handshake::{HandshakeOptions, Peer, Role};
pub use link::Link;
pub use listener::Listener;
pub use scheduler_file::SchedulerFile;
pub use token::Token;

/// Version of raskal that this build is; only equal versions talk to each other.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Number of the messages' format, raised with every change of it between two releases.
pub const PROTOCOL: u32 = 1;
