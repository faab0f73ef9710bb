//! An authenticated connection, before it is known what will travel on it.

use crate::connection::{self, ConnectionOptions, Receiver, Sender};
use crate::stream::Stream;
use crate::{NetError, Peer};
use bitcode::{DecodeOwned, Encode};
use std::net::SocketAddr;

/// A connection whose two sides know each other.
///
/// Turn it into a [`Sender`] and [`Receiver`] of messages with [`Link::into_connection`], or give it to
/// [`crate::data`].
#[derive(Debug)]
pub struct Link {
    pub(crate) stream: Stream,
    peer: Peer,
}

impl Link {
    pub(crate) fn new(stream: Stream, peer: Peer) -> Link {
        Link { stream, peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Our own end's address, unless it is a Unix socket: where a worker that reaches the scheduler from here can be
    /// reached itself.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.stream.local_address()
    }

    /// The other end's address, unless it is a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.stream.peer_address()
    }

    /// Sends and receives messages from here on. Must be called in a tokio runtime, on which the writer then runs.
    pub fn into_connection<S, R>(self, options: ConnectionOptions) -> (Sender<S>, Receiver<R>)
    where
        S: Encode + Send + 'static,
        R: DecodeOwned,
    {
        connection::start(self.stream, self.peer, options)
    }

    /// The error that says that this peer has no business here.
    pub fn unexpected(&self) -> NetError {
        NetError::Refused {
            peer: self.peer.to_string(),
            message: format!("a {} does not connect here", self.peer.role),
        }
    }
}
