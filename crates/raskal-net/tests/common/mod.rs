//! What the tests with real sockets share.
#![allow(dead_code, reason = "each test program uses its own part of this")]

use raskal_net::{Address, ConnectionOptions, Credentials, HandshakeOptions, Link, Listener, NetError, Role, connect};
use std::time::Duration;
use tokio::net::TcpStream;

/// Longer than any test takes; a test that waits for it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A listening scheduler on a free loopback port.
pub(crate) async fn listen(credentials: &Credentials) -> Listener {
    listen_at("tls://127.0.0.1:0", credentials, HandshakeOptions::new(Role::Scheduler)).await
}

/// A listener at an address.
pub(crate) async fn listen_at(address: &str, credentials: &Credentials, options: HandshakeOptions) -> Listener {
    Listener::bind(&address.parse().unwrap(), credentials, options).await.unwrap()
}

/// Fresh credentials for loopback.
pub(crate) fn credentials() -> Credentials {
    Credentials::generate(&["localhost", "127.0.0.1"]).unwrap()
}

/// Both ends of a fresh connection: the scheduler's and the worker's.
pub(crate) async fn pair(credentials: &Credentials) -> (Link, Link) {
    let mut listener = listen(credentials).await;
    meet(&mut listener, credentials, Role::Worker).await
}

/// Connects to a listener: the listener's end and the newcomer's.
pub(crate) async fn meet(listener: &mut Listener, credentials: &Credentials, role: Role) -> (Link, Link) {
    let address = listener.address().clone();
    let (theirs, ours) = tokio::join!(listener.next(), connect(&address, credentials, role, PATIENCE));
    (theirs.unwrap(), ours.unwrap())
}

/// What both sides say when a connection is refused: the connecting one first.
pub(crate) async fn refusal(
    listener: &mut Listener,
    credentials: &Credentials,
    options: HandshakeOptions,
) -> (String, String) {
    let address = listener.address().clone();
    let (theirs, ours) =
        within(async { tokio::join!(listener.next(), raskal_net::connect_with(&address, credentials, &options)) })
            .await;
    (ours.unwrap_err().to_string(), theirs.unwrap_err().to_string())
}

/// A raw TCP connection to a listener.
pub(crate) async fn raw(address: &Address) -> TcpStream {
    TcpStream::connect(address.host_port().unwrap()).await.unwrap()
}

/// Default limits with another largest frame.
pub(crate) fn frames_up_to(frame_bytes_max: usize) -> ConnectionOptions {
    ConnectionOptions { frame_bytes_max, ..ConnectionOptions::default() }
}

/// Fails the test if something takes longer than [`PATIENCE`].
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it hangs")
}

/// The text of an error that must be there.
pub(crate) fn text<T>(result: Result<T, NetError>) -> String {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error.to_string(),
    }
}

/// A TLS connection without raskal's introduction, to a listener whose certificate is known.
pub(crate) async fn tls_to(
    address: &Address,
    certificate: raskal_net::Certificate,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = certificate.to_pem();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect("127.0.0.1".try_into().unwrap(), raw(address).await).await.unwrap()
}
