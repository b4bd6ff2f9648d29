//! An S3-compatible store: Ceph's RADOS Gateway over one monitor and one storage daemon that keeps everything in
//! memory. Debian's packages; no daemon of theirs is left running.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::{
    free_ports,
    process::{output, say},
    system_packages,
};

const BUCKET: &str = "etui";
/// The id of the only user's access key.
pub const ACCESS_KEY: &str = "ETUITESTACCESSKEY001";
/// That user's secret access key.
pub const SECRET_KEY: &str = "etui-test-secret-key-0001-etui-test-secret";
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A running gateway with one empty bucket; stopped when dropped.
pub struct Ceph {
    folder: TempDir,
    port: u16,
    gateway: Option<Child>,
}

impl Ceph {
    /// Installs it if it is not there yet, and starts it.
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_on(Ipv4Addr::LOCALHOST, "localhost")
    }

    /// The same where containers on this machine reach it too, by another name: any but its own it takes for a bucket.
    /// On all addresses, since the network of the containers is made after it.
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start_for_containers(name: &str) -> anyhow::Result<Self> {
        Self::start_on(Ipv4Addr::UNSPECIFIED, name)
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn start_on(address: Ipv4Addr, name: &str) -> anyhow::Result<Self> {
        system_packages::ensure_for_ceph()?;
        say("Starting Ceph's S3 gateway")?;
        let folder = tempfile::Builder::new().prefix("etui-ceph-").tempdir()?;
        let [monitor_port, old_monitor_port, port] = free_ports()?;
        let mut ceph = Self { folder, port, gateway: None };
        let monitors = format!("[v2:127.0.0.1:{monitor_port},v1:127.0.0.1:{old_monitor_port}]");
        ceph.write_configuration(&monitors, address, name)?;
        ceph.start_monitor(&monitors)?;
        ceph.start_storage()?;
        ceph.make_user()?;
        ceph.start_gateway()?;
        ceph.make_bucket()?;
        Ok(ceph)
    }

    /// How many requests with this method it has answered, as its own log says.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn requests(&self, method: &str) -> anyhow::Result<usize> {
        let request = format!("\"{method} /{BUCKET}/");
        let log = fs::read_to_string(self.path("run/client.rgw.log")).context("reading the gateway's log")?;
        Ok(log.lines().filter(|line| line.contains(" beast: ") && line.contains(&request)).count())
    }

    /// Stops the gateway without anybody being told: it takes connections and never answers.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets a frozen gateway go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    /// Kills the gateway; what it has confirmed lies in the storage, which lives on.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_gateway(&mut self) -> anyhow::Result<()> {
        let mut gateway = self.gateway.take().context("the gateway does not run")?;
        gateway.kill()?;
        gateway.wait()?;
        Ok(())
    }

    /// Lets the bucket hold at most so many bytes, or as many as fit.
    ///
    /// # Errors
    /// The cluster's.
    pub fn limit_bucket(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        let scope = ["--quota-scope=bucket", "--uid=etui", "--bucket=etui"];
        let mut quota = self.command("radosgw-admin");
        quota.arg("quota").arg(if bytes.is_some() { "set" } else { "disable" }).args(scope);
        if let Some(bytes) = bytes {
            quota.arg(format!("--max-size={bytes}"));
            output(&mut quota)?;
            quota = self.command("radosgw-admin");
            quota.args(["quota", "enable"]).args(scope);
        }
        output(&mut quota).map(drop)
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let gateway = self.gateway.as_ref().context("the gateway does not run")?;
        output(Command::new("kill").args([signal, &gateway.id().to_string()])).map(drop)
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

    fn write_configuration(&self, monitors: &str, address: Ipv4Addr, name: &str) -> anyhow::Result<()> {
        for name in ["monitor", "storage", "gateway", "run"] {
            fs::create_dir(self.path(name))?;
        }
        let folder = self.folder.path().display();
        let text = format!(
            "[global]\n\
             fsid = {CLUSTER}\n\
             mon host = {monitors}\n\
             public addr = 127.0.0.1\n\
             cluster addr = 127.0.0.1\n\
             public network = 127.0.0.0/8\n\
             auth cluster required = none\n\
             auth service required = none\n\
             auth client required = none\n\
             run dir = {folder}/run\n\
             log file = {folder}/run/$name.log\n\
             admin socket = {folder}/run/$name.asok\n\
             pid file = {folder}/run/$name.pid\n\
             osd pool default size = 1\n\
             osd pool default min size = 1\n\
             osd pool default pg num = 8\n\
             osd pool default pgp num = 8\n\
             osd pool default pg autoscale mode = off\n\
             osd crush chooseleaf type = 0\n\
             mon allow pool size one = true\n\
             mon max pg per osd = 1000\n\
             mon data avail crit = 1\n\
             mon data avail warn = 2\n\
             mon osd min down reporters = 1\n\
             # Without these a pool takes seconds to be made.\n\
             paxos propose interval = 0.05\n\
             paxos min wait = 0.01\n\
             [mon]\n\
             mon data = {folder}/monitor\n\
             [osd]\n\
             osd data = {folder}/storage\n\
             osd objectstore = memstore\n\
             memstore device bytes = 4294967296\n\
             osd class load list = *\n\
             osd class default list = *\n\
             [client.rgw]\n\
             rgw frontends = beast endpoint={address}:{} tcp_nodelay=1\n\
             rgw dns name = {name}\n\
             rgw enable usage log = false\n\
             rgw crypt require ssl = false\n\
             rgw zone = default\n\
             # A limit holds at once, and so does its end.\n\
             rgw bucket quota ttl = 0\n\
             keyring = {folder}/gateway/keyring\n\
             rgw data = {folder}/gateway\n\
             # The gateway insists on a secured connection, which there is none of without keys.\n\
             ms mon client mode = crc\n",
            self.port
        );
        fs::write(self.path("ceph.conf"), text).context("writing Ceph's configuration")
    }

    fn start_monitor(&self, monitors: &str) -> anyhow::Result<()> {
        let map = self.path("monitor-map");
        let mut make_map = Command::new("monmaptool");
        make_map.args(["--create", "--fsid", CLUSTER, "--addv", "a", monitors]);
        output(make_map.arg(&map))?;
        output(self.command("ceph-mon").args(["-i", "a", "--mkfs", "--monmap"]).arg(&map))?;
        output(self.command("ceph-mon").args(["-i", "a"])).map(drop)
    }

    fn start_storage(&self) -> anyhow::Result<()> {
        output(self.command("ceph").args(["--connect-timeout", "20", "osd", "new", STORAGE]))?;
        let place = ["osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here"];
        output(self.command("ceph").args(place))?;
        output(self.command("ceph-osd").args(["-i", "0", "--mkfs", "--osd-uuid", STORAGE]))?;
        output(self.command("ceph-osd").args(["-i", "0"])).map(drop)
    }

    fn make_user(&self) -> anyhow::Result<()> {
        let mut user = self.command("radosgw-admin");
        user.args(["user", "create", "--uid=etui", "--display-name=etui"]);
        user.arg(format!("--access-key={ACCESS_KEY}")).arg(format!("--secret-key={SECRET_KEY}"));
        output(&mut user)?;
        let mut keys = Command::new("ceph-authtool");
        keys.arg("--create-keyring").arg(self.path("gateway/keyring"));
        output(keys.args(["--gen-key", "-n", "client.rgw"])).map(drop)
    }

    /// Starts the gateway, again after [`Self::kill_gateway`], and returns when it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_gateway(&mut self) -> anyhow::Result<()> {
        let mut gateway = self.command("radosgw");
        gateway.args(["-n", "client.rgw", "-f"]).stdout(Stdio::null()).stderr(Stdio::null());
        self.gateway = Some(gateway.spawn().context("starting radosgw")?);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if started.elapsed() > PATIENCE {
                bail!("radosgw does not listen: {}", self.log());
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }

    fn make_bucket(&self) -> anyhow::Result<()> {
        let mut make = Command::new("curl");
        make.args(["--silent", "--show-error", "--fail", "--request", "PUT"]);
        // Signed as such by S3's rules, which this version of curl does not know by itself.
        make.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        make.args(["--aws-sigv4", "aws:amz:default:s3", "--user", &format!("{ACCESS_KEY}:{SECRET_KEY}")]);
        output(make.arg(format!("http://127.0.0.1:{}/{BUCKET}", self.port))).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--conf").arg(self.path("ceph.conf")).stdin(Stdio::null());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("run/client.rgw.log")).unwrap_or_default()
    }
}

/// Names of things that exist once in a cluster that exists once.
const CLUSTER: &str = "6b5f1d2e-0c3a-4b7e-9a44-1f2e3d4c5b6a";
const STORAGE: &str = "0d9c8b7a-1e2f-4a3b-8c5d-6e7f8a9b0c1d";

impl Drop for Ceph {
    fn drop(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            let _ = gateway.kill();
            let _ = gateway.wait();
        }
        for name in ["osd.0.pid", "mon.a.pid"] {
            if let Ok(pid) = fs::read_to_string(self.path("run").join(name)) {
                let _ = output(Command::new("kill").args(["-KILL", pid.trim()]));
            }
        }
    }
}
