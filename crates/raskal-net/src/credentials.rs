//! What a process needs to be let in, and to know that it talks to the right cluster.
//!
//! Start at [`Credentials`]. A scheduler makes them ([`Credentials::generate`]); local processes find them in the
//! scheduler's file ([`Credentials::find`]); remote ones are given that file, or certificates of one's own and a token.

use crate::certificate::{self, Certificate, Identity, Trust};
use crate::{Address, NetError, SchedulerFile, Token};
use rustls::{ClientConfig, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// Token, own certificate and trust of one process.
#[derive(Clone, Debug)]
pub struct Credentials {
    token: Option<Token>,
    identity: Option<Identity>,
    trust: Trust,
    insecure: bool,
}

impl Credentials {
    /// Fresh credentials for a scheduler: a new token, and a certificate for the given hosts that peers pin.
    ///
    /// # Errors
    /// If a host's name can't stand in a certificate, or the system has no random numbers.
    pub fn generate(hosts: &[&str]) -> Result<Credentials, NetError> {
        let identity = Identity::generate(hosts)?;
        let trust = Trust::Pinned(identity.certificate());
        Ok(Credentials { token: Some(Token::random()?), identity: Some(identity), trust, insecure: false })
    }

    /// The credentials that a scheduler's file gives to its workers and clients.
    pub fn from_scheduler_file(file: &SchedulerFile) -> Result<Credentials, NetError> {
        let token = file.token.as_deref().map(Token::parse).transpose()?;
        let trust = match &file.certificate {
            Some(pem) => Trust::Pinned(Certificate::from_pem(pem)?),
            None => Trust::Token,
        };
        let insecure = token.is_none() && file.certificate.is_none();
        Ok(Credentials { token, identity: None, trust, insecure })
    }

    /// A certificate, key and authority of one's own (PEM files), and a token if there is one.
    ///
    /// Without a token the certificates alone decide: a listener then lets in only peers whose certificate the
    /// authority signed.
    ///
    /// # Errors
    /// If a file is missing or holds something else, or neither an authority nor a token is given.
    pub fn from_files(
        own: Option<(&Path, &Path)>,
        authority: Option<&Path>,
        token: Option<Token>,
    ) -> Result<Credentials, NetError> {
        let identity = own.map(|(certificate, key)| Identity::from_files(certificate, key)).transpose()?;
        let trust = match (authority, &token) {
            (Some(path), _) => Trust::from_file(path)?,
            (None, Some(_)) => Trust::Token,
            (None, None) => {
                return Err(NetError::Credentials(
                    "a certificate of one's own needs an authority or a token to go with it\nhint: pass the file of the \
                     certificate authority (--tls-ca-file), or set RASKAL_TOKEN"
                        .to_owned(),
                ));
            }
        };
        Ok(Credentials { token, identity, trust, insecure: false })
    }

    /// A token alone: the peers prove to each other that they know it, whatever their certificates.
    pub fn from_token(token: Token) -> Credentials {
        Credentials { token: Some(token), identity: None, trust: Trust::Token, insecure: false }
    }

    /// No encryption and no authentication: `tcp://` addresses and Unix sockets only.
    pub fn insecure() -> Credentials {
        Credentials { token: None, identity: None, trust: Trust::Token, insecure: true }
    }

    /// The credentials for a scheduler's address, as a worker or client of the same machine finds them.
    ///
    /// Looked for in this order: the scheduler's file (named by `RASKAL_SCHEDULER_FILE`, or the per-user folder), the
    /// token in `RASKAL_TOKEN`; a `tcp://` address without either is insecure, as typed.
    ///
    /// # Errors
    /// If nothing is found for an encrypted address; the message says where was looked and what to do.
    pub fn find(address: &Address) -> Result<Credentials, NetError> {
        if let Some(file) = SchedulerFile::find(address)? {
            return Credentials::from_scheduler_file(&file);
        }
        if let Some(token) = Token::from_environment()? {
            return Ok(Credentials::from_token(token));
        }
        if matches!(address, Address::Tcp { .. }) {
            return Ok(Credentials::insecure());
        }
        Err(NetError::Credentials(format!(
            "no credentials for {address}: no scheduler file in {} names it, and RASKAL_TOKEN is not set\nhint: start a \
             scheduler with `raskal scheduler`; from another machine, pass its scheduler file (--scheduler-file, \
             RASKAL_SCHEDULER_FILE) or set RASKAL_TOKEN",
            SchedulerFile::folder().display()
        )))
    }

    /// What a scheduler that is started again needs to be the same to its peers: token, certificate and key as text, for a
    /// file that only its owner can read. None without a token or certificate of its own.
    pub fn to_secret(&self) -> Option<String> {
        let (token, identity) = (self.token.as_ref()?, self.identity.as_ref()?);
        Some(format!("{}\n{}", token.reveal(), identity.to_pem()))
    }

    /// Reads what [`Credentials::to_secret`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_secret(text: &str) -> Result<Credentials, NetError> {
        let (token, identity) = text.split_once('\n').unwrap_or((text, ""));
        let identity = Identity::from_pem(identity)?;
        let trust = Trust::Pinned(identity.certificate());
        Ok(Credentials { token: Some(Token::parse(token)?), identity: Some(identity), trust, insecure: false })
    }

    /// The same credentials with another token.
    pub fn with_token(mut self, token: Token) -> Credentials {
        self.token = Some(token);
        self
    }

    /// The same credentials with a new certificate to listen with, as a worker's data server needs; one's own
    /// certificate is kept if there is one, and insecure credentials stay insecure.
    ///
    /// # Errors
    /// If a host's name can't stand in a certificate.
    pub fn with_identity(mut self, hosts: &[&str]) -> Result<Credentials, NetError> {
        if self.identity.is_none() && !self.insecure {
            self.identity = Some(Identity::generate(hosts)?);
        }
        Ok(self)
    }

    /// The credentials to connect to other processes of the cluster than the scheduler.
    ///
    /// Their self-made certificates are not known in advance, so the proof of the token, which is bound to the TLS
    /// session, stands in for a pinned certificate.
    pub fn for_peers(&self) -> Credentials {
        let mut peers = self.clone();
        if self.token.is_some() && matches!(self.trust, Trust::Pinned(_)) {
            peers.trust = Trust::Token;
        }
        peers
    }

    /// Whether nothing is encrypted or authenticated.
    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The token, if there is one.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The certificate that peers are to pin, if this process has one.
    pub fn certificate(&self) -> Option<Certificate> {
        self.identity.as_ref().map(Identity::certificate)
    }

    /// The settings for listening with TLS.
    pub(crate) fn server_config(&self, address: &Address) -> Result<Arc<ServerConfig>, NetError> {
        let refuse = |reason: &str| NetError::Listen { address: address.to_string(), reason: reason.to_owned() };
        if self.insecure {
            return Err(refuse("insecure credentials have no certificate; listen at tcp://, or drop --insecure"));
        }
        let identity = self
            .identity
            .as_ref()
            .ok_or_else(|| refuse("TLS needs a certificate; give one with --tls-cert and --tls-key"))?;
        match (&self.trust, &self.token) {
            (Trust::Authorities(authorities), None) => certificate::server_config(identity, Some(authorities)),
            (_, Some(_)) => certificate::server_config(identity, None),
            (_, None) => Err(refuse("neither a token nor a certificate authority says who may connect")),
        }
    }

    /// The settings for connecting with TLS.
    pub(crate) fn client_config(&self, address: &Address) -> Result<Arc<ClientConfig>, NetError> {
        if matches!(self.trust, Trust::Token) && self.token.is_none() {
            return Err(NetError::Credentials(format!(
                "there is neither a certificate nor a token to recognise {address} by\nhint: pass its scheduler file or set \
                 RASKAL_TOKEN; for a scheduler started with --insecure write tcp:// in place of tls://"
            )));
        }
        certificate::client_config(&self.trust, self.identity.as_ref())
    }
}
