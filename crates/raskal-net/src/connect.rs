//! Connecting to a scheduler or worker, with an error that tells what to do within seconds.
//!
//! Start at [`connect`]. Nothing here waits longer than the given time, whatever is at the other end.

use crate::handshake::{Side, shake_hands};
use crate::listener::check_same_user;
use crate::stream::{Stream, tune};
use crate::{Address, Credentials, HandshakeOptions, Link, NetError, Role, tls};
use rustls::pki_types::ServerName;
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Connects to a process as `role`.
///
/// # Errors
/// If nobody listens there or answers within the time, or the two sides don't accept each other: wrong protocol,
/// certificate, token or version. Each says what to do.
pub async fn connect(
    address: &Address,
    credentials: &Credentials,
    role: Role,
    time: Duration,
) -> Result<Link, NetError> {
    connect_with(address, credentials, &HandshakeOptions { deadline: time, ..HandshakeOptions::new(role) }).await
}

/// Connects like [`connect`], with options; the deadline of the options is for the whole.
///
/// # Errors
/// As of [`connect`].
pub async fn connect_with(
    address: &Address,
    credentials: &Credentials,
    options: &HandshakeOptions,
) -> Result<Link, NetError> {
    let started = tokio::time::Instant::now();
    let seconds = options.deadline.as_secs();
    let expected = expected_role(options.role);
    let named = format!("the {expected} at {address}");
    let open = timeout(options.deadline, open(address, credentials, expected, &named)).await;
    let mut stream =
        open.map_err(|_| NetError::Timeout { peer: named.clone(), action: "accept a connection", seconds })??;
    let left = options.deadline.saturating_sub(started.elapsed());
    let place = address.to_string();
    let introduce = shake_hands(&mut stream, Side::Connecting, options, credentials.token(), &place);
    match timeout(left, introduce).await {
        Ok(peer) => Ok(Link::new(stream, peer?)),
        Err(_) => Err(NetError::Timeout { peer: named, action: "introduce itself as raskal", seconds }),
    }
}

/// Who is looked for by somebody of a role.
fn expected_role(role: Role) -> &'static str {
    if role == Role::Data { Role::Worker.name() } else { Role::Scheduler.name() }
}

async fn open(
    address: &Address,
    credentials: &Credentials,
    expected: &'static str,
    named: &str,
) -> Result<Stream, NetError> {
    let failed = |error: io::Error| explain(address, expected, &error);
    match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(failed)?;
            check_same_user(&stream, named)?;
            Ok(Stream::Unix(stream))
        }
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            tune(&stream);
            Ok(Stream::Tcp(stream))
        }
        Address::Tls { host, port } => {
            let config = credentials.client_config(address)?;
            let name = ServerName::try_from(host.clone()).map_err(|error| NetError::Address {
                text: address.to_string(),
                reason: format!("'{host}' can't be a host's name: {error}"),
            })?;
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            tune(&stream);
            match TlsConnector::from(config).connect(name, stream).await {
                Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
                Err(error) => Err(tls::explain(named, &error).unwrap_or_else(|| NetError::Protocol {
                    peer: named.to_owned(),
                    reason: format!(
                        "it ended the connection at our TLS greeting ({error})\nhint: for a scheduler started with --insecure \
                         write tcp:// in place of tls://"
                    ),
                })),
            }
        }
    }
}

fn explain(address: &Address, expected: &'static str, error: &io::Error) -> NetError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => NetError::NotListening {
            role: expected,
            address: address.to_string(),
            hint: match expected {
                "scheduler" => "; start one with `raskal scheduler` or check the address".to_owned(),
                _ => "; it has ended, or the address is wrong".to_owned(),
            },
        },
        _ => NetError::Unreachable { address: address.to_string(), reason: error.to_string() },
    }
}
