//! The command's end of the socket: blocking, without any runtime, so that a command starts at once.

use std::{
    io::{self, BufRead as _, BufReader},
    process::ChildStdout,
};

use etui_client::{ClientError, DeviceFile, Home, file_hint};

use super::{
    convert,
    frame::{self, FrameError},
    platform::{self, Stream},
    protocol::{Reply, Request},
};
use crate::{
    asking,
    failure::{Failure, Kind},
    home::{HomeError, HomeFolder},
    visit,
};

/// What an agent prints when it listens.
pub(super) const READY: &str = "ready";

/// A connection to the agent of one folder.
pub(crate) struct Agent {
    stream: Stream,
}

/// Why the agent did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// There is no agent, that is, no keys are in memory.
    #[error("this device is locked")]
    Locked,
    /// There is no agent, and no device that it could open.
    #[error(transparent)]
    NoDevice(#[from] ClientError),
    /// There is no place for its socket.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its socket cannot be used.
    #[error("connecting to the agent")]
    Connect(#[source] io::Error),
    /// It cannot be started.
    #[error("starting the agent")]
    Start(#[source] io::Error),
    /// It was started and said why it cannot serve.
    #[error("{}", .0.message)]
    Unwilling(Failure),
    /// The talk broke off.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It ended instead of answering: somebody has locked it.
    #[error("the agent was locked before it answered")]
    Ended,
    /// It answered something else: it was started by another version.
    #[error("the agent was started by another version of etui")]
    OtherVersion,
    /// It answered that it did not work.
    #[error("{}", .0.message)]
    Failed(Failure),
}

/// Connects to the agent of a folder; none if it is locked.
pub(crate) fn connect(home: &HomeFolder) -> Result<Option<Agent>, AgentError> {
    let stream = platform::connect(&home.socket_path()?).map_err(AgentError::Connect)?;
    Ok(stream.map(|stream| Agent { stream }))
}

/// Connects to the agent, which must be there.
pub(crate) fn require(home: &HomeFolder) -> Result<Agent, AgentError> {
    match connect(home)? {
        Some(agent) => Ok(agent),
        None => Err(require_device(home).map_or_else(AgentError::NoDevice, |_| AgentError::Locked)),
    }
}

/// What the folder says of itself, which must be that it is a device.
pub(crate) fn require_device(home: &HomeFolder) -> Result<DeviceFile, ClientError> {
    let home = Home::at(home.path().to_owned());
    home.device()?.ok_or_else(|| ClientError::NoDevice(home.path().to_owned()))
}

/// Starts an agent and connects to it. It holds nothing yet, and ends if the first connection leaves it so.
pub(crate) fn start(home: &HomeFolder, idle_minutes: u32) -> Result<Agent, AgentError> {
    platform::make_private_folder(home.path()).map_err(AgentError::Start)?;
    let mut command = platform::agent_command(home.path()).map_err(AgentError::Start)?;
    command.arg("--idle-minutes").arg(idle_minutes.to_string());
    let mut child = command.spawn().map_err(AgentError::Start)?;
    match child.stdout.take().map(first_line).transpose().map_err(AgentError::Start)? {
        Some(line) if line == READY => connect(home)?.ok_or(AgentError::Locked),
        Some(line) => Err(serde_json::from_str(&line)
            .map_or_else(|_| AgentError::Start(io::ErrorKind::UnexpectedEof.into()), AgentError::Unwilling)),
        None => Err(AgentError::Start(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// The line by which an agent says that it cannot serve, and why.
pub(crate) fn unwilling(failure: &Failure) -> String {
    serde_json::to_string(failure).expect("a failure is plain")
}

impl Agent {
    #[cfg(test)]
    pub(super) fn over(stream: Stream) -> Self {
        Self { stream }
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, AgentError> {
        self.ask_with(request, |_, _| {})
    }

    /// Asks, and hears how far it is until the answer comes.
    pub(crate) fn ask_with(
        &mut self,
        request: &Request,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Reply, AgentError> {
        frame::write(&mut self.stream, request).map_err(ended)?;
        loop {
            match frame::read(&mut self.stream).map_err(ended)?.ok_or(AgentError::Ended)? {
                Reply::Progress { done, total } => progress(done, total),
                Reply::Visit { url, user_code, device_id } => {
                    visit::guide(&url, user_code.as_deref(), &device_id);
                }
                Reply::Wants(wanted) => {
                    let answer = Request::Answer(asking::answer(&wanted));
                    frame::write(&mut self.stream, &answer).map_err(ended)?;
                }
                Reply::Failed(failure) => return Err(AgentError::Failed(failure)),
                reply => return Ok(reply),
            }
        }
    }

    /// Asks for something that is simply done.
    pub(crate) fn tell(&mut self, request: &Request) -> Result<(), AgentError> {
        match self.ask(request)? {
            Reply::Done => Ok(()),
            _ => Err(AgentError::OtherVersion),
        }
    }

    /// Ends the agent and waits until it has let go of everything.
    pub(crate) fn lock(mut self) -> Result<(), AgentError> {
        match self.ask(&Request::Lock) {
            Err(AgentError::Ended) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(AgentError::OtherVersion),
        }
    }
}

fn first_line(output: ChildStdout) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn ended(error: FrameError) -> AgentError {
    if error.is_end() { AgentError::Ended } else { AgentError::Frame(error) }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let again = "run `etui lock`, then `etui unlock`";
        match error {
            AgentError::Locked | AgentError::Ended => {
                Self::of(Kind::Locked, &error).with_hint("run `etui unlock`")
            }
            AgentError::Failed(failure) | AgentError::Unwilling(failure) => failure,
            AgentError::NoDevice(error) => convert::failure(error),
            AgentError::Home(error) => error.into(),
            AgentError::OtherVersion | AgentError::Frame(_) => {
                Self::of(Kind::Failed, &error).with_hint(again)
            }
            AgentError::Connect(ref source) | AgentError::Start(ref source) => {
                Self::of(Kind::Failed, &error).with_hint(file_hint(source).unwrap_or("run `etui doctor`"))
            }
        }
    }
}
