//! A second S3-compatible store, of another make than [`Ceph`](crate::Ceph): Garage, built from its crate (minutes, once).
//!
//! It takes conditional writes and silently ignores the condition, which nothing here may depend on. A program of its own,
//! under a licence of its own (AGPL): used in tests, and part of nothing that is shipped.

use std::{
    env, fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::{
    free_ports,
    process::{cache_folder, output, run, say},
};

const VERSION: &str = "2.5.0";
const BUCKET: &str = "etui";
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const RPC_SECRET: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A running store with one empty bucket; stopped when dropped.
pub struct Garage {
    port: u16,
    process: Child,
    // Fields go in their order: this one after the process has ended.
    folder: TempDir,
}

impl Garage {
    /// Builds it if it is not there yet, and starts it.
    ///
    /// # Errors
    /// It cannot be built, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let program = install()?;
        say("Starting Garage")?;
        let folder = tempfile::Builder::new().prefix("etui-garage-").tempdir()?;
        let [port, between_nodes] = free_ports()?;
        let settings = folder.path().join("garage.toml");
        fs::write(&settings, text(&folder, port, between_nodes))?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(settings).args(["server", "--single-node", "--default-bucket"]);
        command.envs([
            ("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY),
            ("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY),
            ("GARAGE_DEFAULT_BUCKET", BUCKET),
        ]);
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let mut garage = Self { port, process: process.context("starting garage")?, folder };
        garage.wait_until_it_listens()?;
        Ok(garage)
    }

    /// The variables by which tests find it.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("ETUI_TEST_S3_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("ETUI_TEST_S3_BUCKET", BUCKET.to_owned()),
            ("ETUI_TEST_S3_ACCESS_KEY", ACCESS_KEY.to_owned()),
            ("ETUI_TEST_S3_SECRET_KEY", SECRET_KEY.to_owned()),
        ]
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.process.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("garage does not listen: {log}");
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(folder: &TempDir, port: u16, between_nodes: u16) -> String {
    let folder = folder.path().display();
    format!(
        "metadata_dir = \"{folder}/meta\"\n\
         data_dir = \"{folder}/data\"\n\
         db_engine = \"sqlite\"\n\
         metadata_fsync = false\n\
         data_fsync = false\n\
         replication_factor = 1\n\
         rpc_bind_addr = \"127.0.0.1:{between_nodes}\"\n\
         rpc_public_addr = \"127.0.0.1:{between_nodes}\"\n\
         rpc_secret = \"{RPC_SECRET}\"\n\
         [s3_api]\n\
         # What the tests say to every store.\n\
         s3_region = \"default\"\n\
         api_bind_addr = \"127.0.0.1:{port}\"\n\
         root_domain = \".s3.garage.test\"\n"
    )
}

/// The program: without what a single node for tests does not use, and quickly rather than well.
fn install() -> anyhow::Result<PathBuf> {
    let folder = cache_folder().join("services").join(format!("garage-{VERSION}"));
    let program = folder.join("bin/garage");
    if output(Command::new(&program).arg("--version")).is_ok() {
        return Ok(program);
    }
    say(&format!("Building Garage {VERSION} (once, takes ten minutes or more)"))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["install", "--quiet", "--locked", "--no-default-features"]);
    command.args(["--features", "bundled-libs,sqlite", "--root"]).arg(&folder);
    command.arg(format!("garage@{VERSION}")).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    run(command.env_remove("CARGO_TARGET_DIR"))?;
    Ok(program)
}
