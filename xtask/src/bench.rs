//! `cargo xtask bench`: build the programs as they are shipped and measure them against the stated targets.

use std::process::Command;

use etui_services::system_packages;

use crate::process::{cargo, run as run_command, say, target_folder};

/// The server alone: built together with a client, it would get the client's encrypted SQLite.
const PACKAGES: [&str; 3] = ["etui-server", "etui-cli", "etui-bench"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Options of the measurement, for example `-- --json --only server`
    #[arg(last = true)]
    bench: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    system_packages::ensure_for_testing()?;
    for package in PACKAGES {
        say(&format!("Building {package}"))?;
        run_command(cargo("build --locked --release --package").arg(package))?;
    }
    run_command(Command::new(target_folder()?.join("release/etui-bench")).args(&arguments.bench))
}
