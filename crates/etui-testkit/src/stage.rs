//! The place of one story.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{Device, Keyring, Server, backing::Backing, disk::SmallDisk, wire::Route};

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

    /// A further node of the same server, and a way to it. Its folder holds nothing that the others need.
    pub fn node(&self, name: &str) -> Node<'_> {
        Node { stage: self, data: self.path().join(name), route: Route::default() }
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
}

impl Node<'_> {
    /// Starts it and waits until it listens.
    pub fn serve(&self) -> Server {
        Server::start(self.stage.path(), &self.data, &self.route, None)
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
