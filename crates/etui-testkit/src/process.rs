//! Finding programs, and ending processes that are not our children.

use std::{os::unix::net::UnixStream, path::PathBuf};

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

/// Kills the process at the other end of a socket and returns when it is gone.
pub(crate) fn kill_peer(socket: &UnixStream) {
    let peer = socket_peercred(socket).expect("the kernel knows the peer");
    let process = match pidfd_open(peer.pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return,
        process => process.expect("a handle of the process"),
    };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("killing a process: {error}"),
    }
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    while let Err(Errno::INTR) = poll(&mut ended, None) {}
}
