//! Where a scheduler is and how to be let in, as nodes and clients are told.

use raskal_net::{Address, Credentials, SchedulerFile, Token};
use raskal_runtime::Failure;
use raskal_types::ErrorKind;
use std::path::PathBuf;

/// Where the scheduler is and how to be let in, as it was typed.
pub(crate) struct Contact {
    pub(crate) address: Option<String>,
    pub(crate) scheduler_file: Option<PathBuf>,
    pub(crate) token: Option<String>,
    /// A certificate of one's own, and its key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// The authority that signs the cluster's certificates.
    pub(crate) authority: Option<PathBuf>,
    /// No encryption and no token.
    pub(crate) insecure: bool,
}

impl Contact {
    pub(crate) fn find(self) -> Result<(Address, Credentials), Failure> {
        let address = self.address.as_deref().map(str::parse::<Address>).transpose()?;
        let file = self.scheduler_file.as_deref().map(SchedulerFile::read).transpose()?;
        let first = file.as_ref().and_then(|file| file.addresses.first().cloned());
        let Some(address) = address.or(first) else {
            let text = "neither an address nor a scheduler file was given\nhint: pass the scheduler's address, such as \
                        tls://127.0.0.1:8786, or --scheduler-file";
            return Err(Failure::new(ErrorKind::Value, text));
        };
        let token = self.token.as_deref().map(Token::parse).transpose()?;
        let own = self.certificate.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let credentials = match (&file, &token) {
            _ if self.insecure => Credentials::insecure(),
            _ if own.is_some() || self.authority.is_some() => {
                let token = match token.clone() {
                    Some(token) => Some(token),
                    None => Token::from_environment()?,
                };
                return Ok((address, Credentials::from_files(own, self.authority.as_deref(), token)?));
            }
            (Some(file), _) => Credentials::from_scheduler_file(file)?,
            (None, Some(token)) => Credentials::from_token(token.clone()),
            (None, None) => Credentials::find(&address)?,
        };
        Ok((address, token.map_or(credentials.clone(), |token| credentials.with_token(token))))
    }
}
