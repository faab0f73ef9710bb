//! One byte stream, whatever carries it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsStream;

/// A connected byte stream: TLS, plain TCP or a Unix socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// A secret that only the two ends of this TLS session know; zeros without TLS.
    pub(crate) fn channel_binding(&self) -> Result<[u8; 32], rustls::Error> {
        let label = b"EXPORTER-raskal-token";
        match self {
            Stream::Tls(stream) => match &**stream {
                TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
                TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
            },
            Stream::Tcp(_) | Stream::Unix(_) => Ok([0; 32]),
        }
    }

    /// Our own end's address, unless it is a Unix socket.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Stream::Tcp(stream) => stream.local_addr().ok(),
            Stream::Unix(_) => None,
        }
    }

    /// The other end's address, unless it is a Unix socket.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tls(stream) => stream.get_ref().0.peer_addr().ok(),
            Stream::Tcp(stream) => stream.peer_addr().ok(),
            Stream::Unix(_) => None,
        }
    }
}

/// Ends a stream so that the last words written to it arrive: closing a socket with unread input would make the system
/// throw them away at the other end.
pub(crate) async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let drain = async {
        stream.shutdown().await?;
        let mut scrap = [0; 1024];
        for _ in 0..16 {
            if stream.read(&mut scrap).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    // The peer is being refused: whether it listens to the end is its own affair.
    let _ = timeout(Duration::from_millis(500), drain).await;
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tls(inner) => {
                let $stream = Pin::new(inner.as_mut());
                $call
            }
            Stream::Tcp(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Stream::Unix(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(context))
    }
}

/// A peer that answers nothing for so long counts as lost, also when the network lost its goodbye.
#[cfg(target_os = "linux")]
const SILENCE_MS: libc::c_int = 30_000;

/// Small frames leave at once, and a peer that is silent for too long is found by the system.
pub(crate) fn tune(stream: &TcpStream) {
    // What is refused leaves the connection as it is.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    for (level, option, value) in [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 10),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 5),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 4),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, SILENCE_MS),
    ] {
        use std::os::fd::AsRawFd;
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        #[expect(unsafe_code)]
        // SAFETY: the descriptor is open for as long as `stream` is borrowed; `value` lives through the call, and its size
        // is what is told.
        let _ = unsafe { libc::setsockopt(stream.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    }
}
