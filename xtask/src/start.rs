//! `cargo xtask start`: build the two programs and run the server, so that the next line to type is known.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};

use etui_services::system_packages;

use crate::process::{cargo, run as run_command, say, target_folder};

/// How the server's advice to the person begins.
const ADVICE: &str = "  etui ";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Options for etui-server, for example `-- --listen 127.0.0.1:9000 --data /srv/etui`
    #[arg(last = true)]
    server: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    system_packages::ensure_for_building()?;
    // One after the other: built together, the server would get the encrypted SQLite of the client.
    for package in ["etui-server", "etui-cli"] {
        say(&format!("Building {package}"))?;
        run_command(cargo("build --locked --release --package").arg(package))?;
    }
    let programs = target_folder()?.join("release");
    let server = Command::new(programs.join("etui-server"))
        .args(&arguments.server)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting etui-server")?;
    relay(server, &programs.join("etui"))
}

/// Shows what the server prints, with the command in its advice as it can be typed here, until the server ends.
fn relay(mut server: Child, etui: &Path) -> anyhow::Result<()> {
    let printed = server.stdout.take().context("reading what etui-server prints")?;
    for line in BufReader::new(printed).lines() {
        say(&typeable(&line.context("reading what etui-server prints")?, etui))?;
    }
    let status = server.wait().context("waiting for etui-server")?;
    if !status.success() {
        bail!("etui-server ended ({status})");
    }
    Ok(())
}

fn typeable(line: &str, etui: &Path) -> String {
    match line.strip_prefix(ADVICE) {
        Some(rest) => format!("  {} {rest}", etui.display()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_advice_names_the_program_by_its_path() {
        let etui = Path::new("/built/etui");
        assert_eq!(typeable("  etui signup --server x", etui), "  /built/etui signup --server x");
        assert_eq!(typeable("Etui listens on x", etui), "Etui listens on x");
    }
}
