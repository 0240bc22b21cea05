//! A terminal for the command: made inside the sandbox, so that it is one of its own /dev/pts, and
//! relayed outside.

use crate::failure::{Code, OrFail, Result};
use crate::sandbox::{Arrived, handled_signals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Carries the terminal's outer end from the sandbox to us.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .or_fail(Code::NotStarted, || "cannot make a socket pair".into())
}

/// Inside: makes a terminal, sends its outer end away, returns the inner one.
pub(crate) fn open_inside(channel: &OwnedFd) -> Result<OwnedFd> {
    let what = || "cannot make a terminal".to_string();
    let outer = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .or_fail(Code::NotStarted, what)?;
    rustix::pty::unlockpt(&outer).or_fail(Code::NotStarted, what)?;
    let inner = rustix::pty::ioctl_tiocgptpeer(
        &outer,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .or_fail(Code::NotStarted, what)?;
    if let Ok(size) = tcgetwinsize(std::io::stdin()) {
        let _ = tcsetwinsize(&inner, size);
    }
    send(channel, &outer).or_fail(Code::NotStarted, what)?;
    Ok(inner)
}

/// Sends a descriptor to the other end of a channel.
pub(crate) fn send(channel: &OwnedFd, fd: &OwnedFd) -> rustix::io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut buffer = SendAncillaryBuffer::new(&mut space);
    buffer.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(channel, &[IoSlice::new(b"t")], &mut buffer, SendFlags::empty()).map(drop)
}

/// Waits for a descriptor; `None` where the other end is closed without.
pub(crate) fn receive(channel: &OwnedFd) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut buffer = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        match recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut buffer, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
            Ok(_) => break,
        }
    }
    buffer.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// In the command's process: a session of its own with this as its terminal.
pub(crate) fn take(inner: &OwnedFd) -> Result<()> {
    let what = || "cannot give the command its terminal".to_string();
    rustix::process::setsid().or_fail(Code::NotStarted, what)?;
    rustix::process::ioctl_tiocsctty(inner).or_fail(Code::NotStarted, what)?;
    rustix::stdio::dup2_stdin(inner).or_fail(Code::NotStarted, what)?;
    rustix::stdio::dup2_stdout(inner).or_fail(Code::NotStarted, what)?;
    rustix::stdio::dup2_stderr(inner).or_fail(Code::NotStarted, what)
}

/// Outside: copies between our own terminal and the sandbox's, ours being raw meanwhile.
pub(crate) struct Relay {
    outer: OwnedFd,
    signals: OwnedFd,
    saved: Option<Termios>,
    input_open: Cell<bool>,
    output_open: Cell<bool>,
}

impl Relay {
    /// Waits for the outer end. `None` where the sandbox failed before.
    pub(crate) fn receive(channel: OwnedFd) -> Option<Relay> {
        let outer = receive(&channel)?;
        let set = handled_signals();
        // SAFETY: the set is initialised; the descriptor is new and ours.
        let signals = unsafe {
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return None;
            }
            OwnedFd::from_raw_fd(fd)
        };
        let stdin = std::io::stdin();
        let saved = if isatty(&stdin) { tcgetattr(&stdin).ok() } else { None };
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.make_raw();
            let _ = tcsetattr(&stdin, OptionalActions::Now, &raw);
        }
        Some(Relay { outer, signals, saved, input_open: Cell::new(true), output_open: Cell::new(true) })
    }

    /// Copies until a signal arrives.
    pub(crate) fn wait(&self) -> Option<Arrived> {
        loop {
            let stdin = std::io::stdin();
            let wanted = |on: bool| if on { PollFlags::IN } else { PollFlags::empty() };
            let mut fds = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::from_borrowed_fd(self.outer.as_fd(), wanted(self.output_open.get())),
                PollFd::from_borrowed_fd(stdin.as_fd(), wanted(self.input_open.get())),
            ];
            if !self.output_open.get() {
                // A hung-up terminal would wake us for ever.
                fds[1] = PollFd::new(&self.signals, PollFlags::empty());
            }
            if !self.input_open.get() {
                fds[2] = PollFd::new(&self.signals, PollFlags::empty());
            }
            if poll(&mut fds, None).is_err() {
                continue;
            }
            if !fds[1].revents().is_empty() && self.output_open.get() && !copy(&self.outer, std::io::stdout())
            {
                self.output_open.set(false);
            }
            if !fds[2].revents().is_empty() && self.input_open.get() && !copy(&stdin, &self.outer) {
                self.input_open.set(false);
                // End of input: the line discipline's end-of-file character.
                let _ = rustix::io::write(&self.outer, &[4]);
            }
            if !fds[0].revents().is_empty() {
                return self.signal();
            }
        }
    }

    fn signal(&self) -> Option<Arrived> {
        // SAFETY: the structure is plain data of the size the kernel writes.
        unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let size = size_of_val(&info);
            let n = libc::read(self.signals.as_raw_fd(), (&raw mut info).cast(), size);
            (n == size as isize)
                .then_some(Arrived { number: info.ssi_signo as i32, by_process: info.ssi_code <= 0 })
        }
    }

    /// Gives the command's terminal the size of ours.
    pub(crate) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(std::io::stdin()) {
            let _ = tcsetwinsize(&self.outer, size);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // What the command wrote last.
        while self.output_open.get() {
            let mut fds = [PollFd::new(&self.outer, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
            if !matches!(ready, Ok(1)) || !copy(&self.outer, std::io::stdout()) {
                break;
            }
        }
        if let Some(saved) = &self.saved {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, saved);
        }
    }
}

/// One piece from one to the other; false at the end.
fn copy(from: impl AsFd, to: impl AsFd) -> bool {
    let mut buffer = [0; 8192];
    let Ok(n @ 1..) = rustix::io::read(from, &mut buffer) else { return false };
    let mut rest = &buffer[..n];
    while !rest.is_empty() {
        match rustix::io::write(&to, rest) {
            Ok(done) => rest = &rest[done..],
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return false,
        }
    }
    true
}
