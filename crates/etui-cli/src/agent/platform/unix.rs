//! Unix: sockets with an owner, private folders, processes that leave no core dump.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

/// A connection to or from an agent.
pub(crate) use std::os::unix::net::UnixStream as Stream;

/// The socket of an agent.
pub(crate) use std::os::unix::net::UnixListener as Listener;

/// The longest path that fits `sun_path` with its final zero (104 bytes on BSD and macOS, 108 on Linux).
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// No core dumps and, on Linux, no reading by other processes of the same user. As far as it goes: a system that
/// refuses is no reason to refuse service, and `doctor` says so.
///
/// Pages are not locked into memory: the usual limit is less than one key derivation needs, and with it reached every
/// allocation would fail. Swap has to be encrypted.
pub(crate) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Whether [`harden`] took effect.
pub(crate) fn is_hardened() -> bool {
    #[cfg(target_os = "linux")]
    let traceable =
        rustix::process::dumpable_behavior() != Ok(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(target_os = "linux"))]
    let traceable = false;
    getrlimit(Resource::Core).current == Some(0) && !traceable
}

/// How many columns standard output has, if it is a terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// What this machine is called.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Makes the folder if it is not there and closes it to everybody else.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::metadata(path)?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(Error::new(ErrorKind::PermissionDenied, "the folder belongs to another user"));
    }
    if is_open_to_others(&metadata) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether nobody but its owner, who is us, can look into the folder.
pub(crate) fn is_private_folder(path: &Path) -> Result<bool> {
    let metadata = fs::metadata(path)?;
    Ok(metadata.is_dir() && metadata.uid() == geteuid().as_raw() && !is_open_to_others(&metadata))
}

fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    let others = 0o077;
    metadata.mode() & others != 0
}

/// A new file that only its owner can read; refuses to replace one.
pub(crate) fn create_private_file(path: &Path) -> Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Listens on a socket that only its owner can use. The caller holds the folder's lock, so a socket that lies there
/// was left behind.
pub(crate) fn listen(path: &Path) -> Result<Listener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = Listener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the agent of a folder; none if there is none. A socket of another user is refused: passwords go there.
pub(crate) fn connect(path: &Path) -> Result<Option<Stream>> {
    match Stream::connect(path) {
        Ok(stream) if is_own_peer(&stream)? => Ok(Some(stream)),
        Ok(_) => Err(Error::new(ErrorKind::PermissionDenied, "the agent's socket belongs to another user")),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns when the other end has sent something, which is left where it is, or has gone away.
pub(crate) fn wait_for_anything(stream: &Stream) -> Result<()> {
    let peek = || rustix::net::recv(stream, &mut [0_u8; 1], rustix::net::RecvFlags::PEEK);
    Ok(rustix::io::retry_on_intr(peek).map(drop)?)
}

/// Whether the process at the other end runs as the same user, asked of the kernel.
#[cfg(target_os = "linux")]
pub(crate) fn is_own_peer(stream: &Stream) -> Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(is_same_user(peer.uid.as_raw(), geteuid().as_raw()))
}

/// Elsewhere the modes of the socket and its folder say who may connect.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_own_peer(_stream: &Stream) -> Result<bool> {
    Ok(true)
}

/// Not even root is let in: it has other ways, and none of them should look like an ordinary client.
#[cfg(target_os = "linux")]
const fn is_same_user(peer: u32, own: u32) -> bool {
    peer == own
}

/// How to start an agent: this program again, its first line of output being its answer.
pub(crate) fn agent_command(home: &Path) -> Result<Command> {
    let mut command = Command::new(this_program()?);
    command.arg("agent").env("ETUI_HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    Ok(command)
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
}

/// Leaves the terminal, the session and the current folder of whoever started this process.
pub(crate) fn detach() -> Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Fails only for the leader of a process group, that is when a person started the agent by hand.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/")
}

/// Turns standard output to nowhere, so that whoever waits for its end gets it.
pub(crate) fn close_stdout() -> Result<()> {
    let nowhere = fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

/// Time since the machine was started, the time it slept included: keys must not outlive a lid that was shut.
pub(crate) fn time_since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn folder_socket_and_files_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a/b");
        make_private_folder(&home).unwrap();
        assert_eq!(mode(&home), 0o700);
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!is_private_folder(&home).unwrap());
        make_private_folder(&home).unwrap();
        assert!(is_private_folder(&home).unwrap());

        let socket = home.join("agent.sock");
        drop(listen(&socket).unwrap());
        let _listener = listen(&socket).expect("a socket left behind is replaced");
        assert_eq!(mode(&socket), 0o600);

        let file = home.join("kit.html");
        create_private_file(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(create_private_file(&file).is_err(), "a file that is there is not replaced");
    }

    #[test]
    fn no_agent_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent.sock");
        assert!(connect(&socket).unwrap().is_none(), "no socket");
        drop(listen(&socket).unwrap());
        assert!(connect(&socket).unwrap().is_none(), "a socket left behind");
    }

    #[test]
    fn what_comes_is_waited_for_and_left_where_it_is() {
        let (mut one, mut other) = Stream::pair().unwrap();
        let waiting = other.try_clone().unwrap();
        let waiting = std::thread::spawn(move || wait_for_anything(&waiting));
        one.write_all(b"!").unwrap();
        waiting.join().unwrap().unwrap();
        let mut byte = [0];
        other.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"!");
        drop(one);
        wait_for_anything(&other).unwrap();
        assert_eq!(other.read(&mut byte).unwrap(), 0, "its end is there too");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_same_user_is_let_in() {
        let (one, _other) = Stream::pair().unwrap();
        assert!(is_own_peer(&one).unwrap());
        assert!(is_same_user(1000, 1000));
        assert!(!is_same_user(1001, 1000));
        assert!(!is_same_user(0, 1000), "not even root");
    }

    #[test]
    fn processes_leave_no_core_dump() {
        harden();
        assert!(is_hardened());
    }

    #[test]
    fn time_since_boot_goes_on() {
        let earlier = time_since_boot();
        assert!(earlier > Duration::ZERO && time_since_boot() >= earlier);
    }
}
