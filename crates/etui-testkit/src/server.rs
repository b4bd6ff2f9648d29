//! A server process.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{backing::SETTINGS_FILE, disk::SmallDisk, process::program, wire::Route};

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    route: Route,
}

impl Server {
    pub(crate) fn start(stage: &Path, data: &Path, route: &Route, disk: Option<&SmallDisk>) -> Self {
        let mut child =
            command(stage, data, disk).stdout(Stdio::piped()).spawn().expect("etui-server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let address = listening(&mut stdout);
        // What else it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        route.lead_to(address);
        Self { child, address, route: route.clone() }
    }

    /// Starts a server that must end with a failure; what it said.
    pub(crate) fn fails_to_start(stage: &Path, data: &Path, disk: &SmallDisk) -> String {
        let output =
            command(stage, data, Some(disk)).stderr(Stdio::piped()).output().expect("etui-server runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("a server says text")
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its port may be given to somebody else as soon as it is free.
        self.route.end(self.address);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that has not been started: `serve` on that data, on a port that is free, its log in the stage's folder.
fn command(stage: &Path, data: &Path, disk: Option<&SmallDisk>) -> Command {
    let log = fs::File::options().create(true).append(true).open(stage.join("server.log")).expect("a log");
    let program = program("etui-server");
    let mut command = disk.map_or_else(|| Command::new(&program), |disk| disk.command(&program));
    command.args(["serve", "--data"]).arg(data).args(["--listen", "127.0.0.1:0"]);
    let settings = stage.join(SETTINGS_FILE);
    if settings.is_file() {
        command.arg("--config").arg(settings);
    }
    command.env("TMPDIR", stage.join("tmp")).stderr(log);
    command
}

fn listening(stdout: &mut impl BufRead) -> SocketAddr {
    let mut said = String::new();
    loop {
        let read = stdout.read_line(&mut said).expect("what the server says");
        assert_ne!(read, 0, "the server ended without saying where it listens: {said}");
        let parenthesis = said.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        if let Some((address, _)) = parenthesis {
            return address.parse().expect("the server says its address");
        }
    }
}
