//! The place of one story.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{
    Device, Keyring, Server,
    backing::{Backing, SETTINGS_FILE},
    disk::SmallDisk,
    process::program,
    wire::Route,
};
#[cfg(feature = "services-tests")]
use crate::{
    Wire,
    backing::{BEHIND_A_PROXY, Place},
};

/// The login password of every account made here.
pub const LOGIN_PASSWORD: &str = "canary-login-Vp3!kd";
/// The master password of every account made here.
pub const MASTER_PASSWORD: &str = "canary master quilt lantern orbit";
/// The e-mail address of every account made here.
pub const EMAIL: &str = "ada@example.org";

/// A folder for one story: a server's data, devices' homes, password files.
pub struct Stage {
    folder: TempDir,
    route: Route,
    backing: Backing,
}

impl Stage {
    /// An empty stage.
    pub fn new() -> Self {
        Self::backed(Backing::of_environment())
    }

    /// An empty stage on PostgreSQL and a bucket, whose nodes stand behind a load balancer that the test starts.
    #[cfg(feature = "services-tests")]
    pub fn behind_a_balancer() -> Self {
        Self::backed(Backing::PostgresS3Haproxy)
    }

    /// An empty stage in a new database of a server and, if there is one, a bucket, given by the variables of `cargo xtask
    /// services`. Its nodes stand behind a load balancer that the test starts.
    #[cfg(feature = "services-tests")]
    pub fn on(postgres_url: &str, bucket: Option<&[(&str, String)]>) -> Self {
        let stage = Self::backed(Backing::Folder);
        let place = Place::new(stage.path(), postgres_url.to_owned());
        let value = |name: &str, bucket: &[(&str, String)]| {
            bucket.iter().find(|(known, _)| *known == name).expect("a variable").1.clone()
        };
        let bucket = bucket.map(|bucket| place.bucket(&|name| value(name, bucket)));
        stage.set(&(place.database() + &bucket.unwrap_or_default() + BEHIND_A_PROXY));
        stage
    }

    /// The file with the URL of this stage's database over another address that leads to it.
    #[cfg(feature = "services-tests")]
    pub fn database_over(&self, server_url: &str, file: &str) -> String {
        let place = Place::new(self.path(), server_url.to_owned());
        self.write(file, &place.url(server_url));
        self.path().join(file).display().to_string()
    }

    fn backed(backing: Backing) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("tmp")).expect("a folder");
        let stage = Self { folder, route: Route::default(), backing };
        stage.write("login", &format!("{LOGIN_PASSWORD}\n"));
        stage.write("master", &format!("{MASTER_PASSWORD}\n"));
        backing.prepare(stage.path());
        stage
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes a file that commands can name, since they run in this folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file");
    }

    /// Starts the server on this stage's data and waits until it listens. Every device finds it.
    pub fn serve(&self) -> Server {
        match self.backing {
            #[cfg(feature = "services-tests")]
            Backing::PostgresS3Haproxy => Server::start_balanced(self.path(), &self.data(), &self.route),
            #[cfg(not(feature = "services-tests"))]
            Backing::PostgresS3Haproxy => panic!("a load balancer needs `--features services-tests`"),
            _ => Server::start(self.path(), &self.data(), &self.route, None),
        }
    }

    /// The way to the server that leads elsewhere from now on, to a load balancer for example.
    pub fn lead_to(&self, server: SocketAddr) {
        self.route.lead_to(server);
    }

    /// A wire to the server that keeps no bodies: for long runs.
    #[cfg(feature = "services-tests")]
    pub fn wire(&self) -> Wire {
        Wire::of_heads(self.route.clone())
    }

    /// Adds lines to the settings of the nodes that are started from now on.
    pub fn set(&self, lines: &str) {
        let path = self.path().join(SETTINGS_FILE);
        let settings = fs::read_to_string(&path).unwrap_or_default() + lines;
        fs::write(path, settings).expect("a file");
    }

    /// A further node of the same server, and a way to it. Its folder holds nothing that the others need.
    pub fn node(&self, name: &str) -> Node<'_> {
        let data = self.path().join(name);
        Node { stage: self, data, route: Route::default(), environment: Vec::new() }
    }

    /// Has the node of that name keep its segments where all others do that were told so, as on a network's disk.
    pub fn share_objects(&self, name: &str) {
        let (shared, node) = (self.path().join("shared-objects"), self.path().join(name));
        fs::create_dir_all(&shared).and_then(|()| fs::create_dir_all(&node)).expect("folders");
        std::os::unix::fs::symlink(shared, node.join("objects")).expect("a link");
    }

    /// What `etui-server admin` says, beside the running server.
    ///
    /// # Panics
    /// If it fails.
    pub fn administer(&self, arguments: &[&str]) -> String {
        let output = self.admin(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etui-server admin {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("it says text")
    }

    /// What `etui-server admin` says that must fail.
    ///
    /// # Panics
    /// If it does not.
    pub fn fails_to_administer(&self, arguments: &[&str]) -> String {
        let output = self.admin(arguments);
        assert_eq!(output.status.code(), Some(1), "etui-server admin {arguments:?}");
        String::from_utf8(output.stderr).expect("it says text")
    }

    /// Removes what is past its time, beside the running server.
    ///
    /// # Panics
    /// If it fails.
    pub fn purge(&self) {
        let output = self.beside_the_server(&["purge"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn admin(&self, arguments: &[&str]) -> Output {
        self.beside_the_server(&[&["admin"], arguments].concat())
    }

    fn beside_the_server(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("etui-server"));
        command.args(arguments).arg("--data").arg(self.data());
        let settings = self.path().join(SETTINGS_FILE);
        if settings.is_file() {
            command.arg("--config").arg(settings);
        }
        command.output().expect("etui-server runs")
    }

    /// As [`Self::serve`], with the data on a small disk.
    pub fn serve_on(&self, disk: &SmallDisk) -> Server {
        Server::start(self.path(), &disk.path().join("data"), &self.route, Some(disk))
    }

    /// What a server says that cannot start with its data on a small disk.
    pub fn fails_to_serve_on(&self, disk: &SmallDisk) -> String {
        Server::fails_to_start(self.path(), &disk.path().join("data"), disk)
    }

    /// A device with a home of that name.
    pub fn device(&self, name: &str) -> Device {
        Device::new(self.path(), self.path().join(name), &self.route, None)
    }

    /// A device with a home of that name, in the session of that keyring.
    pub fn device_with(&self, keyring: &Keyring, name: &str) -> Device {
        self.device(name).in_session(keyring)
    }

    /// A device whose home is on a small disk.
    pub fn device_on(&self, disk: &Arc<SmallDisk>) -> Device {
        Device::new(self.path(), disk.path().join("home"), &self.route, Some(Arc::clone(disk)))
    }

    /// A small disk of that name, seen only by the processes that are put on it.
    pub fn small_disk(&self, name: &str, kib: u32) -> SmallDisk {
        SmallDisk::mount(&self.path().join(name), kib)
    }
}

/// One of several nodes, and the way that some devices take to it.
pub struct Node<'a> {
    stage: &'a Stage,
    data: PathBuf,
    route: Route,
    environment: Vec<(String, String)>,
}

impl Node<'_> {
    /// With a variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it listens.
    pub fn serve(&self) -> Server {
        Server::start_with(self.stage.path(), &self.data, &self.route, &self.environment)
    }

    /// What `etui-server verify` says of the data, with this node's settings.
    ///
    /// # Panics
    /// If anything is missing or altered.
    pub fn verify(&self) -> String {
        self.administer(&["verify"])
    }

    /// What `etui-server` says to another command, with this node's settings.
    ///
    /// # Panics
    /// If it does not succeed.
    pub fn administer(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("etui-server"));
        command.args(arguments).arg("--data").arg(&self.data);
        let settings = self.stage.path().join(SETTINGS_FILE);
        if settings.exists() {
            command.arg("--config").arg(settings);
        }
        let output = command.envs(self.environment.iter().cloned()).output().expect("etui-server runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// A device that reaches the server over this node.
    pub fn device(&self, name: &str) -> Device {
        Device::new(self.stage.path(), self.stage.path().join(name), &self.route, None)
    }

    /// Leads its devices to another node, as a load balancer does.
    pub fn give_over_to(&self, other: &Server) {
        self.route.lead_to(other.address());
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}
