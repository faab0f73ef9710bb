//! Where a process listens: `tls://host:port`, `tcp://host:port` or `unix:///path`.
//!
//! Invariant: encryption is never dropped silently. A bare `host:port` means `tls://`; `tcp://` must be typed.

use crate::NetError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a process listens.
///
/// ```
/// use raskal_net::Address;
/// let address: Address = "127.0.0.1:8786".parse()?;
/// assert_eq!(address.to_string(), "tls://127.0.0.1:8786");
/// assert!("tls://127.0.0.1".parse::<Address>().is_err());
/// # Ok::<(), raskal_net::NetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// TLS 1.3 over TCP.
    Tls {
        /// Name or number of the host; an IPv6 number without brackets.
        host: String,
        /// TCP port; 0 lets the system choose one when listening.
        port: u16,
    },
    /// TCP without encryption.
    Tcp {
        /// Name or number of the host; an IPv6 number without brackets.
        host: String,
        /// TCP port; 0 lets the system choose one when listening.
        port: u16,
    },
    /// A Unix socket on this machine.
    Unix(PathBuf),
}

impl Address {
    /// The address `tls://host:port`.
    pub fn tls(host: impl Into<String>, port: u16) -> Address {
        Address::Tls { host: host.into(), port }
    }

    /// The address `tcp://host:port`, without encryption.
    pub fn tcp(host: impl Into<String>, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    /// Host and port, unless it is a Unix socket.
    pub fn host_port(&self) -> Option<(&str, u16)> {
        match self {
            Address::Tls { host, port } | Address::Tcp { host, port } => Some((host, *port)),
            Address::Unix(_) => None,
        }
    }

    /// The same kind of address at another host and port; a Unix socket stays as it is.
    pub fn at(&self, new_host: &str, new_port: u16) -> Address {
        match self {
            Address::Tls { .. } => Address::tls(new_host, new_port),
            Address::Tcp { .. } => Address::tcp(new_host, new_port),
            Address::Unix(path) => Address::Unix(path.clone()),
        }
    }

    /// Whether only processes of this machine can reach it.
    pub fn is_local(&self) -> bool {
        self.host_port().is_none_or(|(host, _)| is_loopback(host))
    }

    /// Whether somebody who connects to `self` may reach a process that listens at `listening`: equal, both loopback
    /// names of one port, or `listening` is a wildcard such as `0.0.0.0`.
    pub fn may_reach(&self, listening: &Address) -> bool {
        let same_kind = std::mem::discriminant(self) == std::mem::discriminant(listening);
        match (self.host_port(), listening.host_port()) {
            (Some((host, port)), Some((at, at_port))) => {
                let wildcard = at.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
                let same_host = host.eq_ignore_ascii_case(at) || (is_loopback(host) && is_loopback(at));
                same_kind && port == at_port && (same_host || wildcard)
            }
            _ => self == listening,
        }
    }
}

/// Whether a host's name or number means this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if matches!(self, Address::Tls { .. }) { "tls" } else { "tcp" };
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tls { host, port } | Address::Tcp { host, port } if host.contains(':') => {
                write!(f, "{scheme}://[{host}]:{port}")
            }
            Address::Tls { host, port } | Address::Tcp { host, port } => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Address, NetError> {
        let wrong = |reason: String| NetError::Address { text: text.to_owned(), reason };
        let trimmed = text.trim();
        let (scheme, rest) = trimmed.split_once("://").unwrap_or(("tls", trimmed));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Address::Unix(PathBuf::from(rest))),
            "unix" => Err(wrong("the path of a Unix socket must be absolute, unix:///path".to_owned())),
            "tls" | "tcp" => {
                let (host, port) = host_port(rest.trim_end_matches('/')).map_err(wrong)?;
                Ok(if scheme == "tls" { Address::tls(host, port) } else { Address::tcp(host, port) })
            }
            other => Err(wrong(format!("the protocol '{other}' is not known"))),
        }
    }
}

fn host_port(text: &str) -> Result<(&str, u16), String> {
    let no_port = || "it has no port".to_owned();
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or("'[' is not closed")?;
            (host, rest.strip_prefix(':').ok_or_else(no_port)?)
        }
        None => text.rsplit_once(':').ok_or_else(no_port)?,
    };
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    if host.contains(':') && !text.starts_with('[') {
        return Err("an IPv6 host goes in brackets, [::1]:8786".to_owned());
    }
    if let Some(bad) = host.chars().find(|c| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#' | '[' | ']')) {
        return Err(format!("the host contains '{bad}'"));
    }
    let port = port.parse().map_err(|_| format!("port '{port}' is not a number from 0 to 65535"))?;
    Ok((host, port))
}

impl TryFrom<String> for Address {
    type Error = NetError;

    fn try_from(text: String) -> Result<Address, NetError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Address, NetError> {
        text.parse()
    }

    #[test]
    fn each_scheme_reads_back_as_written() {
        for text in
            ["tls://127.0.0.1:8786", "tcp://node-3.example.org:0", "unix:///run/raskal.sock", "tls://[::1]:8786"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_host_and_port_is_encrypted() {
        assert_eq!(parse("localhost:8786").unwrap(), Address::tls("localhost", 8786));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("localhost", "it has no port"),
            ("tls://:8786", "it has no host"),
            ("tls://host:99999", "port '99999' is not a number from 0 to 65535"),
            ("http://host:80", "the protocol 'http' is not known"),
            ("unix://socket", "must be absolute"),
            ("::1:8786", "brackets"),
            ("a b:1", "the host contains ' '"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_names_and_wildcards_reach_each_other() {
        let reach = |to: &str, listening: &str| parse(to).unwrap().may_reach(&parse(listening).unwrap());
        assert!(reach("tls://localhost:8786", "tls://127.0.0.1:8786"));
        assert!(reach("tls://node:8786", "tls://0.0.0.0:8786"));
        assert!(!reach("tls://localhost:8786", "tls://127.0.0.1:8787"));
        assert!(!reach("tcp://localhost:8786", "tls://127.0.0.1:8786"));
        assert!(!reach("tls://node:8786", "tls://127.0.0.1:8786"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
