//! A load balancer in front of several nodes: haproxy, configured as the guide for self-hosting says.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use crate::{free_ports, system_packages};

/// How long a node has until its first check succeeds; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// Somebody else may have taken the port that was free a moment ago.
const TRIES: usize = 3;

/// One address for several nodes; ended when dropped.
pub struct Haproxy {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Haproxy {
    /// Installs it if it is not there yet, and starts it in front of these nodes, by name.
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start(nodes: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        system_packages::ensure_for_haproxy()?;
        let mut last = None;
        for _ in 0..TRIES {
            match Self::start_on_some_port(nodes) {
                Ok(haproxy) => return Ok(haproxy),
                Err(error) => last = Some(error),
            }
        }
        last.map_or_else(|| bail!("haproxy was never tried"), Err)
    }

    fn start_on_some_port(nodes: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("etui-haproxy-").tempdir()?;
        let [port] = free_ports()?;
        let configuration = folder.path().join("haproxy.cfg");
        let control = folder.path().join("control");
        fs::write(&configuration, text(port, &control.display().to_string(), nodes))?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(configuration);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().context("starting haproxy")?;
        let mut haproxy = Self { folder, port, process };
        haproxy.wait_until_it_listens()?;
        Ok(haproxy)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.address()).is_err() || UnixStream::connect(self.control()).is_err() {
            if self.process.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                bail!("haproxy does not listen: {}", self.log());
            }
            thread::sleep(BETWEEN_TRIES);
        }
        ensure!(self.process.try_wait()?.is_none(), "haproxy ended: {}", self.log());
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Says where a node is now, as whoever starts one elsewhere does.
    ///
    /// # Errors
    /// There is no such node.
    pub fn lead(&self, node: &str, to: SocketAddr) -> anyhow::Result<()> {
        let answer = self.ask(&format!("set server nodes/{node} addr {} port {}", to.ip(), to.port()))?;
        ensure!(!answer.contains("No such"), "haproxy: {answer}");
        Ok(())
    }

    /// Returns when a node is in use.
    ///
    /// # Errors
    /// That takes too long.
    pub fn wait_until_up(&self, node: &str) -> anyhow::Result<()> {
        self.wait_until(node, "UP")
    }

    /// Returns when a node gets no further request.
    ///
    /// # Errors
    /// That takes too long.
    pub fn wait_until_down(&self, node: &str) -> anyhow::Result<()> {
        self.wait_until(node, "DOWN")
    }

    fn wait_until(&self, node: &str, status: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        // "UP 1/2" is on its way to another one.
        while self.figure(node, "status")? != status {
            ensure!(
                started.elapsed() < PATIENCE,
                "haproxy does not find {node} {status}: {}",
                self.statistics()?
            );
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }

    /// How many answers people got that say that a server failed: a node's, and haproxy's own.
    ///
    /// # Errors
    /// It does not answer.
    pub fn failed_answers(&self) -> anyhow::Result<u64> {
        let failed = self.figure("FRONTEND", "hrsp_5xx")?;
        failed.parse().with_context(|| format!("haproxy counts {failed:?}"))
    }

    /// A figure of a node, or of all.
    fn figure(&self, of: &str, name: &str) -> anyhow::Result<String> {
        let statistics = self.statistics()?;
        let mut lines = statistics.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().context("haproxy has statistics")?;
        let column = names.iter().position(|column| *column == name);
        let line = lines.find(|line| line.get(1) == Some(&of));
        let figure =
            column.zip(line).and_then(|(column, line)| line.get(column).map(|text| (*text).to_owned()));
        figure.with_context(|| format!("haproxy has no {name} of {of}"))
    }

    fn statistics(&self) -> anyhow::Result<String> {
        self.ask("show stat")
    }

    fn ask(&self, question: &str) -> anyhow::Result<String> {
        let mut control = UnixStream::connect(self.control()).context("reaching haproxy")?;
        writeln!(control, "{question}")?;
        let mut answer = String::new();
        control.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The backend is that of `docs/guide/self-hosting.md`, with shorter times.
fn text(port: u16, control: &str, nodes: &[(&str, SocketAddr)]) -> String {
    let server = |(name, address): &(&str, SocketAddr)| format!("    server {name} {address}\n");
    let servers = nodes.iter().map(server).collect::<Vec<_>>().concat();
    format!(
        "global\n    \
             maxconn 2000\n    \
             stats socket {control} level admin\n\
         defaults\n    \
             mode http\n    \
             timeout connect 2s\n    \
             timeout check 2s\n    \
             timeout http-request 20s\n    \
             timeout queue 5s\n    \
             # Longer than the server itself takes before it answers 503.\n    \
             timeout client 70s\n    \
             timeout server 70s\n\
         frontend etui\n    \
             bind 127.0.0.1:{port}\n    \
             option forwardfor\n    \
             http-error status 502 content-type text/plain string later hdr Retry-After 1\n    \
             http-error status 503 content-type text/plain string later hdr Retry-After 1\n    \
             default_backend nodes\n\
         backend nodes\n    \
             balance roundrobin\n    \
             retries 3\n    \
             option redispatch 1\n    \
             retry-on conn-failure\n    \
             option httpchk GET /readyz\n    \
             http-check expect status 200\n    \
             default-server check inter 200ms fastinter 100ms downinter 100ms fall 2 rise 1\n\
         {servers}"
    )
}
