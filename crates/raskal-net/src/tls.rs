//! What TLS errors mean for people.

use crate::NetError;
use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// The error with its reason and what to do, if it comes from TLS.
pub(crate) fn explain(peer: &str, error: &io::Error) -> Option<NetError> {
    let tls = error.get_ref()?.downcast_ref::<Error>()?;
    let peer = peer.to_owned();
    Some(match tls {
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => NetError::Certificate {
            peer,
            reason:
                "it is not the one in the scheduler file\nhint: the scheduler was started anew, or another one listens \
                     there: read its scheduler file again"
                    .to_owned(),
        },
        Error::InvalidCertificate(reason) => NetError::Certificate { peer, reason: format!("{reason:?}") },
        // What a peer that pins another certificate sends.
        Error::AlertReceived(AlertDescription::AccessDenied) => NetError::Certificate {
            peer,
            reason: "it expects another one: it has the scheduler file of another run".to_owned(),
        },
        Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError),
        ) => NetError::Certificate {
            peer,
            reason: format!(
                "the other side refused the certificate it was shown, or misses one ({alert:?})\nhint: pass a certificate that \
                 the other side's authority signed (--tls-cert, --tls-key, --tls-ca-file)"
            ),
        },
        Error::InvalidMessage(_) => NetError::Protocol {
            peer,
            reason:
                "it does not speak TLS\nhint: for a scheduler started with --insecure write tcp:// in place of tls://"
                    .to_owned(),
        },
        other => NetError::Protocol { peer, reason: format!("TLS failed: {other}") },
    })
}
