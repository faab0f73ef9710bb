//! Who may look: anybody on this machine when the listener is on loopback, whoever has the token otherwise.
//!
//! Start at [`Access::for_listener`]. A loopback dashboard asks nothing of requests made to a local name; one that came
//! through a proxy under a public name, or from a hostile page that rebound its own name to this machine, needs the
//! token. The dashboard's token is derived from the cluster's and opens nothing but the dashboard.
//!
//! Invariant: tokens are compared in constant time and never printed.

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The dashboard can't be opened as asked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Anybody could look.
    #[error(
        "cannot open the dashboard on {address} without a token: every machine that reaches it could read it\n\
         hint: pass the cluster's token, listen on 127.0.0.1, or say that it is to be insecure"
    )]
    TokenNeeded {
        /// Where it was to listen.
        address: SocketAddr,
    },
}

/// Decides which requests are answered.
#[derive(Clone)]
pub struct Access {
    token: Option<Arc<str>>,
    open_to: OpenTo,
    cookie_name: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenTo {
    Nobody,
    LocalNames,
    Everybody,
}

impl Access {
    /// Access for a listener on `address`: open to this machine on loopback, by token elsewhere.
    ///
    /// # Errors
    /// When the address is not a loopback address and there is no token.
    pub fn for_listener(address: SocketAddr, token: Option<&str>) -> Result<Self, AccessError> {
        let token = token.filter(|token| !token.is_empty());
        let open_to = match (address.ip().is_loopback(), token) {
            (true, _) => OpenTo::LocalNames,
            (false, Some(_)) => OpenTo::Nobody,
            (false, None) => return Err(AccessError::TokenNeeded { address }),
        };
        Ok(Self { token: token.map(Arc::from), open_to, cookie_name: cookie_name(address) })
    }

    /// Access for everybody who reaches the listener: for `--insecure`, which must be typed.
    pub fn insecure(address: SocketAddr) -> Self {
        Self { token: None, open_to: OpenTo::Everybody, cookie_name: cookie_name(address) }
    }

    /// The dashboard's token of a cluster: who reads it off an unencrypted connection can look and do nothing more.
    pub fn derive_token(cluster_token: &str) -> String {
        derive("raskal 2026 dashboard token", cluster_token)
    }

    fn allows(&self, uri: &Uri, headers: &HeaderMap) -> Verdict {
        if let Some(token) = &self.token {
            if query_token(uri).is_some_and(|given| same(&given, token)) {
                return Verdict::AllowedByQuery;
            }
            let by_header = bearer_token(headers).is_some_and(|given| same(given, token));
            let cookie_value = cookie_value(token);
            if by_header || cookies(headers, &self.cookie_name).any(|given| same(given, &cookie_value)) {
                return Verdict::Allowed;
            }
        }
        match self.open_to {
            OpenTo::Everybody => Verdict::Allowed,
            OpenTo::LocalNames if host_is_local(headers) => Verdict::Allowed,
            OpenTo::LocalNames | OpenTo::Nobody => Verdict::Refused,
        }
    }

    fn cookie(&self) -> Option<HeaderValue> {
        // No Path: the browser takes the folder of the page, which is right behind a proxy's prefix too.
        let value = cookie_value(self.token.as_deref()?);
        HeaderValue::from_str(&format!("{}={value}; HttpOnly; SameSite=Strict", self.cookie_name)).ok()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("token", &self.token.is_some()).field("open_to", &self.open_to).finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    AllowedByQuery,
    Refused,
}

/// Middleware: refuses requests that may not look, and turns a page's `?token=` into a cookie.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.allows(request.uri(), request.headers()) {
        Verdict::Allowed => next.run(request).await,
        Verdict::AllowedByQuery if wants_page(&request) => without_token_in_address(&access, &request),
        Verdict::AllowedByQuery => next.run(request).await,
        Verdict::Refused => refusal(wants_page(&request)),
    }
}

/// Whether a browser's page of another site made the request. Browsers let any page open a websocket to any host.
pub(crate) fn from_another_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let same_as = |name: &str| headers.get(name).and_then(|host| host.to_str().ok()) == origin;
    origin.is_none() || !(same_as("host") || same_as("x-forwarded-host"))
}

fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    request.method() == Method::GET && accept.contains("text/html")
}

/// Sends the browser to the same page with the token in a cookie, so that it stays in no history and no referrer.
fn without_token_in_address(access: &Access, request: &Request) -> Response {
    let page = request.uri().path().rsplit('/').next().unwrap_or("");
    let page = if page.is_empty() { "status" } else { page };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, page)]).into_response();
    if let Some(cookie) = access.cookie() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn refusal(page: bool) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"raskal dashboard\"")];
    if page {
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        return (StatusCode::UNAUTHORIZED, challenge, html, include_str!("static/token.html")).into_response();
    }
    let text = "the dashboard's token is missing or wrong\n\
                hint: use the whole address that the scheduler printed when it started (it ends in ?token=...), \
                or send the header 'Authorization: Bearer ...'\n";
    (StatusCode::UNAUTHORIZED, challenge, text).into_response()
}

fn same(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

fn query_token(uri: &Uri) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Given {
        token: String,
    }
    Query::<Given>::try_from_uri(uri).ok().map(|Query(given)| given.token.trim().to_owned())
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

/// A cookie can't hold every character of a token of one's own, so it holds a digest.
fn cookie_value(token: &str) -> String {
    derive("raskal 2026 dashboard cookie", token)
}

fn derive(context: &str, secret: &str) -> String {
    blake3::Hash::from_bytes(blake3::derive_key(context, secret.as_bytes())).to_hex()[..32].to_owned()
}

/// Cookies don't know ports: the name does, so that two dashboards of one host keep their own.
fn cookie_name(address: SocketAddr) -> Arc<str> {
    format!("raskal-dashboard-{}", address.port()).into()
}

/// Whether the browser asked for this machine by a name that only this machine answers to, and not by a name of
/// somebody's that was made to point here (DNS rebinding).
fn host_is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let Some(authority) = authority else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn off_loopback_without_a_token_is_an_error_that_names_the_address() {
        let error = Access::for_listener("0.0.0.0:8787".parse().unwrap(), Some("")).unwrap_err();
        assert!(error.to_string().contains("0.0.0.0:8787"), "{error}");
    }

    #[test]
    fn loopback_is_open_to_local_names_only() {
        let access = Access::for_listener("127.0.0.1:8787".parse().unwrap(), Some("secret")).unwrap();
        for host in ["127.0.0.1:8787", "localhost:8787", "[::1]:8787", "a.localhost"] {
            assert_eq!(
                access.allows(&Uri::from_static("/status"), &headers(&[("host", host)])),
                Verdict::Allowed,
                "{host}"
            );
        }
        for host in ["evil.example:8787", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.5"] {
            assert_eq!(
                access.allows(&Uri::from_static("/status"), &headers(&[("host", host)])),
                Verdict::Refused,
                "{host}"
            );
        }
        let cookie = format!("a=b; raskal-dashboard-8787={}", cookie_value("secret"));
        let through_proxy = headers(&[("host", "hub.example"), ("cookie", &cookie)]);
        assert_eq!(access.allows(&Uri::from_static("/status"), &through_proxy), Verdict::Allowed);
    }

    #[test]
    fn insecure_is_open_to_everybody() {
        let access = Access::insecure("0.0.0.0:8787".parse().unwrap());
        assert_eq!(
            access.allows(&Uri::from_static("/status"), &headers(&[("host", "anything.example")])),
            Verdict::Allowed
        );
    }

    #[test]
    fn the_derived_token_is_stable_and_does_not_show_the_cluster_token() {
        let token = Access::derive_token("cluster secret");
        assert_eq!(token, Access::derive_token("cluster secret"));
        assert_ne!(token, Access::derive_token("another secret"));
        assert_eq!(token.len(), 32);
    }

    #[test]
    fn the_debug_form_hides_the_token() {
        let access = Access::for_listener("0.0.0.0:1".parse().unwrap(), Some("hunter2")).unwrap();
        assert!(!format!("{access:?}").contains("hunter2"));
    }

    #[test]
    fn a_websocket_of_another_site_is_recognised() {
        let host = ("host", "127.0.0.1:8787");
        assert!(!from_another_site(&headers(&[host])));
        assert!(!from_another_site(&headers(&[host, ("origin", "http://127.0.0.1:8787")])));
        assert!(!from_another_site(&headers(&[host, ("x-forwarded-host", "hub.io"), ("origin", "https://hub.io")])));
        assert!(from_another_site(&headers(&[host, ("origin", "https://evil.example")])));
        assert!(from_another_site(&headers(&[host, ("origin", "null")])));
    }
}
