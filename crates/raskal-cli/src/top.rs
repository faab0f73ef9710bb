//! `raskal top`: what a cluster does, in a terminal.
//!
//! Start at [`run`]. It connects as a client and asks the scheduler for what the dashboard shows, so that it works
//! wherever a client does, encrypted and without a dashboard; [`crate::top_screen`] turns an answer into lines.

use crate::command::TopOptions;
use crate::top_screen::Screen;
use raskal_dashboard::Snapshot;
use raskal_net::{Address, ConnectionOptions, Credentials, NetError, Receiver, Role, SchedulerFile, Sender, connect};
use raskal_proto::client::{Answer, Question};
use raskal_proto::{FRAME_BYTES_MAX, FromClient, ToClient};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How long the scheduler may take to let us in, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The size of a terminal that does not tell its own.
const SIZE: (usize, usize) = (160, 40);

/// Shows a cluster until it is interrupted, or once.
pub(crate) fn run(options: TopOptions) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot connect: {error}"))?;
    runtime.block_on(async move {
        let mut line = Line::open(&options).await.map_err(|error| error.to_string())?;
        let screen = Screen::new(line.snapshot().await?, options.sort);
        if options.once || !io::stdout().is_terminal() {
            let (width, _) = size();
            // A reader that has seen enough (head) ends us.
            let _ = writeln!(io::stdout(), "{}", screen.lines(width, usize::MAX).join("\n"));
            return Ok(());
        }
        watch(&mut line, screen, options.interval).await
    })
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or(SIZE, |(width, height)| (width.0.into(), height.0.into()))
}

async fn watch(line: &mut Line, mut screen: Screen, interval: Duration) -> Result<(), String> {
    let gone = |error: io::Error| format!("the terminal is gone: {error}");
    let _shown = Shown::new().map_err(gone)?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        draw(&screen).map_err(gone)?;
        tokio::select! {
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(interval) => {}
        }
        screen.update(line.snapshot().await?);
    }
}

/// Draws over the last drawing, so that nothing flickers: each line is cleared behind its end, and what is below.
fn draw(screen: &Screen) -> io::Result<()> {
    let (width, height) = size();
    let mut out = io::stdout().lock();
    write!(out, "\x1b[H{}\x1b[K\x1b[J", screen.lines(width, height).join("\x1b[K\r\n"))?;
    out.flush()
}

/// The terminal's other screen while it is ours; the one before comes back however this ends.
struct Shown;

impl Shown {
    fn new() -> io::Result<Shown> {
        write!(io::stdout(), "\x1b[?1049h\x1b[?25l\x1b[2J")?;
        io::stdout().flush()?;
        Ok(Shown)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = write!(io::stdout(), "\x1b[?25h\x1b[?1049l");
        let _ = io::stdout().flush();
    }
}

/// The connection to the scheduler.
struct Line {
    sender: Sender<FromClient>,
    receiver: Receiver<ToClient>,
    requests: u32,
}

impl Line {
    async fn open(options: &TopOptions) -> Result<Line, NetError> {
        let file = options.scheduler_file.as_deref().map(SchedulerFile::read).transpose()?;
        let first = file.as_ref().and_then(|file| file.addresses.first().cloned());
        let default = || Address::tls("127.0.0.1", 8786);
        let address = options.address.clone().or(first).unwrap_or_else(default);
        let address = match address {
            Address::Tls { host, port } if options.insecure => Address::tcp(host, port),
            address => address,
        };
        let credentials = match &file {
            _ if options.insecure => Credentials::insecure(),
            Some(file) => Credentials::from_scheduler_file(file)?,
            None => Credentials::find(&address)?,
        };
        let link = connect(&address, &credentials, Role::Client, PATIENCE).await?;
        let limits = ConnectionOptions { frame_bytes_max: FRAME_BYTES_MAX, ..ConnectionOptions::default() };
        let (sender, receiver) = link.into_connection(limits);
        // It never comes back to a session: any number that no other client has will do.
        let session = RandomState::new().hash_one(std::process::id());
        sender.push([FromClient::Hello { name: "raskal top".into(), session: session.into() }])?;
        Ok(Line { sender, receiver, requests: 0 })
    }

    async fn snapshot(&mut self) -> Result<Snapshot, String> {
        self.requests += 1;
        let question = Question::View("snapshot".into());
        self.sender.push([FromClient::Ask { request: self.requests, question }]).map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, self.answer()).await;
        let json = answer.map_err(|_| "the scheduler does not answer any more".to_owned())??;
        serde_json::from_str(&json).map_err(|error| format!("the scheduler's answer can't be read: {error}"))
    }

    async fn answer(&mut self) -> Result<String, String> {
        loop {
            let messages = self.receiver.receive().await.map_err(|error| error.to_string())?;
            let messages = messages.ok_or("the scheduler has ended")?;
            for message in messages {
                // What is said to every client (who came, who went) is in the snapshot, too.
                if let ToClient::Answer { request, answer: Answer::View(json) } = message
                    && request == self.requests
                {
                    return json;
                }
            }
        }
    }
}
