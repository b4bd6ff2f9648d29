//! An agent on a socket of its own, without a device.

use std::{io::Write as _, path::PathBuf, thread::JoinHandle};

use tempfile::TempDir;

use super::*;
use crate::agent::{Agent, AgentError, idle::DEFAULT_MINUTES};

struct Running {
    _folder: TempDir,
    socket: PathBuf,
    thread: JoinHandle<()>,
}

fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let home = HomeFolder::at(folder.path());
    let socket = folder.path().join("agent.sock");
    let listener = platform::listen(&socket).unwrap();
    let thread = thread::spawn(move || drop(serve_until_locked(&home, listener, DEFAULT_MINUTES)));
    Running { _folder: folder, socket, thread }
}

impl Running {
    fn connect(&self) -> Stream {
        platform::connect(&self.socket).unwrap().expect("it listens")
    }
}

#[test]
fn without_a_device_every_question_is_answered_with_locked() {
    let agent = start();
    let mut client = Agent::over(agent.connect());
    for request in [Request::Status, Request::Sync, Request::Get { entry: "GitHub".to_owned() }] {
        let error = client.ask(&request).unwrap_err();
        let AgentError::Failed(failure) = &error else { panic!("{error:?}") };
        assert_eq!((failure.kind, failure.hint.as_deref()), (Kind::Locked, Some("run `etui unlock`")));
    }
}

#[test]
fn lock_is_answered_by_the_end() {
    let agent = start();
    Agent::over(agent.connect()).lock().unwrap();
    agent.thread.join().unwrap();
}

#[test]
fn an_agent_that_got_nothing_ends_with_its_first_connection() {
    let agent = start();
    let mut client = Agent::over(agent.connect());
    client.tell(&Request::StayUnlocked { minutes: 60 }).unwrap();
    drop(client);
    agent.thread.join().unwrap();
}

#[test]
fn what_is_not_understood_is_answered_and_the_connection_closed() {
    let agent = start();
    // Kept open, so that the agent lives on.
    let mut bystander = Agent::over(agent.connect());
    bystander.tell(&Request::StayUnlocked { minutes: 60 }).unwrap();
    for nonsense in [&b"\0\0\0\x02{}"[..], b"\xff\xff\xff\xff", b"\0\0\0\x07\"dance\""] {
        let mut stream = agent.connect();
        stream.write_all(nonsense).unwrap();
        let reply = frame::read::<Reply>(&mut stream).unwrap();
        assert!(matches!(reply, Some(Reply::Failed(Failure { kind: Kind::Failed, .. }))), "{nonsense:?}");
        assert!(frame::read::<Reply>(&mut stream).unwrap().is_none(), "{nonsense:?}");
    }
}

#[test]
fn staged_entries_are_bounded() {
    let agent = start();
    let mut client = Agent::over(agent.connect());
    let entries = || std::iter::repeat_with(|| Secret::new("{}")).take(MAX_STAGED / 2 + 1).collect();
    client.tell(&Request::Stage { entries: entries() }).unwrap();
    let error = client.tell(&Request::Stage { entries: entries() }).unwrap_err();
    assert!(matches!(error, AgentError::Failed(Failure { kind: Kind::Failed, .. })));
}
