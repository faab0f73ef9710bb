//! From options to a running process.
//!
//! Start at [`run`], which blocks, or [`serve`], which is its asynchronous inside.

use crate::connection::{self, Door};
use crate::core::{Core, Incoming};
use crate::idle::Idle;
use crate::journal::{self, Journal, Past};
use crate::options::{ServerOptions, Started};
use crate::report::Reports;
use raskal_dashboard::{Access, AccessError};
use raskal_net::{Address, Credentials, HandshakeOptions, Listener, NetError, Role, SchedulerFile};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Frames of messages that may wait for the scheduler; peers wait behind them.
const INBOX_LEN: usize = 1024;

/// Why the scheduler process can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address, a certificate or the scheduler file.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The dashboard's address.
    #[error("cannot open the dashboard at {address}: {reason}\nhint: pass another address or port, or 0 for any port")]
    Dashboard {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: String,
    },
    /// The journal.
    #[error("cannot use the journal in {folder}: {reason}\nhint: pass another folder with --journal, or --no-journal")]
    Journal {
        /// Where.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Who may see the dashboard.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The operating system refused something.
    #[error("cannot run the scheduler: {0}")]
    System(#[from] std::io::Error),
}

/// How long peers may take to hear that the scheduler ends.
const GOODBYE: Duration = Duration::from_millis(50);

/// How a scheduler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The cluster ends with it.
    ForGood,
    /// With a journal, one that is started again goes on.
    ForAWhile,
}

fn open_journal(folder: &Path) -> Result<(Journal, Past), ServerError> {
    Journal::open(folder).map_err(|error| ServerError::Journal { folder: folder.to_owned(), reason: error.to_string() })
}

/// Runs a scheduler until it is interrupted or terminated.
///
/// # Errors
/// If it can't listen.
pub fn run(options: ServerOptions) -> Result<(), ServerError> {
    // One thread: the scheduler takes more time than the sockets, and what it says need not wake another thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let shutdown = shutdown(options.end_with_stdin)?;
        serve(options, shutdown).await
    })
}

/// Runs a scheduler until `shutdown` is done.
///
/// # Errors
/// If it can't listen.
pub async fn serve(options: ServerOptions, shutdown: impl Future<Output = Ending>) -> Result<(), ServerError> {
    let credentials = match options.credentials {
        Some(credentials) => credentials,
        // With a journal, peers of before must be able to come back.
        None => match &options.journal {
            Some(folder) => journal::credentials(folder, &hosts(&options.listen))?,
            None => Credentials::generate(&hosts(&options.listen))?,
        },
    };
    let past = options.journal.as_deref().map(open_journal).transpose()?;
    let mut listeners = Vec::new();
    for address in &options.listen {
        let handshake = HandshakeOptions::new(Role::Scheduler);
        listeners.push(Listener::bind(address, &credentials, handshake).await?);
    }
    let addresses: Vec<Address> = listeners.iter().map(|listener| listener.address().clone()).collect();
    let (inbox, outgoing) = mpsc::channel(INBOX_LEN);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();

    let mut dashboard = None;
    if let Some(address) = options.dashboard {
        let refused = |error: std::io::Error| ServerError::Dashboard { address, reason: error.to_string() };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let token = credentials.token().map(|token| Access::derive_token(&token.reveal()));
        let access = if options.dashboard_open {
            Access::insecure(bound)
        } else {
            Access::for_listener(bound, token.as_deref())?
        };
        // With the token, which opens nothing else: whoever is told this address is let in already.
        let query = token.filter(|_| !options.dashboard_open).map(|token| format!("?token={token}"));
        dashboard = Some(format!("http://{bound}/status{}", query.unwrap_or_default()));
        let router = raskal_dashboard::router(Arc::new(Reports::new(inbox.clone())), access);
        let closed = async move {
            // An error means that the sender is gone, which says the same.
            let _ = stopped.await;
        };
        tokio::spawn(async move {
            if let Err(error) = raskal_dashboard::serve(listener, router, closed).await {
                tracing::warn!(%error, "the dashboard ended");
            }
        });
    }

    let path = match options.scheduler_file {
        Some(path) => path,
        None => addresses
            .first()
            .map(SchedulerFile::default_path)
            .unwrap_or_else(|| SchedulerFile::folder().join("scheduler.json")),
    };
    SchedulerFile::new(addresses.clone(), &credentials, dashboard.clone()).write(&path)?;
    tracing::info!(?addresses, dashboard, file = %path.display(), "the scheduler listens");
    let door = Door::new(inbox.clone(), past.as_ref().map_or(0, |(_, past)| past.next_peer));
    for listener in listeners {
        tokio::spawn(connection::accept(listener, door.clone()));
    }
    let enough = Arc::new(tokio::sync::Notify::new());
    let idle = Idle::new(options.idle_timeout, enough.clone());
    let mut core = Core::new(addresses.clone(), dashboard.clone(), options.worker_timeout, idle);
    if let Some((journal, past)) = past {
        core.begin_anew(journal, past);
    }
    let core = tokio::spawn(core.run(outgoing));
    if let Some(on_start) = options.on_start {
        on_start(&Started { addresses, scheduler_file: path.clone(), dashboard });
    }
    let ending = tokio::select! {
        ending = shutdown => ending,
        () = enough.notified() => Ending::ForGood,
    };
    let (said, heard) = tokio::sync::oneshot::channel();
    let for_good = ending == Ending::ForGood || !options.comes_back;
    if inbox.send(Incoming::End { for_good, said }).await.is_ok() && heard.await.is_ok() {
        // What was said is written by the connections' own tasks.
        tokio::time::sleep(GOODBYE).await;
    }
    core.abort();
    drop(stop);
    if for_good || options.journal.is_none() {
        SchedulerFile::remove_own(&path);
    }
    tracing::info!("the scheduler ends");
    Ok(())
}

/// The hosts that a fresh certificate is for.
fn hosts(listen: &[Address]) -> Vec<&str> {
    let mut hosts = vec!["localhost", "127.0.0.1"];
    for (host, _) in listen.iter().filter_map(Address::host_port) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Done at an interrupt or the end of the standard input, which end the cluster, or at a request to terminate, after which
/// a service manager may start it again.
fn shutdown(end_with_stdin: bool) -> std::io::Result<impl Future<Output = Ending>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (ended, end) = tokio::sync::oneshot::channel();
    if end_with_stdin {
        // A thread of its own: reading the standard input can't be cancelled, and must not keep the process.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = ended.send(());
        });
    } else {
        std::mem::forget(ended);
    }
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Ending::ForGood,
            _ = terminate.recv() => Ending::ForAWhile,
            _ = end => Ending::ForGood,
        }
    })
}
