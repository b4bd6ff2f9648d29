//! For tests only: a real server and real devices, each a process of its own, in temporary folders.
//!
//! The programs are those that the same build made (`target/…/etui-server`, `target/…/etui`).

mod keyring;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

pub use keyring::{Keyring, KeyringItem};

/// The login password of every account made here.
pub const LOGIN_PASSWORD: &str = "canary-login-Vp3!kd";
/// The master password of every account made here.
pub const MASTER_PASSWORD: &str = "canary master quilt lantern orbit";
/// The e-mail address of every account made here.
pub const EMAIL: &str = "ada@example.org";

/// A folder for one story: a server's data, devices' homes, password files.
pub struct Stage {
    folder: TempDir,
    port: u16,
}

/// A running server; killed when dropped.
pub struct Server(Child);

/// One device: a home folder and its agent.
pub struct Device {
    home: PathBuf,
    stage: PathBuf,
    server_url: String,
    session_bus: String,
}

impl Stage {
    /// An empty stage with a port that was free a moment ago.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("login"), format!("{LOGIN_PASSWORD}\n")).expect("a file");
        fs::write(folder.path().join("master"), format!("{MASTER_PASSWORD}\n")).expect("a file");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|probe| probe.local_addr())
            .expect("a free port")
            .port();
        Self { folder, port }
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts the server on this stage's data and port and waits until it listens.
    pub fn serve(&self) -> Server {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join("server.log"))
            .expect("a log");
        let mut child = Command::new(program("etui-server"))
            .args(["serve", "--data"])
            .arg(self.data())
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("etui-server starts");
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        while !said.contains("http://") {
            let read = stdout.read_line(&mut said).expect("what the server says");
            assert_ne!(read, 0, "the server ended without saying where it listens: {said}");
        }
        // What else it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Server(child)
    }

    /// A device with a home of that name, on a machine without a keyring.
    pub fn device(&self, name: &str) -> Device {
        Device {
            home: self.path().join(name),
            stage: self.path().to_owned(),
            server_url: format!("http://127.0.0.1:{}", self.port),
            // The keyring of whoever runs the tests is none of theirs.
            session_bus: format!("unix:path={}", self.path().join("no-bus").display()),
        }
    }

    /// A device with a home of that name, in the session of that keyring.
    pub fn device_with(&self, keyring: &Keyring, name: &str) -> Device {
        let mut device = self.device(name);
        keyring.address().clone_into(&mut device.session_bus);
        device
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Ends the process at once, as a power cut would.
    pub fn kill(mut self) {
        self.0.kill().expect("the server can be killed");
        self.0.wait().expect("the server ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Device {
    /// Its home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command on this device, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.environment(Command::new(program("etui")));
        command.stdin(Stdio::null()).args(arguments);
        command
    }

    fn environment(&self, mut command: Command) -> Command {
        command.env("ETUI_HOME", &self.home).env("DBUS_SESSION_BUS_ADDRESS", &self.session_bus);
        command.current_dir(&self.stage);
        command
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
        let mut terminal = self.environment(Command::new("script"));
        let line = format!("'{}' {command}", program("etui").display());
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut terminal = terminal
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs (package bsdutils)");
        let mut keyboard = terminal.stdin.take().expect("piped");
        for line in lines {
            writeln!(keyboard, "{line}").expect("it is typed");
        }
        let output = terminal.wait_with_output().expect("it ends");
        drop(keyboard);
        let seen = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "etui {command}: {seen}");
        seen
    }

    /// Runs a command with `--json` that must succeed.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
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
        let files =
            ["--old-password-file", old, "--new-password-file", new, "--login-password-file", "login"];
        self.ok(&[&["change-master-password"], &files[..]].concat());
    }

    /// Adds a login; its id.
    pub fn add(&self, title: &str, username: &str, password: &str) -> String {
        let file = self.home.join("password");
        fs::write(&file, password).expect("a file");
        let path = file.to_str().expect("a path of text").to_owned();
        let url = "https://canary-host.example/";
        let added = self.json(&[
            "add",
            "login",
            "--title",
            title,
            "--username",
            username,
            "--url",
            url,
            "--password-file",
            &path,
        ]);
        fs::remove_file(&file).expect("the file goes");
        added["id"].as_str().expect("an id").to_owned()
    }

    /// One field's value.
    pub fn field(&self, entry: &str, field: &str) -> String {
        self.ok(&["get", entry, "--field", field]).trim_end_matches('\n').to_owned()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.run(&["lock"]);
    }
}

fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.ancestors().find(|folder| folder.join(name).is_file());
    folder.unwrap_or_else(|| panic!("{name} was not built with the tests")).join(name)
}
