//! What the scheduler process is told.

use raskal_net::{Address, Credentials};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How to run a scheduler.
pub struct ServerOptions {
    /// Where to listen for workers and clients; port 0 lets the system choose.
    pub listen: Vec<Address>,
    /// Who may connect. Without any, fresh ones are made for the addresses.
    pub credentials: Option<Credentials>,
    /// The file that tells workers and clients where the scheduler is and how to be let in; without it, the one of the
    /// per-user folder.
    pub scheduler_file: Option<PathBuf>,
    /// The folder of the journal, with which a scheduler that is started again goes on; none for no journal.
    pub journal: Option<PathBuf>,
    /// Whether a request to terminate is followed by a new start (a service manager's way): the journal then stays.
    pub comes_back: bool,
    /// Where to listen for browsers; none for no dashboard.
    pub dashboard: Option<SocketAddr>,
    /// Whether anybody who reaches the dashboard may look, wherever it listens.
    pub dashboard_open: bool,
    /// A worker that is silent for so long counts as lost.
    pub worker_timeout: Duration,
    /// End when there was nothing to do for so long.
    pub idle_timeout: Option<Duration>,
    /// End when the standard input ends: the process that started this one is gone.
    pub end_with_stdin: bool,
    /// Called once, when everything listens.
    pub on_start: Option<OnStart>,
}

/// What is called when everything listens.
pub type OnStart = Box<dyn FnOnce(&Started) + Send>;

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: vec![Address::tls("127.0.0.1", 8786)],
            credentials: None,
            scheduler_file: None,
            journal: None,
            comes_back: false,
            dashboard: Some(SocketAddr::from(([127, 0, 0, 1], 8787))),
            dashboard_open: false,
            worker_timeout: Duration::from_secs(30),
            idle_timeout: None,
            end_with_stdin: false,
            on_start: None,
        }
    }
}

/// Where a scheduler listens, once it does.
#[derive(Clone, Debug)]
pub struct Started {
    /// For workers and clients.
    pub addresses: Vec<Address>,
    /// The file that says so.
    pub scheduler_file: PathBuf,
    /// For browsers.
    pub dashboard: Option<String>,
}
