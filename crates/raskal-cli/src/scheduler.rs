//! `raskal scheduler`: from what was typed to a running scheduler.

use crate::command::{SchedulerOptions, Security};
use crate::interface;
use raskal_net::{Address, Credentials, NetError, Token};
use raskal_server::{ServerOptions, Started};
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Where the dashboard is looked for first.
const DASHBOARD_PORT: u16 = 8787;

/// How many ports are tried for a dashboard whose address was not given.
const DASHBOARD_PORTS: u16 = 100;

/// Runs a scheduler until it is interrupted.
pub(crate) fn run(options: SchedulerOptions) -> Result<(), String> {
    let filter = EnvFilter::try_from_env("RASKAL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| raskal_net::log_tail::Tee)
        .with_ansi(colours)
        .init();
    if let Some(module) = options.preload.first() {
        return Err(format!(
            "--preload {module}: the scheduler is a Rust program and runs no Python\nhint: pass it to `raskal worker`, whose \
             processes import it; Client.register_plugin has hooks for what happens to the cluster"
        ));
    }
    for line in options.habits.answer(options.security.insecure)? {
        eprintln!("raskal: {line}");
    }
    if let Some(path) = &options.pid_file {
        std::fs::write(path, std::process::id().to_string())
            .map_err(|error| format!("--pid-file {}: {error}", path.display()))?;
    }
    let options = server_options(options)?;
    raskal_server::run(options).map_err(|error| error.to_string())
}

fn server_options(options: SchedulerOptions) -> Result<ServerOptions, String> {
    let host = match &options.interface {
        Some(name) => interface::host_of(name)?,
        None => options.host,
    };
    let insecure = options.security.insecure;
    let main = if insecure { Address::tcp(&host, options.port) } else { Address::tls(&host, options.port) };
    let dashboard = match options.dashboard_address {
        _ if options.no_dashboard => None,
        Some(text) => Some(dashboard_address(&text, &host)?),
        None => Some(free_dashboard(&host)?),
    };
    let comes_back = options.journal.is_some();
    let beside = || {
        let mut path = options.scheduler_file.clone()?.into_os_string();
        path.push(".journal");
        Some(PathBuf::from(path))
    };
    let journal = options.journal.clone().or_else(beside).filter(|_| !options.no_journal);
    Ok(ServerOptions {
        listen: [main].into_iter().chain(options.socket.map(Address::Unix)).collect(),
        credentials: credentials(&options.security, &host).map_err(|error| error.to_string())?,
        scheduler_file: options.scheduler_file,
        journal,
        comes_back,
        dashboard,
        dashboard_open: insecure,
        worker_timeout: options.worker_timeout,
        idle_timeout: options.idle_timeout,
        end_with_stdin: options.end_with_stdin,
        on_start: Some(Box::new(|started| {
            // A scheduler whose output nobody reads serves all the same.
            let _ = writeln!(std::io::stdout(), "{}", welcome(started));
        })),
    })
}

/// The credentials that were asked for; `None` lets the scheduler make fresh ones.
fn credentials(security: &Security, host: &str) -> Result<Option<Credentials>, NetError> {
    if security.insecure {
        return Ok(Some(Credentials::insecure()));
    }
    let token = Token::from_environment()?;
    match (&security.tls_cert, &security.tls_key) {
        (Some(certificate), Some(key)) => {
            let authority = security.tls_ca_file.as_deref();
            // Without an authority a token must say who is let in.
            let token = match (token, authority) {
                (None, None) => Some(Token::random()?),
                (token, _) => token,
            };
            Credentials::from_files(Some((certificate, key)), authority, token).map(Some)
        }
        _ => match token {
            Some(token) => Ok(Some(Credentials::generate(&["localhost", "127.0.0.1", host])?.with_token(token))),
            None => Ok(None),
        },
    }
}

/// Reads `host:port`, `:port` or `port`; the latter two are at the scheduler's own host.
fn dashboard_address(text: &str, host: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    let address = match port.parse::<u16>() {
        Ok(port) => resolve(host, port),
        Err(_) => text.to_socket_addrs().map(|mut all| all.next()),
    };
    match address {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(format!("--dashboard-address {text}: the host has no address")),
        Err(error) => Err(format!("--dashboard-address {text}: {error}\nhint: write 127.0.0.1:8787 or :8787")),
    }
}

fn resolve(host: &str, port: u16) -> std::io::Result<Option<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.next())
}

/// The usual port, or the next free one, which is then said.
fn free_dashboard(host: &str) -> Result<SocketAddr, String> {
    let unknown = |error| format!("--host {host}: {error}\nhint: give a name or number of this machine");
    for port in DASHBOARD_PORT..DASHBOARD_PORT + DASHBOARD_PORTS {
        let address =
            resolve(host, port).map_err(unknown)?.ok_or_else(|| format!("--host {host}: it has no address"))?;
        match TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => continue,
            // Whatever else is wrong, the scheduler's own attempt will say.
            _ if port == DASHBOARD_PORT => return Ok(address),
            _ => {
                eprintln!("raskal: port {DASHBOARD_PORT} is taken, so the dashboard is at port {port}");
                return Ok(address);
            }
        }
    }
    Err(format!(
        "no port from {DASHBOARD_PORT} to {} is free for the dashboard\nhint: pass --dashboard-address :0 or --no-dashboard",
        DASHBOARD_PORT + DASHBOARD_PORTS - 1
    ))
}

/// The dashboard's address for people: on this machine it is open without the token.
fn without_needless_token(address: &str) -> &str {
    let local = ["http://127.", "http://[::1]", "http://localhost"].iter().any(|start| address.starts_with(start));
    if local { address.split('?').next().unwrap_or(address) } else { address }
}

/// What a person reads when the scheduler listens.
fn welcome(started: &Started) -> String {
    let mut text = format!("raskal scheduler {}\n", raskal_net::VERSION);
    for address in &started.addresses {
        text += &format!("  workers and clients  {address}\n");
    }
    if let Some(dashboard) = &started.dashboard {
        let dashboard = without_needless_token(dashboard);
        text += &format!("  dashboard            {dashboard}\n");
    }
    text += &format!("  scheduler file       {}", started.scheduler_file.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Cli, Subcommand};
    use clap::Parser;

    fn options(arguments: &[&str]) -> Result<ServerOptions, String> {
        let words = ["raskal", "scheduler"].iter().chain(arguments);
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.subcommand {
            Subcommand::Scheduler(options) => server_options(options),
            other => Err(format!("not a scheduler: {other:?}")),
        }
    }

    #[test]
    fn the_defaults_are_loopback_and_encrypted() {
        let options = options(&[]).unwrap();
        assert_eq!(options.listen, [Address::tls("127.0.0.1", 8786)]);
        assert!(options.dashboard.unwrap().ip().is_loopback());
        assert!(!options.dashboard_open);
        assert!(options.credentials.is_none_or(|credentials| !credentials.is_insecure()));
    }

    #[test]
    fn insecure_is_plain_tcp() {
        let options = options(&["--insecure", "--port", "0", "--no-dashboard"]).unwrap();
        assert_eq!(options.listen, [Address::tcp("127.0.0.1", 0)]);
        assert!(options.credentials.unwrap().is_insecure());
        assert_eq!(options.dashboard, None);
    }

    #[test]
    fn the_dashboard_goes_where_it_is_told() {
        for (text, expected) in
            [(":9000", "127.0.0.1:9000"), ("9000", "127.0.0.1:9000"), ("127.0.0.2:0", "127.0.0.2:0")]
        {
            let options = options(&["--dashboard-address", text]).unwrap();
            assert_eq!(options.dashboard, Some(expected.parse().unwrap()), "{text}");
        }
        let error = options(&["--dashboard-address", "nonsense"]).err().unwrap();
        assert!(error.contains("nonsense") && error.contains("127.0.0.1:8787"), "{error}");
    }

    #[test]
    fn a_taken_dashboard_port_is_passed_over() {
        let address = free_dashboard("127.0.0.1").unwrap();
        let _taken = TcpListener::bind(address).unwrap();
        let next = free_dashboard("127.0.0.1").unwrap();
        assert!(next.port() > address.port());
    }

    #[test]
    fn only_addresses_that_need_it_are_printed_with_the_token() {
        assert_eq!(without_needless_token("http://127.0.0.1:8787/status?token=ab"), "http://127.0.0.1:8787/status");
        assert_eq!(
            without_needless_token("http://10.0.0.5:8787/status?token=ab"),
            "http://10.0.0.5:8787/status?token=ab"
        );
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let error = options(&["--tls-cert", "/nonexistent/c.pem", "--tls-key", "/nonexistent/k.pem"]).err().unwrap();
        assert!(error.contains("/nonexistent/c.pem"), "{error}");
    }
}
