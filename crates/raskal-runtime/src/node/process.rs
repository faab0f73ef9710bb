//! Executor processes: their start, what they say, and how they end.
//!
//! Start at [`start`]. A process that dies is described by exit code or signal and its last words on the standard error;
//! the shell then starts another.

use crate::node::nursery::Forked;
use crate::node::options::NodeOptions;
use crate::node::pipe::Frame;
use crate::node::shell::NodeEvent;
use crate::node::store::Stored;
use parking_lot::Mutex;
use raskal_proto::{FromExecutor, ToExecutor};
use raskal_store::Lender;
use raskal_store::shared::SHARED_BYTES_MIN;
use raskal_types::TaskId;
use raskal_worker::ExecutorId;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Lines of the standard error that are kept to be told when the process dies.
pub(crate) const LAST_WORDS: usize = 20;

/// What goes to an executor.
enum Outgoing {
    Messages(Vec<ToExecutor>),
    /// Read and turned into bytes by the writer: it may be on disk.
    Value(TaskId, Stored),
}

/// What a node keeps of a running executor.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Which of the node's executors it is; one that replaces a dead one takes its place.
    pub(crate) place: u32,
    /// What is to be said at the end of this turn.
    pub(crate) outbox: Vec<ToExecutor>,
    frames: mpsc::UnboundedSender<Outgoing>,
    /// Lends it the memory of large values.
    pub(crate) lender: Arc<Lender>,
    pub(crate) ready: bool,
    /// How many tasks it runs at once.
    pub(crate) threads: u32,
    doom: Arc<Doom>,
}

/// The way to end a process at once, and why.
#[derive(Default)]
struct Doom {
    comes: tokio::sync::Notify,
    reason: Mutex<Option<String>>,
}

impl Process {
    /// Hands what is to be said to the pipe.
    pub(crate) fn flush(&mut self) {
        if !self.outbox.is_empty() {
            // The writer is gone only when the process is, of which the shell hears.
            let _ = self.frames.send(Outgoing::Messages(std::mem::take(&mut self.outbox)));
        }
    }

    /// Ends the process at once; its description will tell why.
    pub(crate) fn kill(&self, reason: String) {
        self.doom.reason.lock().get_or_insert(reason);
        self.doom.comes.notify_one();
    }

    /// Sends a value, behind what was said before.
    pub(crate) fn send_value(&mut self, task: TaskId, value: Stored) {
        self.flush();
        let _ = self.frames.send(Outgoing::Value(task, value));
    }
}

/// Starts an executor process.
pub(crate) fn start(
    id: ExecutorId,
    place: u32,
    options: &NodeOptions,
    events: &mpsc::UnboundedSender<NodeEvent>,
) -> io::Result<Process> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    let (error_read, error_write) = io::pipe()?;
    let mut body = Body::start(options, theirs.into(), error_write.into())?;
    let pid = body.pid();
    let (read, write) = ours.into_split();
    let (frames, queued) = mpsc::unbounded_channel();
    let lender = Arc::new(Lender::new(pid));
    tokio::spawn(write_frames(id, write, queued, lender.clone(), events.clone()));
    let last_words = Arc::new(Mutex::new(VecDeque::new()));
    let stderr = pipe::Receiver::from_owned_fd(error_read.into())?;
    let listening = tokio::spawn(listen(stderr, last_words.clone()));
    let (events, doom) = (events.clone(), Arc::new(Doom::default()));
    let fate = doom.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = read_frames(id, read, &events) => {}
            () = fate.comes.notified() => body.kill(),
        }
        let status = end(&mut body).await;
        // What the process wrote before it died; a grandchild may hold the pipe open for longer.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), listening).await;
        let words: Vec<String> = last_words.lock().iter().cloned().collect();
        let reason = fate.reason.lock().take();
        let how = match reason {
            Some(reason) => format!("executor process {pid} was ended by its worker: {reason}"),
            None => describe(pid, status, &words),
        };
        let _ = events.send(NodeEvent::ExecutorDied { executor: id, how });
    });
    let threads = options.executor_threads;
    Ok(Process { pid, place, outbox: Vec::new(), frames, lender, ready: false, threads, doom })
}

async fn write_frames(
    executor: ExecutorId,
    mut write: OwnedWriteHalf,
    mut queued: mpsc::UnboundedReceiver<Outgoing>,
    lender: Arc<Lender>,
    events: mpsc::UnboundedSender<NodeEvent>,
) {
    while let Some(outgoing) = queued.recv().await {
        let frame = match outgoing {
            Outgoing::Messages(messages) => Frame::Messages(messages),
            Outgoing::Value(task, value) => {
                let (lender, on_disk) = (lender.clone(), value.is_on_disk());
                let large = value.size_bytes() >= SHARED_BYTES_MIN as u64;
                // Copies the value's buffers, unless they are in shared memory already.
                let make = move || value.to_frames().map(|frames| Frame::value(task, frames, &lender));
                let made = match large {
                    true => tokio::task::spawn_blocking(make).await,
                    false => Ok(make()),
                };
                match made {
                    Ok(Ok(frame)) => frame,
                    // The tasks that take it find that it is not there.
                    Ok(Err(error)) => {
                        let _ =
                            events.send(NodeEvent::NotSent { executor, value: task, on_disk, why: error.to_string() });
                        continue;
                    }
                    Err(_) => return,
                }
            }
        };
        for piece in frame.pieces() {
            if write.write_all(&piece).await.is_err() {
                return;
            }
        }
    }
}

async fn read_frames(id: ExecutorId, read: OwnedReadHalf, events: &mpsc::UnboundedSender<NodeEvent>) {
    let mut read = BufReader::with_capacity(1 << 16, read);
    loop {
        match Frame::<FromExecutor>::read_async(&mut read).await {
            Ok(Some(frame)) => {
                let _ = events.send(NodeEvent::Executor { executor: id, frame });
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(executor = id.0, %error, "the pipe of an executor broke");
                return;
            }
        }
    }
}

/// An executor's process, however it was made.
enum Body {
    Started(Child),
    Forked(Forked),
}

impl Body {
    fn start(options: &NodeOptions, stdin: OwnedFd, stderr: OwnedFd) -> io::Result<Body> {
        if let Some(nursery) = &options.nursery {
            match nursery.start(&stdin, &stderr) {
                Ok(forked) => return Ok(Body::Forked(forked)),
                Err(error) => tracing::warn!(%error, "an executor could not be forked, and is started anew"),
            }
        }
        let (program, arguments) = options
            .executor_command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command to start executors with"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("RASKAL_EXECUTOR_THREADS", options.executor_threads.to_string())
            .stdin(Stdio::from(stdin))
            .stderr(Stdio::from(stderr))
            .kill_on_drop(true);
        // The command, which ends here, holds our copies of the executor's ends: they must close when it dies.
        command.spawn().map(Body::Started)
    }

    fn pid(&self) -> u32 {
        match self {
            Body::Started(child) => child.id().unwrap_or_default(),
            Body::Forked(forked) => forked.pid,
        }
    }

    fn kill(&mut self) {
        match self {
            // One that has ended is as dead as it can be.
            Body::Started(child) => _ = child.start_kill(),
            Body::Forked(forked) => forked.kill(),
        }
    }

    async fn wait(&mut self) -> Option<ExitStatus> {
        match self {
            Body::Started(child) => child.wait().await.ok(),
            Body::Forked(forked) => forked.wait().await,
        }
    }
}

/// The status of a process whose pipe is closed; one that does not end by itself is killed.
async fn end(body: &mut Body) -> Option<ExitStatus> {
    match tokio::time::timeout(std::time::Duration::from_secs(2), body.wait()).await {
        Ok(status) => status,
        Err(_) => {
            body.kill();
            body.wait().await
        }
    }
}

async fn listen(stderr: impl AsyncRead + Unpin, last_words: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
        raskal_net::log_tail::note(&line);
        let mut words = last_words.lock();
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(line);
    }
}

/// How a process ended, for people.
pub(crate) fn describe(pid: u32, status: Option<ExitStatus>, words: &[String]) -> String {
    let how = match status {
        Some(status) => match (status.signal(), status.code()) {
            (Some(9), _) => {
                "was killed (signal 9, SIGKILL): by the system for want of memory, or by somebody".to_owned()
            }
            (Some(signal), _) => format!("died of signal {signal} ({})", signal_name(signal)),
            (None, Some(code)) => format!("ended with exit code {code}"),
            (None, None) => "ended".to_owned(),
        },
        None => "ended in an unknown way".to_owned(),
    };
    let mut text = format!("executor process {pid} {how}");
    if !words.is_empty() {
        text.push_str("; its last words:");
        words.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
    }
    text
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
