//! Connecting to a scheduler.

use crate::Failure;
use crate::client::line::Line;
use crate::client::results::{POLL, Poll};
use crate::client::table::Shared;
use crate::fetch::Fetcher;
use raskal_net::{
    Address, ConnectionOptions, Credentials, NetError, Receiver, Role, SchedulerFile, Sender, Token, connect,
};
use raskal_proto::client::WorkerInfo;
use raskal_proto::{Called, FRAME_BYTES_MAX, FromClient, ToClient};
use raskal_types::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Where the scheduler is, and how to be let in.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The scheduler's address; without it the scheduler file tells.
    pub address: Option<String>,
    /// The file that the scheduler wrote; without it the address's own is looked for.
    pub scheduler_file: Option<PathBuf>,
    /// The token in hexadecimal digits, in place of the file's.
    pub token: Option<String>,
    /// How to be let in, in place of file and token; needs the address.
    pub credentials: Option<Credentials>,
    /// A name for people.
    pub name: String,
    /// How long to wait for the scheduler.
    pub timeout: Duration,
}

/// A connection to a cluster.
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sender: Arc<Line>,
    pub(crate) fetcher: Arc<Fetcher>,
    address: Address,
    /// The client's own threads: one for messages, one for data.
    pub(crate) runtime: Option<Runtime>,
}

impl Client {
    /// Connects to a scheduler.
    ///
    /// # Errors
    /// If it is not there within the time, or does not let us in; the message says what to do.
    pub fn connect(options: &ClientOptions) -> Result<Client, Failure> {
        let (address, credentials) = find(options)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("raskal-client")
            .enable_all()
            .build()?;
        let (shared, deadline) = (Arc::new(Shared::default()), Instant::now() + options.timeout);
        let name = options.name.clone();
        let (sender, fetcher) = {
            let (shared, address) = (shared.clone(), address.clone());
            let timeout = options.timeout;
            runtime.block_on(async move {
                let (sender, receiver) = open(&address, &credentials, timeout).await?;
                let session = rand::random::<u128>();
                sender.push([FromClient::Hello { name, session }])?;
                let line = Arc::new(Line::default());
                line.connect(sender);
                tokio::spawn({
                    let line = line.clone();
                    async move { line.tell_released().await }
                });
                let fetcher = Arc::new(Fetcher::new(&credentials));
                tokio::spawn(Talk { shared, line: line.clone(), session, address, credentials }.go_on(receiver));
                Ok::<_, Failure>((line, fetcher))
            })?
        };
        let client = Client { shared, sender, fetcher, address, runtime: Some(runtime) };
        client.wait_for_welcome(deadline)?;
        Ok(client)
    }

    fn wait_for_welcome(&self, deadline: Instant) -> Result<(), Failure> {
        let mut table = self.shared.table.lock();
        while !table.welcome || table.free_graphs.is_empty() {
            table.check_open()?;
            if self.shared.changed.wait_until(&mut table, deadline).timed_out() {
                return Err(Failure::new(
                    ErrorKind::Io,
                    format!("the scheduler at {} let us in and then said nothing", self.address),
                ));
            }
        }
        Ok(())
    }

    /// Waits until so many workers are there.
    ///
    /// # Errors
    /// If they are not within the time, or what `poll` says.
    pub fn wait_for_workers(
        &self,
        count: usize,
        timeout: Option<Duration>,
        poll: &mut Poll<'_>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            {
                let mut table = self.shared.table.lock();
                table.check_open()?;
                let there = table.workers.len();
                if there >= count {
                    return Ok(());
                }
                if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                    return Err(Failure::new(
                        ErrorKind::Io,
                        format!(
                            "{there} of {count} workers joined within {} s\nhint: look at the workers' output for why",
                            started.elapsed().as_secs()
                        ),
                    ));
                }
                self.shared.changed.wait_for(&mut table, POLL);
            }
            poll()?;
        }
    }

    /// The scheduler's address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The dashboard's address, if there is one.
    pub fn dashboard(&self) -> Option<String> {
        self.shared.table.lock().dashboard.clone()
    }

    /// The workers that are there now.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.shared.table.lock().workers.values().cloned().collect()
    }

    /// Why the connection ended, if it did.
    pub fn ended(&self) -> Option<String> {
        self.shared.table.lock().ended.clone()
    }

    /// Ends the connection; the scheduler then gives up what was wanted.
    pub fn close(&self) {
        self.shared.end("this client was closed".to_owned());
        self.sender.close();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            // What is queued is written first; the last client may be dropped on any thread, so this must not block.
            std::thread::spawn(move || {
                runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
                runtime.shutdown_background();
            });
        }
    }
}

/// How long a scheduler that is gone is looked for.
const AGAIN_TIME: Duration = Duration::from_secs(30);
/// Pauses between attempts, doubled from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

async fn open(
    address: &Address,
    credentials: &Credentials,
    time: Duration,
) -> Result<(Sender<FromClient>, Receiver<ToClient>), NetError> {
    let link = connect(address, credentials, Role::Client, time).await?;
    let limits = ConnectionOptions { frame_bytes_max: FRAME_BYTES_MAX, ..ConnectionOptions::default() };
    Ok(link.into_connection::<FromClient, ToClient>(limits))
}

/// What hears the scheduler, and looks for it when it is gone.
struct Talk {
    shared: Arc<Shared>,
    line: Arc<Line>,
    session: u128,
    address: Address,
    credentials: Credentials,
}

impl Talk {
    async fn go_on(self, mut receiver: Receiver<ToClient>) {
        loop {
            let reason = self.hear(&mut receiver).await;
            if self.shared.table.lock().is_over() {
                return self.shared.end(reason);
            }
            let lost = self.line.broken().into_iter().map(|request| {
                let why = "the connection to the scheduler broke meanwhile; it may have been called or not";
                ToClient::Called { request, answers: vec![Called { pid: 0, result: Err(why.into()) }] }
            });
            self.shared.take_in(lost.collect());
            self.shared.table.lock().give_up_questions();
            self.shared.changed.notify_all();
            tracing::warn!(reason, "the connection to the scheduler broke; looking for it");
            match self.again().await {
                Ok(next) => receiver = next,
                Err(error) => return self.shared.end(format!("{reason}; and it could not be reached again: {error}")),
            }
        }
    }

    async fn hear(&self, receiver: &mut Receiver<ToClient>) -> String {
        loop {
            match receiver.receive().await {
                Ok(Some(messages)) => {
                    for message in &messages {
                        match message {
                            ToClient::Accepted { graph } => self.line.confirmed(*graph),
                            ToClient::Board { request, .. } => self.line.answered(*request),
                            ToClient::Called { request, .. } => self.line.called(*request),
                            _ => {}
                        }
                    }
                    self.shared.take_in(messages);
                }
                Ok(None) => return "the scheduler closed it".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    async fn again(&self) -> Result<Receiver<ToClient>, NetError> {
        let deadline = Instant::now() + AGAIN_TIME;
        let mut pause = PAUSE_MIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE_MIN);
            match open(&self.address, &self.credentials, left).await {
                Ok((sender, receiver)) => {
                    self.shared.table.lock().workers.clear();
                    self.line.resume(sender, self.session, &self.shared)?;
                    return Ok(receiver);
                }
                // One that keeps no journal does not come back: its process is gone, and its knowledge with it.
                Err(error @ NetError::NotListening { .. }) if !self.shared.table.lock().lasting => return Err(error),
                Err(error) if self.shared.table.lock().is_over() || Instant::now() + pause > deadline => {
                    return Err(error);
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn find(options: &ClientOptions) -> Result<(Address, Credentials), Failure> {
    let address = options.address.as_deref().map(str::parse::<Address>).transpose()?;
    if let (Some(credentials), Some(address)) = (&options.credentials, &address) {
        return Ok((address.clone(), credentials.clone()));
    }
    let (address, credentials) = match (&options.scheduler_file, address) {
        (Some(path), address) => {
            let file = SchedulerFile::read(path)?;
            let first = file.addresses.first().cloned();
            let address = address.or(first).ok_or_else(|| {
                Failure::new(ErrorKind::Value, format!("the scheduler file {} names no address", path.display()))
            })?;
            (address, Credentials::from_scheduler_file(&file)?)
        }
        (None, Some(address)) => match &options.token {
            Some(token) => return Ok((address, Credentials::from_token(Token::parse(token)?))),
            None => {
                let credentials = Credentials::find(&address)?;
                (address, credentials)
            }
        },
        (None, None) => {
            return Err(Failure::new(
                ErrorKind::Value,
                "neither an address nor a scheduler file was given\nhint: pass the scheduler's address, such as \
                 tls://127.0.0.1:8786",
            ));
        }
    };
    match &options.token {
        Some(token) => Ok((address, credentials.with_token(Token::parse(token)?))),
        None => Ok((address, credentials)),
    }
}
