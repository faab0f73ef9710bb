//! Certificates: made on start, pinned by the peers, or the user's own.
//!
//! Start at [`Identity`] (what we show) and [`Trust`] (what we accept). Only TLS 1.3 is spoken.

use crate::NetError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A certificate chain and its private key: what a listener shows.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes a key and a self-signed certificate for the given host names and numbers.
    ///
    /// # Errors
    /// If a name can't stand in a certificate.
    pub fn generate(hosts: &[&str]) -> Result<Identity, NetError> {
        let wrong = |error| NetError::Credentials(format!("cannot make a certificate for {hosts:?}: {error}"));
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(wrong)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(|error| NetError::Credentials(format!("cannot use the key just made: {error}")))?;
        Ok(Identity { chain: vec![made.cert.der().clone()], key })
    }

    /// Reads a certificate chain and its key from PEM files.
    ///
    /// # Errors
    /// If a file is missing or holds something else.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Identity, NetError> {
        let chain = read_certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, "no private key in PEM", error))?;
        Ok(Identity { chain, key })
    }

    /// Chain and key as PEM text.
    pub(crate) fn to_pem(&self) -> String {
        let block = |tag: &str, bytes: &[u8]| pem::encode(&pem::Pem::new(tag, bytes));
        let chain: String = self.chain.iter().map(|certificate| block("CERTIFICATE", certificate)).collect();
        chain + &block("PRIVATE KEY", self.key.secret_der())
    }

    /// Reads what [`Identity::to_pem`] wrote.
    pub(crate) fn from_pem(text: &str) -> Result<Identity, NetError> {
        let wrong = |error| NetError::Credentials(format!("no certificate and key in PEM: {error}"));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(wrong)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(wrong)?;
        match chain.is_empty() {
            false => Ok(Identity { chain, key }),
            true => Err(NetError::Credentials("no certificate in PEM".to_owned())),
        }
    }

    /// The certificate that peers pin.
    pub fn certificate(&self) -> Certificate {
        Certificate(self.chain[0].clone())
    }
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.certificate().fingerprint())
    }
}

/// One certificate, to be pinned.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// If there is none.
    pub fn from_pem(pem: &str) -> Result<Certificate, NetError> {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .map(Certificate)
            .map_err(|error| NetError::Credentials(format!("no certificate in PEM: {error}")))
    }

    /// The certificate as PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode_config(
            &pem::Pem::new("CERTIFICATE", &*self.0),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        )
    }

    /// SHA-256 of the certificate, `sha256:3f2a...`, the number that `openssl x509 -fingerprint -sha256` prints.
    pub fn fingerprint(&self) -> String {
        let hash = ring::digest::digest(&ring::digest::SHA256, &self.0);
        let digits: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

/// Which certificates a connecting side accepts.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Exactly this one.
    Pinned(Certificate),
    /// Those signed by one of these authorities, for the host that was asked for.
    Authorities(Vec<Certificate>),
    /// Any: the peer then shows who it is by a proof of the token that is bound to the TLS session.
    Token,
}

impl Trust {
    /// Trusts the authorities of a PEM file.
    ///
    /// # Errors
    /// If the file is missing or holds no certificate.
    pub fn from_file(path: &Path) -> Result<Trust, NetError> {
        Ok(Trust::Authorities(read_certificates(path)?.into_iter().map(Certificate).collect()))
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(file_error(path, "no certificate in PEM", "the file holds none")),
        Err(error) => Err(file_error(path, "no certificate in PEM", error)),
    }
}

fn file_error(path: &Path, what: &str, error: impl fmt::Display) -> NetError {
    NetError::File { path: path.display().to_string(), reason: format!("{what}: {error}") }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn unusable(error: impl fmt::Display) -> NetError {
    NetError::Credentials(format!("the certificate or key can't be used: {error}"))
}

/// The TLS settings of a listening side. With `client_authorities`, clients must show a certificate signed by one.
pub(crate) fn server_config(
    identity: &Identity,
    client_authorities: Option<&[Certificate]>,
) -> Result<Arc<ServerConfig>, NetError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?;
    let builder = match client_authorities {
        Some(authorities) => {
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(root_store(authorities)?, provider());
            builder.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
        None => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).map_err(unusable)?;
    Ok(Arc::new(config))
}

/// The TLS settings of a connecting side.
pub(crate) fn client_config(trust: &Trust, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, NetError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?;
    let builder = match trust {
        Trust::Authorities(authorities) => builder.with_root_certificates(root_store(authorities)?),
        Trust::Pinned(certificate) => {
            builder.dangerous().with_custom_certificate_verifier(PinnedVerifier::new(Some(certificate.clone())))
        }
        Trust::Token => builder.dangerous().with_custom_certificate_verifier(PinnedVerifier::new(None)),
    };
    let config = match identity {
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()).map_err(unusable)?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn root_store(authorities: &[Certificate]) -> Result<Arc<RootCertStore>, NetError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.0.clone()).map_err(unusable)?;
    }
    Ok(Arc::new(roots))
}

/// Accepts exactly one certificate, or any whose owner then proves the token; the TLS signature is always verified.
#[derive(Debug)]
struct PinnedVerifier {
    certificate: Option<Certificate>,
    provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    fn new(certificate: Option<Certificate>) -> Arc<PinnedVerifier> {
        Arc::new(PinnedVerifier { certificate, provider: provider() })
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.certificate {
            Some(pinned) if pinned.0 != *end_entity => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_reads_back_from_its_pem() {
        let identity = Identity::generate(&["localhost", "127.0.0.1"]).unwrap();
        let certificate = identity.certificate();
        let read = Certificate::from_pem(&certificate.to_pem()).unwrap();
        assert_eq!(read, certificate);
        assert_eq!(read.fingerprint(), certificate.fingerprint());
        assert_eq!(read.fingerprint().len(), "sha256:".len() + 64);
    }

    #[test]
    fn two_identities_have_different_certificates() {
        let make = || Identity::generate(&["localhost"]).unwrap().certificate();
        assert_ne!(make(), make());
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        std::fs::write(&path, "not a certificate").unwrap();
        let error = Trust::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("cert.pem") && error.contains("no certificate in PEM"), "{error}");
    }
}
