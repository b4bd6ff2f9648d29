//! The agent's own process: one thread a connection, and one thread with the keys.
//!
//! Connections read and write blocking, so a command that reads slowly holds up nobody; what they ask goes through a
//! channel to the thread that owns the device, since keys never leave it.

use std::{
    convert::Infallible,
    io::{self, Write as _},
    rc::Rc,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use etui_client::file_hint;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::LocalSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    caller::{Caller, Told},
    client::READY,
    frame::{self, FrameError},
    idle::IdleTimer,
    keeper::Keeper,
    lock::{FolderLock, LockError},
    platform::{self, Listener, Stream},
    protocol::{Reply, Request, Wanted},
};
use crate::{
    failure::{Failure, Kind},
    home::{HomeError, HomeFolder},
    secret::Secret,
};

/// How often the agent looks whether it is due to lock itself.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How long an agent that holds nothing waits: for its first question, and for a person to answer one of its own.
const START_LIMIT: Duration = Duration::from_mins(5);

/// The most entries that one commit can bring.
const MAX_STAGED: usize = 65_536;

/// Why the agent cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The folder has no place for a socket.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another agent is there.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Leaving the terminal or opening the folder did not work.
    #[error("starting the agent: opening its folder")]
    Folder(#[source] io::Error),
    /// The socket cannot be made.
    #[error("starting the agent: listening on its socket")]
    Listen(#[source] io::Error),
    /// The runtime cannot be made.
    #[error("starting the agent")]
    Runtime(#[source] io::Error),
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Home(error) => error.into(),
            ServeError::Lock(LockError::Io(ref source))
            | ServeError::Folder(ref source)
            | ServeError::Listen(ref source) => {
                Self::of(Kind::Failed, &error).with_hint(file_hint(source).unwrap_or("run `etui doctor`"))
            }
            ServeError::Lock(LockError::Held) | ServeError::Runtime(_) => {
                Self::of(Kind::Failed, &error).with_hint("run `etui doctor`")
            }
        }
    }
}

/// Serves until it is locked. Prints one line: that it listens, or why it cannot.
pub(crate) fn run(home: &HomeFolder, idle_minutes: u32) -> Result<(), ServeError> {
    platform::detach().map_err(ServeError::Folder)?;
    platform::make_private_folder(home.path()).map_err(ServeError::Folder)?;
    let lock = FolderLock::take(&home.lock_path())?;
    let socket = home.socket_path()?;
    let listener = platform::listen(&socket).map_err(ServeError::Listen)?;
    say_ready().map_err(ServeError::Listen)?;
    let waiting = serve_until_locked(home, listener, idle_minutes);
    let _ = std::fs::remove_file(&socket);
    drop(lock);
    waiting.map(drop)
}

/// Whoever asked for the agent to be locked. Its connection ends when this is dropped, and with that it learns that
/// the folder is free for the next agent.
type Waiting = Option<Caller>;

/// Serves one listener. Everything is closed when it returns.
fn serve_until_locked(
    home: &HomeFolder,
    listener: Listener,
    idle_minutes: u32,
) -> Result<Waiting, ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let (asked, calls) = unbounded_channel();
    let gone = asked.clone();
    thread::spawn(move || accept(&listener, &asked));
    let local = LocalSet::new();
    let keeper = Rc::new(Keeper::new(home));
    let idle = Rc::new(IdleTimer::new(idle_minutes, platform::time_since_boot()));
    let waiting = local.block_on(&runtime, serve(calls, &gone, &keeper, &idle));
    // Answers that are still being made hold on to the keys too.
    drop(local);
    Ok(waiting)
}

fn say_ready() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{READY}")?;
    stdout.flush()?;
    platform::close_stdout()
}

/// What a connection hands to the thread with the keys.
enum Call {
    Ask { request: Box<Request>, caller: Caller },
    Closed,
}

fn accept(listener: &Listener, calls: &UnboundedSender<Call>) {
    for stream in listener.incoming().flatten() {
        // A stranger learns nothing, not even why.
        if platform::is_own_peer(&stream).unwrap_or(false) {
            let calls = calls.clone();
            thread::spawn(move || converse(stream, &calls));
        }
    }
}

/// One connection, until either side has enough.
fn converse(mut stream: Stream, calls: &UnboundedSender<Call>) {
    let mut staged = Vec::new();
    loop {
        let answered = match frame::read(&mut stream) {
            Ok(Some(request)) => answer(&mut stream, request, &mut staged, calls),
            Err(FrameError::NotUnderstood | FrameError::TooLong { .. }) => {
                let _ = frame::write(&mut stream, &Reply::Failed(not_understood()));
                break;
            }
            Ok(None) | Err(FrameError::Connection(_)) => break,
        };
        if !answered {
            break;
        }
    }
    let _ = calls.send(Call::Closed);
}

/// Whether there was an answer and it was delivered.
fn answer(
    stream: &mut Stream,
    request: Request,
    staged: &mut Vec<Secret>,
    calls: &UnboundedSender<Call>,
) -> bool {
    let request = match request {
        Request::Stage { entries } if staged.len() + entries.len() <= MAX_STAGED => {
            staged.extend(entries);
            return frame::write(stream, &Reply::Done).is_ok();
        }
        Request::Stage { .. } => {
            return frame::write(stream, &Reply::Failed(too_many())).is_ok();
        }
        Request::Add { entries } => {
            staged.extend(entries);
            Request::Add { entries: std::mem::take(staged) }
        }
        other => other,
    };
    let (sender, told) = channel();
    let (request, caller) = (Box::new(request), Caller::over(sender));
    calls.send(Call::Ask { request, caller }).is_ok() && deliver(stream, &told)
}

fn deliver(stream: &mut Stream, told: &Receiver<Told>) -> bool {
    for told in told {
        let is_last = match told {
            Told::Reply(reply) => {
                let is_last = !matches!(reply, Reply::Progress { .. });
                frame::write(stream, &reply).map(|()| is_last)
            }
            Told::Guided { reply, waits } => guide(stream, &reply, waits).map(|()| false),
            Told::Wanted { wanted, answered } => put(stream, wanted, answered).map(|()| false),
        };
        match is_last {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
    // The agent ended without an answer.
    false
}

/// Sends the other end to a page, and keeps `waits` for as long as it is there.
fn guide(stream: &mut Stream, reply: &Reply, waits: oneshot::Sender<Infallible>) -> Result<(), FrameError> {
    frame::write(stream, reply)?;
    let stream = stream.try_clone().map_err(FrameError::Connection)?;
    thread::spawn(move || {
        // It has nothing to say: whatever comes first, a question's answer or its end, comes when waiting is over.
        let _ = platform::wait_for_anything(&stream);
        drop(waits);
    });
    Ok(())
}

/// Puts a question to the other end, and passes its answer on, if it has one.
fn put(stream: &mut Stream, wanted: Wanted, answered: oneshot::Sender<Secret>) -> Result<(), FrameError> {
    frame::write(stream, &Reply::Wants(wanted))?;
    match frame::read(stream)? {
        Some(Request::Answer(Some(answer))) => drop(answered.send(answer)),
        Some(Request::Answer(None)) => {}
        _ => return Err(FrameError::NotUnderstood),
    }
    Ok(())
}

/// Answers calls until the agent is locked, out of use for too long, or left without anything to keep.
async fn serve(
    mut calls: UnboundedReceiver<Call>,
    gone: &UnboundedSender<Call>,
    keeper: &Rc<Keeper>,
    idle: &Rc<IdleTimer>,
) -> Waiting {
    let started = platform::time_since_boot();
    let mut check = interval(CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let call = tokio::select! {
            call = calls.recv() => call,
            _ = check.tick() => None,
        };
        // Asked before every answer too: after a long sleep of the machine a command may come before the next check.
        let now = platform::time_since_boot();
        if idle.remaining(now).is_zero()
            || (keeper.holds_nothing() && now.saturating_sub(started) > START_LIMIT)
        {
            return None;
        }
        match call {
            Some(Call::Ask { request, caller }) if matches!(*request, Request::Lock) => {
                return Some(caller);
            }
            Some(Call::Closed) if keeper.holds_nothing() => return None,
            Some(Call::Ask { request, caller }) => dispatch(*request, caller, gone, keeper, idle),
            Some(Call::Closed) | None => {}
        }
    }
}

/// Answers one request beside the others: a sync that waits for the network holds up no `get`.
fn dispatch(
    request: Request,
    caller: Caller,
    gone: &UnboundedSender<Call>,
    keeper: &Rc<Keeper>,
    idle: &Rc<IdleTimer>,
) {
    let now = platform::time_since_boot();
    if !matches!(request, Request::Status | Request::DeviceNews) {
        idle.touch(now);
    }
    if let Request::StayUnlocked { minutes } = request {
        idle.set_minutes(minutes);
        caller.tell(Reply::Done);
        return;
    }
    let (gone, keeper, idle) = (gone.clone(), Rc::clone(keeper), Rc::clone(idle));
    tokio::task::spawn_local(async move {
        let locks_in_s = idle.remaining(now).as_secs();
        let reply = keeper.answer(request, locks_in_s, &caller).await.unwrap_or_else(Reply::Failed);
        // Whoever asked went away while this kept the agent from ending.
        if !caller.tell(reply) {
            let _ = gone.send(Call::Closed);
        }
    });
}

fn not_understood() -> Failure {
    Failure::new(Kind::Failed, "the agent was started by another version of etui")
        .with_hint("run `etui lock`, then `etui unlock`")
}

fn too_many() -> Failure {
    Failure::new(Kind::Failed, format!("adding entries: more than {MAX_STAGED} at once"))
        .with_hint("import the file in parts")
}

#[cfg(test)]
mod tests;
