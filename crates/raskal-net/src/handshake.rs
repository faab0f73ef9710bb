//! The first words on a connection: who speaks, which version, and the proof that both know the token.
//!
//! Start at [`shake_hands`]. Both sides send a [`Hello`], so that each can say by itself which side differs; then the
//! connecting side proves the token, then the listening side. The words are JSON, not the messages' codec, because two
//! different versions must be able to read them.
//! Invariant: until the proof is accepted a peer can make us hold no more than [`FRAME_BYTES_MAX`] bytes of its words.

use crate::stream::Stream;
use crate::token::random_bytes;
use crate::{NetError, Token};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The first bytes of every connection.
const MAGIC: [u8; 8] = *b"RASKAL\x01\n";

/// The largest frame before a peer is authenticated.
pub const FRAME_BYTES_MAX: usize = 4096;

/// Which part of a cluster a process speaks as on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The scheduler.
    Scheduler,
    /// A node runtime.
    Worker,
    /// A client.
    Client,
    /// Whoever fetches values from a worker, another worker or a client.
    Data,
}

impl Role {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Role::Scheduler => "scheduler",
            Role::Worker => "worker",
            Role::Client => "client",
            Role::Data => "process",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a process introduces itself, and how long it waits for an answer.
#[derive(Clone, Debug)]
pub struct HandshakeOptions {
    /// What this process speaks as.
    pub role: Role,
    /// Version of raskal; peers of another version are refused.
    pub version: String,
    /// Number of the messages' format; peers of another number are refused.
    pub protocol: u32,
    /// How long the whole introduction may take, from the accepted socket to the accepted proof.
    pub deadline: Duration,
}

impl HandshakeOptions {
    /// This build's version and protocol, and a deadline of 5 s.
    pub fn new(role: Role) -> HandshakeOptions {
        HandshakeOptions {
            role,
            version: crate::VERSION.to_owned(),
            protocol: crate::PROTOCOL,
            deadline: Duration::from_secs(5),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it speaks as.
    pub role: Role,
    /// Its version of raskal.
    pub version: String,
    /// The address that was connected to, or the socket it connected from.
    pub address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} at {}", self.role, self.address)
    }
}

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Connecting,
    Listening,
}

#[derive(Serialize, Deserialize)]
struct Hello {
    version: String,
    protocol: u32,
    role: Role,
    nonce: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Proof {
    proof: Option<[u8; 32]>,
}

/// The listening side's last word.
#[derive(Serialize, Deserialize)]
struct Verdict {
    refused: Option<String>,
    proof: Option<[u8; 32]>,
}

/// Introduces both sides to each other. The caller sets the deadline.
pub(crate) async fn shake_hands(
    stream: &mut Stream,
    side: Side,
    options: &HandshakeOptions,
    token: Option<&Token>,
    address: &str,
) -> Result<Peer, NetError> {
    let unnamed = format!("the peer at {address}");
    let ours = Hello {
        version: options.version.clone(),
        protocol: options.protocol,
        role: options.role,
        nonce: random_bytes()?,
    };
    let mut talk = Talk { stream, peer: unnamed };
    let theirs: Hello = match side {
        Side::Connecting => {
            talk.write(&MAGIC, &ours).await?;
            talk.read_magic(side).await?;
            talk.read().await?
        }
        Side::Listening => {
            talk.read_magic(side).await?;
            let theirs = talk.read().await?;
            talk.write(&MAGIC, &ours).await?;
            theirs
        }
    };
    let peer = Peer { role: theirs.role, version: theirs.version.clone(), address: address.to_owned() };
    talk.peer = peer.to_string();
    check_version(&ours, &theirs, &peer)?;
    let (first, second) = if side == Side::Connecting { (&ours, &theirs) } else { (&theirs, &ours) };
    let binding = talk.stream.channel_binding().map_err(|error| NetError::lost(&peer, error))?;
    let transcript = [&first.nonce[..], &second.nonce[..], &binding[..]].concat();
    match side {
        Side::Connecting => {
            let proof = token.map(|token| token.proof("connecting", &transcript));
            talk.write(&[], &Proof { proof }).await?;
            let verdict: Verdict = talk.read().await?;
            check_verdict(&verdict, token, &transcript, &peer)?;
        }
        Side::Listening => {
            let Proof { proof } = talk.read().await?;
            let refused = refusal(proof.as_ref(), token, &transcript);
            let answer = token.filter(|_| refused.is_none()).map(|token| token.proof("listening", &transcript));
            talk.write(&[], &Verdict { refused: refused.map(str::to_owned), proof: answer }).await?;
            if let Some(reason) = refused {
                return Err(NetError::Token { peer: peer.to_string(), reason: reason.to_owned() });
            }
        }
    }
    Ok(peer)
}

/// Why a listening side does not accept a proof.
fn refusal(proof: Option<&[u8; 32]>, token: Option<&Token>, transcript: &[u8]) -> Option<&'static str> {
    match (token, proof) {
        (None, _) => None,
        (Some(_), None) => Some("it has no token, and one is needed"),
        (Some(token), Some(proof)) if token.accepts(proof, "connecting", transcript) => None,
        (Some(_), Some(_)) => Some("its token is a different one"),
    }
}

/// Whether the listening side let us in, and knows the token itself.
fn check_verdict(verdict: &Verdict, token: Option<&Token>, transcript: &[u8], peer: &Peer) -> Result<(), NetError> {
    let wrong = |reason: String| Err(NetError::Token { peer: peer.to_string(), reason });
    if verdict.refused.is_some() {
        let ours =
            if token.is_some() { "our token is not its token" } else { "it asks for a token, and none was given" };
        return wrong(format!(
            "{ours}\nhint: use the scheduler file of this very scheduler (--scheduler-file, RASKAL_SCHEDULER_FILE), or its \
             token in RASKAL_TOKEN"
        ));
    }
    match (token, &verdict.proof) {
        (Some(token), Some(proof)) if token.accepts(proof, "listening", transcript) => Ok(()),
        (None, _) => Ok(()),
        (Some(_), _) => wrong(
            "we have a token, and it does not know it: it is another cluster's, or was started with --insecure"
                .to_owned(),
        ),
    }
}

/// Says which side differs and what to install.
fn check_version(ours: &Hello, theirs: &Hello, peer: &Peer) -> Result<(), NetError> {
    let role = ours.role;
    if ours.version != theirs.version {
        return Err(NetError::Version(format!(
            "this {role} is raskal {}, {peer} is {}: install the same version on both\nhint: `pip install raskal=={}` here, or \
             `pip install raskal=={}` there",
            ours.version, theirs.version, theirs.version, ours.version
        )));
    }
    if ours.protocol != theirs.protocol {
        return Err(NetError::Version(format!(
            "this {role} speaks protocol {}, {peer} speaks protocol {}, although both are raskal {}: install the same build on both",
            ours.protocol, theirs.protocol, ours.version
        )));
    }
    Ok(())
}

/// Handshake frames: a length of four bytes, little-endian, and JSON.
struct Talk<'a> {
    stream: &'a mut Stream,
    peer: String,
}

impl Talk<'_> {
    async fn write(&mut self, before: &[u8], word: &impl Serialize) -> Result<(), NetError> {
        let text = serde_json::to_vec(word).map_err(|error| NetError::malformed("this process", error))?;
        let length = text.len() as u32;
        let bytes = [before, &length.to_le_bytes(), &text].concat();
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| self.lost(error))
    }

    async fn read<W: DeserializeOwned>(&mut self) -> Result<W, NetError> {
        let mut length = [0; 4];
        self.read_exact(&mut length).await?;
        let length = u32::from_le_bytes(length) as usize;
        if length > FRAME_BYTES_MAX {
            let reason = format!("it announces {length} bytes, but an introduction has at most {FRAME_BYTES_MAX}");
            return Err(NetError::malformed(&self.peer, reason));
        }
        let mut text = vec![0; length];
        self.read_exact(&mut text).await?;
        serde_json::from_slice(&text)
            .map_err(|error| NetError::malformed(&self.peer, format!("not an introduction: {error}")))
    }

    async fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), NetError> {
        match self.stream.read_exact(bytes).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Reads the first bytes, and recognises other protocols by them, even if fewer arrive.
    async fn read_magic(&mut self, side: Side) -> Result<(), NetError> {
        let mut magic = [0; MAGIC.len()];
        let mut filled = 0;
        while filled < magic.len() && magic[..filled] == MAGIC[..filled] {
            match self.stream.read(&mut magic[filled..]).await {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(self.lost(error)),
            }
        }
        if magic == MAGIC {
            return Ok(());
        }
        if filled == 0 {
            return Err(NetError::lost(&self.peer, "it closed the connection without a word"));
        }
        if side == Side::Listening {
            // Anything but TLS: a peer that speaks TLS then fails at once with a clear reason.
            let _ = self.stream.write_all(&MAGIC).await;
        }
        Err(NetError::Protocol { peer: self.peer.clone(), reason: recognise(&magic[..filled], side) })
    }

    fn lost(&self, error: std::io::Error) -> NetError {
        let reason = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it closed the connection during the introduction".to_owned(),
            _ => error.to_string(),
        };
        crate::tls::explain(&self.peer, &error).unwrap_or(NetError::Lost { peer: self.peer.clone(), reason })
    }
}

/// What a stranger's first bytes are.
fn recognise(bytes: &[u8], side: Side) -> String {
    match (bytes, side) {
        ([0x14..=0x17, 0x03, ..], Side::Connecting) => "it speaks TLS\nhint: write tls:// in place of tcp://".to_owned(),
        ([0x14..=0x17, 0x03, ..], Side::Listening) => {
            "it speaks TLS, and this address is tcp://, without encryption\nhint: it should write tcp:// in place of tls://".to_owned()
        }
        _ if bytes.starts_with(b"HTTP") || bytes.starts_with(b"GET ") || bytes.starts_with(b"POST") => {
            "it speaks HTTP, which is for the dashboard's address".to_owned()
        }
        _ => format!("its first bytes are {:?}, which is not raskal", String::from_utf8_lossy(bytes)),
    }
}
