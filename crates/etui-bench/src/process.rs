//! A program that is measured from outside: its processor time and memory, as the kernel counts them.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

/// A running server, in a folder of its own. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    /// From starting the process until it said that it listens.
    pub(crate) started_in: Duration,
}

impl Server {
    /// With its data in this folder alone.
    pub(crate) fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_with(data, &[])
    }

    /// With further options.
    pub(crate) fn start_with(data: &Path, options: &[OsString]) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = Command::new(program("etui-server")?)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(log(data)?)
            .spawn()
            .context("starting etui-server")?;
        let mut said = BufReader::new(child.stdout.take().context("reading what etui-server says")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let started_in = started.elapsed();
        // The rest of what it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let address = line.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')'));
        let address = address.context("etui-server did not say where it listens")?.0.to_owned();
        Ok(Self { child, address, started_in })
    }

    /// User and system time used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // The name in parentheses may hold anything; the fields behind it are numbers (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("reading the server's processor time")?;
        let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let (Some(Ok(user)), Some(Ok(system))) = (fields.next(), fields.next()) else {
            anyhow::bail!("reading the server's processor time");
        };
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_micros((user + system) * 1_000_000 / ticks_per_s))
    }

    /// Microseconds of user and system time used since [`Self::cpu`] gave `before`.
    pub(crate) fn cpu_us_since(&self, before: Duration) -> anyhow::Result<f64> {
        Ok(self.cpu()?.saturating_sub(before).as_secs_f64() * 1e6)
    }

    /// Resident memory now, in KiB.
    pub(crate) fn memory_kib(&self) -> anyhow::Result<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most resident memory since [`Self::forget_peak`], in KiB.
    pub(crate) fn peak_kib(&self) -> anyhow::Result<u64> {
        self.status_kib("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        // proc(5): 5 resets the peak.
        fs::write(self.proc("clear_refs"), "5").context("resetting the server's memory peak")
    }

    fn status_kib(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        Ok(number.context("reading the server's memory")?.parse()?)
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id()).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what an administrator may, with a server's data.
pub(crate) fn administer(data: &Path, words: &[&str]) -> anyhow::Result<()> {
    let output =
        Command::new(program("etui-server")?).arg("admin").args(words).arg("--data").arg(data).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "etui-server admin {} failed: {errors}", words.join(" "));
    Ok(())
}

/// A program that was built beside this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is not built: run `cargo xtask bench`", path.display());
    Ok(path)
}

/// The log as an operator has it: on, in a file.
fn log(data: &Path) -> anyhow::Result<fs::File> {
    let path = data.with_extension("log");
    fs::File::create(&path).with_context(|| format!("making {}", path.display()))
}
