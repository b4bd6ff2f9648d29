//! A real gnome-keyring on a session bus of its own.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use secret_service::{
    EncryptionType,
    blocking::{Item, SecretService},
};
use zbus::blocking::{Connection, connection::Builder, fdo::DBusProxy};

use crate::Stage;

const SERVICE: &str = "org.freedesktop.secrets";

/// Whoever asks for a service that nobody has started gets none: no other keyring, no window that asks for a password.
const BUS_CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A desktop session's keyring, open; ended when dropped. What it keeps lies on the stage, so that it can be started
/// again.
pub struct Keyring {
    folder: PathBuf,
    address: String,
    bus: Child,
    daemon: Child,
}

/// One item of a keyring.
pub struct KeyringItem {
    /// The name under which the command keeps it.
    pub name: String,
    /// What it keeps.
    pub secret: Vec<u8>,
}

impl Keyring {
    /// Starts a bus and a keyring, which opens with a password, and waits until it answers.
    pub fn start(stage: &Stage) -> Self {
        let folder = stage.path().join("session");
        fs::create_dir_all(&folder).expect("a folder");
        let (bus, address) = start_bus(&folder);
        let daemon = start_daemon(&folder, &address);
        let keyring = Self { folder, address, bus, daemon };
        keyring.wait();
        keyring
    }

    /// Ends the keyring and starts it again on the same bus, open.
    pub fn restart(&mut self) {
        end(&mut self.daemon);
        self.daemon = start_daemon(&self.folder, &self.address);
        self.wait();
    }

    /// Where its bus is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Everything in it, whoever put it there.
    pub fn items(&self) -> Vec<KeyringItem> {
        self.with_all(|items| {
            items
                .iter()
                .map(|item| {
                    let attributes: HashMap<String, String> = item.get_attributes().expect("attributes");
                    let name = attributes.get("username").cloned().unwrap_or_default();
                    KeyringItem { name, secret: item.get_secret().expect("a secret") }
                })
                .collect()
        })
    }

    /// Deletes what is kept under a name that begins so, as a person could.
    pub fn delete(&self, name: &str) {
        self.with_all(|items| {
            for item in items {
                let attributes = item.get_attributes().expect("attributes");
                if attributes.get("username").is_some_and(|username| username.starts_with(name)) {
                    item.delete().expect("it goes");
                }
            }
        });
    }

    /// Closes it. Nobody is there to open it.
    pub fn lock(&self) {
        let service = self.service();
        service.get_default_collection().and_then(|collection| collection.lock()).expect("it closes");
    }

    fn with_all<T>(&self, see: impl FnOnce(&[Item<'_>]) -> T) -> T {
        let service = self.service();
        let found = service.search_items(HashMap::new()).expect("the keyring's items");
        assert!(found.locked.is_empty(), "the keyring is open");
        see(&found.unlocked)
    }

    fn service(&self) -> SecretService<'static> {
        SecretService::connect_with_existing(EncryptionType::Plain, self.connect()).expect("the keyring")
    }

    fn connect(&self) -> Connection {
        Builder::address(self.address.as_str()).and_then(Builder::build).expect("the session bus")
    }

    fn wait(&self) {
        let connection = self.connect();
        let bus = DBusProxy::new(&connection).expect("the session bus");
        let mut changes = bus.receive_name_owner_changed_with_args(&[(0, SERVICE)]).expect("its signals");
        let mut is_there = bus.name_has_owner(SERVICE.try_into().expect("a name")).expect("an answer");
        while !is_there {
            let change = changes.next().expect("the bus goes on");
            is_there = change.args().expect("a change").new_owner.is_some();
        }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        end(&mut self.daemon);
        end(&mut self.bus);
    }
}

fn start_bus(folder: &Path) -> (Child, String) {
    let configuration = folder.join("bus.conf");
    let socket = folder.join("bus").display().to_string();
    fs::write(&configuration, BUS_CONFIGURATION.replace("BUS<", &format!("{socket}<"))).expect("a file");
    let mut bus = Command::new("dbus-daemon")
        .args(["--nofork", "--print-address", "--config-file"])
        .arg(&configuration)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dbus-daemon starts (package dbus)");
    let mut address = String::new();
    BufReader::new(bus.stdout.take().expect("piped")).read_line(&mut address).expect("its address");
    (bus, address.trim().to_owned())
}

fn start_daemon(folder: &Path, address: &str) -> Child {
    let runtime = folder.join("run");
    fs::create_dir_all(&runtime).expect("a folder");
    let mut daemon = Command::new("gnome-keyring-daemon")
        .args(["--foreground", "--unlock", "--components=secrets"])
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_RUNTIME_DIR", &runtime)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("gnome-keyring-daemon starts (package gnome-keyring)");
    daemon.stdin.take().expect("piped").write_all(b"the desktop's password").expect("it is read");
    daemon
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
