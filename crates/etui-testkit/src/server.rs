//! A server process.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{backing::SETTINGS_FILE, disk::SmallDisk, process::program, wire::Route};

/// A running server, of one node or several; killed when dropped.
pub struct Server {
    nodes: Vec<Node>,
    address: SocketAddr,
    route: Route,
    #[cfg(feature = "services-tests")]
    _balancer: Option<etui_services::Haproxy>,
}

/// One process.
struct Node {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(stage: &Path, data: &Path, route: &Route, disk: Option<&SmallDisk>) -> Self {
        Self::over(Node::start(command(stage, data, disk)), route)
    }

    /// With more variables in its environment.
    pub(crate) fn start_with(
        stage: &Path,
        data: &Path,
        route: &Route,
        environment: &[(String, String)],
    ) -> Self {
        let mut command = command(stage, data, None);
        command.envs(environment.iter().cloned());
        Self::over(Node::start(command), route)
    }

    fn over(node: Node, route: &Route) -> Self {
        let address = node.address;
        route.lead_to(address);
        Self {
            nodes: vec![node],
            address,
            route: route.clone(),
            #[cfg(feature = "services-tests")]
            _balancer: None,
        }
    }

    /// Starts two nodes and what leads to both. The folder of the second holds nothing that the first needs.
    #[cfg(feature = "services-tests")]
    pub(crate) fn start_balanced(stage: &Path, data: &Path, route: &Route) -> Self {
        let folders = [data.to_owned(), data.with_extension("second")];
        let nodes = folders.map(|data| Node::start(command(stage, &data, None)));
        let [left, right] = [nodes[0].address, nodes[1].address];
        let balancer =
            etui_services::Haproxy::start(&[("left", left), ("right", right)]).expect("haproxy starts");
        let address = balancer.address();
        route.lead_to(address);
        Self { nodes: nodes.into(), address, route: route.clone(), _balancer: Some(balancer) }
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

    /// Its process, the first if there are several.
    pub fn process_id(&self) -> u32 {
        self.nodes[0].child.id()
    }

    /// Asks it to end, as an administrator does, and returns when it has.
    pub fn stop(mut self) {
        self.nodes.iter().for_each(Node::ask_to_stop);
        for node in &mut self.nodes {
            let status = node.child.wait().expect("it ends");
            assert!(status.success(), "the server ended with {status}");
        }
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
    }
}

impl Node {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("etui-server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let address = listening(&mut stdout);
        // What else it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { child, address }
    }

    fn ask_to_stop(&self) {
        let process = Pid::from_raw(self.child.id().cast_signed()).expect("a process has a number");
        kill_process(process, Signal::TERM).expect("it is asked to end");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
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
