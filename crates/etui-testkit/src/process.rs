//! Finding programs, and ending processes that are not our children.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::sockopt::socket_peercred,
    process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// A program that was built with the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.ancestors().find(|folder| folder.join(name).is_file());
    folder.unwrap_or_else(|| panic!("{name} was not built with the tests")).join(name)
}

/// A process that is not our child.
pub struct Process(OwnedFd);

impl Process {
    /// The one at the other end of a socket, unless it has ended.
    pub(crate) fn at_other_end(socket: &UnixStream) -> Option<Self> {
        let peer = socket_peercred(socket).expect("the kernel knows the peer");
        match pidfd_open(peer.pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => None,
            process => Some(Self(process.expect("a handle of the process"))),
        }
    }

    /// Kills it and returns when it is gone.
    pub(crate) fn kill(&self) {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => self.wait(),
            Err(error) => panic!("killing a process: {error}"),
        }
    }

    /// Returns when it has ended, and with it all that it held.
    pub fn wait(&self) {
        let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
        while let Err(Errno::INTR) = poll(&mut ended, None) {}
    }
}
