//! Listening for peers, and letting in those that introduce themselves properly.
//!
//! Start at [`Listener::bind`] and [`Listener::accept`]. Each newcomer is heard in a task of its own with a deadline,
//! so that a silent or hostile one holds up nobody.

use crate::handshake::{Side, shake_hands};
use crate::scheduler_file::current_user;
use crate::stream::{Stream, hang_up, tune};
use crate::{Address, Credentials, HandshakeOptions, Link, NetError, tls};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How many newcomers may be introducing themselves at a time; more wait in the system's queue.
const NEWCOMERS_MAX: usize = 512;

/// A listening socket. Dropping it stops listening; connections it gave stay open.
#[derive(Debug)]
pub struct Listener {
    address: Address,
    newcomers: mpsc::Receiver<Result<Link, NetError>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens at an address; port 0 lets the system choose one, which [`Listener::address`] then tells.
    ///
    /// # Errors
    /// If the address is taken or not of this machine, or the credentials don't fit: TLS needs a certificate, and
    /// `tcp://` needs [`Credentials::insecure`], since nothing is encrypted there.
    pub async fn bind(
        address: &Address,
        credentials: &Credentials,
        options: HandshakeOptions,
    ) -> Result<Listener, NetError> {
        let failed = |reason: String| NetError::Listen { address: address.to_string(), reason };
        let (socket, bound) = match address {
            Address::Unix(path) => (Socket::Unix(bind_unix(path).await.map_err(failed)?), address.clone()),
            Address::Tls { host, port } | Address::Tcp { host, port } => {
                let acceptor = match address {
                    Address::Tls { .. } => Some(TlsAcceptor::from(credentials.server_config(address)?)),
                    _ if credentials.is_insecure() => None,
                    _ => {
                        let reason = "tcp:// is not encrypted\nhint: listen at tls://, or ask for it with --insecure";
                        return Err(failed(reason.to_owned()));
                    }
                };
                let listener =
                    TcpListener::bind((host.as_str(), *port)).await.map_err(|error| failed(explain(&error, *port)))?;
                let bound = listener.local_addr().map_err(|error| failed(error.to_string()))?;
                (Socket::Tcp(listener, acceptor), address.at(host, bound.port()))
            }
        };
        let (newcomer, newcomers) = mpsc::channel(64);
        let door = Arc::new(Door { address: bound.clone(), credentials: credentials.clone(), options, newcomer });
        let task = tokio::spawn(listen(socket, door));
        Ok(Listener { address: bound, newcomers, task })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next peer that is let in. Refused ones are logged with name and reason. Cancel safe.
    pub async fn accept(&mut self) -> Link {
        loop {
            match self.next().await {
                Ok(link) => return link,
                Err(error) => tracing::warn!(address = %self.address, %error, "a peer was refused"),
            }
        }
    }

    /// The next peer, let in or refused. An error concerns that peer alone; go on listening. Cancel safe.
    ///
    /// # Errors
    /// Why the peer was refused.
    pub async fn next(&mut self) -> Result<Link, NetError> {
        match self.newcomers.recv().await {
            Some(newcomer) => newcomer,
            // The listening task holds a sender for as long as it runs, and it never ends by itself.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
        if let Address::Unix(path) = &self.address {
            // Somebody may have removed it already, which is what we want.
            let _ = std::fs::remove_file(path);
        }
    }
}

enum Socket {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener),
}

/// What every newcomer is measured by.
struct Door {
    address: Address,
    credentials: Credentials,
    options: HandshakeOptions,
    newcomer: mpsc::Sender<Result<Link, NetError>>,
}

async fn listen(socket: Socket, door: Arc<Door>) {
    let places = Arc::new(Semaphore::new(NEWCOMERS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = match &socket {
            Socket::Tcp(listener, acceptor) => {
                listener.accept().await.map(|(stream, _)| Newcomer::Tcp(stream, acceptor.clone()))
            }
            Socket::Unix(listener) => listener.accept().await.map(|(stream, _)| Newcomer::Unix(stream)),
        };
        match accepted {
            Ok(newcomer) => {
                let door = door.clone();
                tokio::spawn(async move {
                    let result = door.hear(newcomer).await;
                    drop(place);
                    // Nobody listens any more: the newcomer is hung up on by being dropped.
                    let _ = door.newcomer.send(result).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: the connection stays queued, so trying at once would spin.
                tracing::warn!(address = %door.address, %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

enum Newcomer {
    Tcp(TcpStream, Option<TlsAcceptor>),
    Unix(UnixStream),
}

impl Newcomer {
    fn name(&self) -> String {
        match self {
            Newcomer::Tcp(stream, _) => {
                stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
            }
            Newcomer::Unix(stream) => match stream.peer_cred().ok().and_then(|credentials| credentials.pid()) {
                Some(pid) => format!("process {pid}"),
                None => "unix socket".to_owned(),
            },
        }
    }
}

impl Door {
    async fn hear(&self, newcomer: Newcomer) -> Result<Link, NetError> {
        let name = newcomer.name();
        let seconds = self.options.deadline.as_secs();
        match tokio::time::timeout(self.options.deadline, self.introduce(newcomer, &name)).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err((stream, error))) => {
                if let Some(mut stream) = stream {
                    hang_up(&mut stream).await;
                }
                Err(error)
            }
            Err(_) => {
                Err(NetError::Timeout { peer: format!("the peer at {name}"), action: "introduce itself", seconds })
            }
        }
    }

    async fn introduce(&self, newcomer: Newcomer, name: &str) -> Result<Link, (Option<Stream>, NetError)> {
        let mut stream = match newcomer {
            Newcomer::Tcp(stream, acceptor) => {
                tune(&stream);
                match acceptor {
                    None => Stream::Tcp(stream),
                    Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => Stream::Tls(Box::new(stream.into())),
                        Err((error, stream)) => {
                            let peer = format!("the peer at {name}");
                            let error = tls::explain(&peer, &error).unwrap_or_else(|| NetError::lost(peer, error));
                            return Err((Some(Stream::Tcp(stream)), error));
                        }
                    },
                }
            }
            Newcomer::Unix(stream) => {
                check_same_user(&stream, &format!("the peer at {name}")).map_err(|error| (None, error))?;
                Stream::Unix(stream)
            }
        };
        match shake_hands(&mut stream, Side::Listening, &self.options, self.credentials.token(), name).await {
            Ok(peer) => Ok(Link::new(stream, peer)),
            Err(error) => Err((Some(stream), error)),
        }
    }
}

/// Refuses a Unix socket's other end if it belongs to another user.
pub(crate) fn check_same_user(stream: &UnixStream, peer: &str) -> Result<(), NetError> {
    let credentials = stream.peer_cred().map_err(|error| NetError::lost(peer, error))?;
    let ours = current_user();
    if credentials.uid() == ours {
        return Ok(());
    }
    let reason = format!("it belongs to user {}, and we are user {ours}", credentials.uid());
    Err(NetError::Token { peer: peer.to_owned(), reason })
}

async fn bind_unix(path: &Path) -> Result<UnixListener, String> {
    match UnixStream::connect(path).await {
        Ok(_) => return Err("another process listens there already".to_owned()),
        // The socket of a process that is gone.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| format!("cannot remove the socket left there: {error}"))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| error.to_string())?;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, owner_only).map_err(|error| error.to_string())?;
    Ok(listener)
}

fn explain(error: &std::io::Error, port: u16) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "port {port} is taken by another process\nhint: is a scheduler running already? pass another port, or 0 for any"
            )
        }
        std::io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".to_owned(),
        std::io::ErrorKind::PermissionDenied => format!("port {port} needs special rights; take one from 1024 on"),
        _ => error.to_string(),
    }
}
