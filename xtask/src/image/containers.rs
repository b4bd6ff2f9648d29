//! podman and buildah, with settings of our own, and what is asked of a running container.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::process::{output, repository, succeeds};

const PATIENCE: Duration = Duration::from_mins(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// Of a container's log, where something went wrong.
const LINES_SHOWN: usize = 20;

/// A program of containers that heeds `xtask/image/containers.conf` alone.
pub(super) fn engine(program: &str) -> Command {
    with_settings(Command::new(program))
}

/// The same for a program that calls one of them.
pub(super) fn with_settings(mut command: Command) -> Command {
    command
        .env("CONTAINERS_CONF", repository().join("xtask/image/containers.conf"))
        .current_dir(repository());
    command
}

/// A container, by its name.
pub(super) struct Container(pub(super) String);

impl Container {
    /// Waits until the health check in the image or in compose.yaml succeeds. It is run from here: without systemd
    /// nobody runs it regularly.
    pub(super) fn wait_until_healthy(&self) -> anyhow::Result<()> {
        self.wait_until("is not healthy", || Ok(self.is_healthy()))
    }

    /// Whether the health check succeeds now.
    fn is_healthy(&self) -> bool {
        succeeds(engine("podman").args(["healthcheck", "run", &self.0]))
    }

    /// Waits for the end of a container that is there to do one thing.
    pub(super) fn wait_until_done(&self) -> anyhow::Result<()> {
        self.wait_until("does not end", || Ok(self.ask("{{.State.Status}}")? == "exited"))?;
        self.check_ended_well()
    }

    /// Stops it as an engine does, and demands that it went by itself, in time.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        output(engine("podman").args(["stop", "--time", "35", &self.0]))?;
        self.check_ended_well()
    }

    pub(super) fn start(&self) -> anyhow::Result<()> {
        output(engine("podman").args(["start", &self.0])).map(drop)
    }

    fn check_ended_well(&self) -> anyhow::Result<()> {
        let code = self.ask("{{.State.ExitCode}}")?;
        ensure!(code == "0", "{} ended with {code}: {}", self.0, self.log()?);
        Ok(())
    }

    /// A command in it, as the user and with the environment of its own process.
    pub(super) fn execute(&self, words: &[&str]) -> anyhow::Result<String> {
        output(engine("podman").args(["exec", &self.0]).args(words))
    }

    /// The same as root, whether it succeeds or not.
    pub(super) fn try_as_root(&self, words: &[&str]) -> anyhow::Result<Output> {
        let mut command = engine("podman");
        command.args(["exec", "--user", "0", &self.0]).args(words);
        command.output().context("starting podman")
    }

    /// Everything that the engine knows and shows about it.
    pub(super) fn description(&self) -> anyhow::Result<String> {
        output(engine("podman").args(["container", "inspect", &self.0]))
    }

    /// What it has printed last, to both streams.
    pub(super) fn log(&self) -> anyhow::Result<String> {
        let printed = engine("podman").args(["logs", &self.0]).output().context("starting podman")?;
        let text = String::from_utf8_lossy(&[printed.stdout, printed.stderr].concat()).into_owned();
        let first = text.lines().count().saturating_sub(LINES_SHOWN);
        Ok(text.lines().skip(first).collect::<Vec<_>>().join("\n"))
    }

    fn ask(&self, format: &str) -> anyhow::Result<String> {
        let answer = output(engine("podman").args(["container", "inspect", "--format", format, &self.0]))?;
        Ok(answer.trim().to_owned())
    }

    /// Waits for something that comes about by itself; `or` says what is wrong where it does not.
    pub(super) fn wait_until(
        &self,
        or: &str,
        holds: impl Fn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        while !holds()? {
            if started.elapsed() > PATIENCE {
                bail!("{} {or}: {}", self.0, self.log()?);
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }
}
