//! One executor process of the local engine: its start, what is said to it and heard of it, and its end.
//!
//! Start at [`Process::start`]. One thread owns it and blocks on its pipe, for a while at most. Writing never waits for
//! long: the other end reads its pipe whatever it does.

use crate::node::executor::NO_TASK;
use crate::node::pipe::Frame;
use crate::node::process::{LAST_WORDS, describe};
use parking_lot::Mutex;
use raskal_proto::{FromExecutor, ToExecutor};
use raskal_store::{Frames, Lender, Slate};
use raskal_types::TaskId;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a process whose pipe is closed may take to end by itself.
const END: Duration = Duration::from_secs(2);
/// How long to wait for the last words of one that has ended: a child of its own may hold the standard error open.
const LAST_WORDS_TIME: Duration = Duration::from_millis(200);

/// What is heard of a process.
pub(super) enum Heard {
    /// Nothing, for as long as was waited.
    Nothing,
    /// Messages, in order.
    Messages(Vec<FromExecutor>),
    /// The value of a task whose answer follows.
    Value(TaskId, Frames),
}

/// A running executor. Dropping it kills the process.
pub(super) struct Process {
    child: Child,
    pipe: UnixStream,
    answers: BufReader<UnixStream>,
    outbox: Vec<ToExecutor>,
    lender: Lender,
    slate: Option<Slate>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    silent: Receiver<()>,
}

impl Process {
    pub(super) fn start(command: &[OsString]) -> io::Result<Process> {
        let (ours, theirs) = UnixStream::pair()?;
        let no_command = || io::Error::new(io::ErrorKind::InvalidInput, "no command to start executors with");
        let (program, arguments) = command.split_first().ok_or_else(no_command)?;
        // Without one (another system than Linux) no task is blamed when the process dies.
        let slate = Slate::create(NO_TASK).ok();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::from(OwnedFd::from(theirs))).stderr(Stdio::piped());
        // An interrupt typed at the terminal is for this process, which decides what becomes of the others.
        command.process_group(0);
        if let Some(slate) = &slate {
            command.env("RASKAL_EXECUTOR_SLATE", slate.path());
        }
        let mut child = command.spawn()?;
        // The command holds our copy of its end of the pipe, which must close when the process dies.
        drop(command);
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let (done, silent) = channel();
        if let Some(stderr) = child.stderr.take() {
            let words = last_words.clone();
            std::thread::Builder::new().name("raskal-stderr".into()).spawn(move || {
                listen(stderr, &words);
                // Nobody may wait for it.
                let _ = done.send(());
            })?;
        }
        let answers = BufReader::with_capacity(1 << 16, ours.try_clone()?);
        let lender = Lender::new(child.id());
        Ok(Process { child, pipe: ours, answers, outbox: Vec::new(), lender, slate, last_words, silent })
    }

    /// Notes what is to be said next.
    pub(super) fn say(&mut self, message: ToExecutor) {
        self.outbox.push(message);
    }

    /// Says what was noted.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        Frame::Messages(std::mem::take(&mut self.outbox)).write(&mut self.pipe)
    }

    /// Gives it a value, behind what was said before.
    pub(super) fn give(&mut self, task: TaskId, frames: Frames) -> io::Result<()> {
        self.flush()?;
        Frame::<ToExecutor>::value(task, frames, &self.lender).write(&mut self.pipe)
    }

    /// What it says next, within `wait`.
    pub(super) fn hear(&mut self, wait: Duration) -> io::Result<Heard> {
        if self.answers.buffer().is_empty() && !is_readable(&self.pipe, wait)? {
            return Ok(Heard::Nothing);
        }
        match Frame::read(&mut self.answers)? {
            Some(Frame::Messages(messages)) => {
                for message in &messages {
                    if let FromExecutor::Taken { loan } = message {
                        self.lender.taken(*loan);
                    }
                }
                Ok(Heard::Messages(messages))
            }
            Some(Frame::Value(task, frames)) => Ok(Heard::Value(task, frames)),
            Some(Frame::Lent(task, loan)) => {
                let id = loan.id;
                let frames = loan.take()?;
                self.say(ToExecutor::Taken { loan: id });
                self.flush()?;
                Ok(Heard::Value(task, frames))
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The number of the task that it runs, or ran when it died; `None` if that is not known.
    pub(super) fn running(&self) -> Option<u64> {
        self.slate.as_ref().map(Slate::read).filter(|&number| number != NO_TASK)
    }

    /// Ends it, by itself if it is dying, and tells how it ended.
    pub(super) fn end(mut self) -> String {
        let status = self.wait();
        // What it wrote before it died.
        let _ = self.silent.recv_timeout(LAST_WORDS_TIME);
        let words: Vec<String> = self.last_words.lock().iter().cloned().collect();
        describe(self.child.id(), status, &words)
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        // A process that lives ends when it finds its pipe closed; a dead one is only to be asked.
        let _ = self.pipe.shutdown(std::net::Shutdown::Both);
        let begun = Instant::now();
        let mut pause = Duration::from_micros(50);
        while begun.elapsed() < END {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(pause),
                Err(_) => return None,
            }
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stderr: ChildStderr, last_words: &Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
        line.clear();
        eprintln!("{text}");
        let mut words = last_words.lock();
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(text);
    }
}

/// Whether there is something to read (the end included), within `wait`.
fn is_readable(pipe: &UnixStream, wait: Duration) -> io::Result<bool> {
    let mut asked = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    #[expect(unsafe_code)]
    // SAFETY: one struct is passed, which lives for the call.
    let count = unsafe { libc::poll(&mut asked, 1, wait) };
    match count {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}
