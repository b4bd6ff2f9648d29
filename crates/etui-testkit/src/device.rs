//! A device: a home folder, its agent, and its way to the server.

use std::{
    io::{ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    EMAIL, Keyring, Wire,
    disk::SmallDisk,
    process::{Process, program},
    wire::Route,
};

/// One device: a home folder and its agent.
pub struct Device {
    home: PathBuf,
    stage: PathBuf,
    wire: Wire,
    server_url: String,
    disk: Option<Arc<SmallDisk>>,
    session_bus: String,
}

impl Device {
    /// On a machine without a keyring.
    pub(crate) fn new(stage: &Path, home: PathBuf, route: &Route, disk: Option<Arc<SmallDisk>>) -> Self {
        let wire = Wire::to(route.clone());
        let server_url = wire.url();
        // The keyring of whoever runs the tests is none of theirs.
        let session_bus = format!("unix:path={}", stage.join("no-bus").display());
        Self { home, stage: stage.to_owned(), wire, server_url, disk, session_bus }
    }

    /// In the session of a keyring.
    pub(crate) fn in_session(mut self, keyring: &Keyring) -> Self {
        keyring.address().clone_into(&mut self.session_bus);
        self
    }

    /// Its home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its way to the server.
    pub const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// A command on this device, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = program("etui");
        let mut command =
            self.disk.as_ref().map_or_else(|| Command::new(&program), |disk| disk.command(&program));
        self.set_up(&mut command);
        command.stdin(Stdio::null()).args(arguments);
        command
    }

    fn set_up(&self, command: &mut Command) {
        command.env("ETUI_HOME", &self.home).env("TMPDIR", self.stage.join("tmp"));
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.session_bus).current_dir(&self.stage);
    }

    /// Runs a command, whatever it answers.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("etui runs")
    }

    /// Runs a command that must succeed; what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etui {arguments:?}: {} {errors}", output.status);
        String::from_utf8(output.stdout).expect("etui prints text")
    }

    /// Runs a command that must end with this exit code; what it said on the error stream.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "etui {arguments:?}: {errors}");
        errors
    }

    /// Runs a command that must succeed on a terminal of its own, where a person types these lines; what is seen there.
    pub fn on_terminal(&self, command: &str, lines: &[&str]) -> String {
        let (succeeded, seen) = self.seen_on_terminal(command, lines);
        assert!(succeeded, "etui {command}: {seen}");
        seen
    }

    /// The same with a command that must fail.
    pub fn fails_on_terminal(&self, command: &str, lines: &[&str]) -> String {
        let (succeeded, seen) = self.seen_on_terminal(command, lines);
        assert!(!succeeded, "etui {command}: {seen}");
        seen
    }

    fn seen_on_terminal(&self, command: &str, lines: &[&str]) -> (bool, String) {
        let mut terminal = self.sit_down(command);
        for line in lines {
            terminal.type_line(line);
        }
        terminal.end()
    }

    /// Starts a command on a terminal of its own, where a person types what it asks for when they have it.
    pub fn sit_down(&self, command: &str) -> Terminal {
        let mut terminal = Command::new("script");
        self.set_up(&mut terminal);
        let line = format!("'{}' {command}", program("etui").display());
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut terminal = terminal.expect("script runs (package bsdutils)");
        let keyboard = terminal.stdin.take().expect("piped");
        Terminal { terminal, keyboard }
    }

    /// Runs a command with `--json` that must end with this exit code; the `error` that it said.
    pub fn failure(&self, code: i32, arguments: &[&str]) -> Value {
        let said = self.fails(code, &[arguments, &["--json"]].concat());
        let document: Value = serde_json::from_str(&said).expect("a failure is JSON");
        document["error"].clone()
    }

    /// Runs a command with `--json` that must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).expect("etui prints JSON")
    }

    /// Signs up.
    pub fn sign_up(&self) {
        self.ok(&self.credentials("signup"));
    }

    /// Signs in.
    pub fn log_in(&self) {
        self.ok(&self.credentials("login"));
    }

    /// Signs in again, after another device has changed how the account is opened and so has signed this one out.
    pub fn log_in_again(&self) {
        let said = self.fails(1, &["sync"]);
        assert!(
            said.contains("this device is signed out") && said.contains("run `etui login` again"),
            "{said}"
        );
        self.log_in();
    }

    /// The arguments of `signup` or `login`.
    pub fn credentials<'a>(&'a self, verb: &'a str) -> [&'a str; 9] {
        let files = ["--login-password-file", "login", "--master-password-file", "master"];
        [verb, "--server", &self.server_url, "--email", EMAIL, files[0], files[1], files[2], files[3]]
    }

    /// Unlocks.
    pub fn unlock(&self) {
        self.ok(&["unlock", "--master-password-file", "master"]);
    }

    /// Changes the master password from what one file holds to what another does.
    pub fn change_master_password(&self, old: &str, new: &str) {
        self.ok(&Self::change_of_master_password(old, new));
    }

    /// The arguments of `change-master-password`.
    pub const fn change_of_master_password<'a>(old: &'a str, new: &'a str) -> [&'a str; 7] {
        let verb = "change-master-password";
        [verb, "--old-password-file", old, "--new-password-file", new, "--login-password-file", "login"]
    }

    /// Adds a login; its id.
    pub fn add(&self, title: &str, username: &str, password: &str) -> String {
        let output = self.start_to_add(title, username, password).wait_with_output().expect("etui ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "adding {title}: {} {errors}", output.status);
        let added: Value = serde_json::from_slice(&output.stdout).expect("etui prints JSON");
        added["id"].as_str().expect("an id").to_owned()
    }

    /// Starts to add a login.
    pub fn start_to_add(&self, title: &str, username: &str, password: &str) -> Child {
        let url = "https://canary-host.example/";
        let login = ["add", "login", "--title", title, "--username", username, "--url", url];
        self.start_with(&[&login[..], &["--password-file", "-", "--json"]].concat(), password)
    }

    /// Starts a command and gives it something to read on standard input.
    pub fn start_with(&self, arguments: &[&str], input: &str) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("etui starts");
        let mut stdin = child.stdin.take().expect("piped");
        match stdin.write_all(input.as_bytes()) {
            // It may have failed before it came to reading.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("writing to etui: {error}"),
            _ => child,
        }
    }

    /// One field's value.
    pub fn field(&self, entry: &str, field: &str) -> String {
        self.ok(&["get", entry, "--field", field]).trim_end_matches('\n').to_owned()
    }

    /// Everything that a person can see on this device: all entries with all values and their history.
    pub fn contents(&self) -> Value {
        let shelves = [&["list"][..], &["list", "--trash"], &["list", "--archive"]];
        let lists: Vec<Value> = shelves.iter().map(|shelf| self.json(shelf)).collect();
        let ids = lists.iter().flat_map(|list| list.as_array().expect("a list")).map(|line| &line["id"]);
        let entry = |id: &Value| {
            let id = id.as_str().expect("an id");
            let history = self.json(&["history", id, "--reveal"]);
            serde_json::json!({ "entry": self.json(&["get", id, "--reveal"]), "history": history })
        };
        let entries: Vec<Value> = ids.map(entry).collect();
        serde_json::json!({ "lists": lists, "entries": entries })
    }

    /// How many changes have not reached the server.
    pub fn unsent(&self) -> u64 {
        self.json(&["status"])["unsent"].as_u64().expect("a number")
    }

    /// Locks, and returns when the agent's process has ended: it has locked a moment before.
    pub fn lock_for_good(&self) {
        let agent = self.agent();
        self.ok(&["lock"]);
        if let Some(agent) = agent {
            agent.wait();
        }
    }

    /// Kills the agent, if there is one, and returns when it is gone.
    pub fn kill_agent(&self) {
        if let Some(agent) = self.agent() {
            agent.kill();
        }
    }

    /// The process of the agent, if there is one.
    pub fn agent(&self) -> Option<Process> {
        let socket = self.home.join("agent.sock");
        let socket = self.disk.as_ref().map_or_else(|| socket.clone(), |disk| disk.outside(&socket));
        Process::at_other_end(&UnixStream::connect(socket).ok()?)
    }
}

/// A command on a terminal of its own.
pub struct Terminal {
    terminal: Child,
    keyboard: ChildStdin,
}

impl Terminal {
    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").expect("it is typed");
    }

    /// Closes the terminal's window.
    pub fn kill(mut self) {
        self.terminal.kill().and_then(|()| self.terminal.wait()).expect("it is closed");
    }

    /// Waits until the command ends: whether it succeeded, and what was seen.
    pub fn end(self) -> (bool, String) {
        let output = self.terminal.wait_with_output().expect("it ends");
        drop(self.keyboard);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.command(&["lock"]).output();
    }
}
