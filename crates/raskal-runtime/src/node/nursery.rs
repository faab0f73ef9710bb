//! The process that forks executors for a node (`python/raskal/_nursery.py`): faster than starting a Python each time.
//!
//! Start at [`Nursery::start`]. It is asked over a socket, with the descriptors that the executor is to have; how the
//! executor ended is told on a pipe of its own. A node without one starts executors by a command.

use std::io::{self, Read, Write};
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// How long a fork may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it is asked for; the descriptors come in this order.
const REQUEST: &[u8] = br#"{"main": "raskal.executor:main", "arguments": [], "fds": ["stdin", "stderr", "status"]}"#;

/// The way to ask.
#[derive(Debug)]
pub struct Nursery {
    socket: UnixStream,
}

/// A process that was forked.
pub(crate) struct Forked {
    pub(crate) pid: u32,
    status: pipe::Receiver,
}

impl Nursery {
    /// Asks over this socket.
    ///
    /// # Errors
    /// If it is no socket.
    pub fn new(socket: OwnedFd) -> io::Result<Nursery> {
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Nursery { socket })
    }

    /// Forks an executor with this standard input and error. Takes some milliseconds, in which the caller waits.
    pub(crate) fn start(&self, stdin: &OwnedFd, stderr: &OwnedFd) -> io::Result<Forked> {
        let (told, tells) = io::pipe()?;
        let tells = OwnedFd::from(tells);
        let length = (REQUEST.len() as u32).to_le_bytes();
        send_with(&self.socket, &length, &[stdin.as_raw_fd(), stderr.as_raw_fd(), tells.as_raw_fd()])?;
        (&self.socket).write_all(REQUEST)?;
        let mut answer = [0; 4];
        (&self.socket).read_exact(&mut answer)?;
        match i32::from_le_bytes(answer) {
            pid @ 1.. => {
                let status = pipe::Receiver::from_owned_fd(OwnedFd::from(told))?;
                Ok(Forked { pid: pid.unsigned_abs(), status })
            }
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }
}

impl Forked {
    /// Waits for its end, and lets it go.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        let status = self.status.read_i32_le().await.ok()?;
        Some(ExitStatus::from_raw(status))
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        #[expect(unsafe_code)]
        // SAFETY: sends a signal. The number is still this process's: it is let go only when the pipe of its status closes.
        unsafe {
            libc::kill(self.pid as libc::pid_t, libc::SIGKILL);
        }
    }
}

/// Sends bytes with copies of descriptors.
fn send_with(socket: &UnixStream, bytes: &[u8], fds: &[RawFd; 3]) -> io::Result<()> {
    const SPACE: usize = 64;
    #[repr(align(8))]
    struct Control([u8; SPACE]);
    let mut control = Control([0; SPACE]);
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let length = size_of::<[RawFd; 3]>() as u32;
    #[expect(unsafe_code)]
    // SAFETY: the message's parts live through the call; the control buffer is aligned, zeroed and has room for one header
    // with three descriptors (checked), which is all that is written to it.
    let sent = unsafe {
        let space = libc::CMSG_SPACE(length) as usize;
        assert!(space <= SPACE, "{space} bytes of control do not fit");
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = space as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(length) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr(), libc::CMSG_DATA(header).cast(), fds.len());
        libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
