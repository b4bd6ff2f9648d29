//! `cargo xtask faults`: break one thing after the other while clients push, and lose nothing that was confirmed.

use anyhow::ensure;

use crate::process::{cargo, output, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many pushes a run has
    #[arg(long, default_value_t = 1000)]
    pushes: u32,
    /// Decides the moments at which something breaks; a failure says which it was
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the run of this name, for example `node_killed`
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // The programs that the tests start.
    let packages = "--package etui-server --package etui-cli --package etui-testkit";
    let features = "--features etui-testkit/services-tests";
    run_command(&mut cargo(&format!("build --locked {packages} {features}")))?;
    let test = format!("test --locked {packages} {features} --test faults -- --test-threads 1 --nocapture");
    let name = arguments.only.as_deref().unwrap_or_default();
    let known = output(cargo(&test).arg(name).arg("--list"))?;
    ensure!(known.contains(": test"), "there is no run named {name}");
    let pushes = arguments.pushes.to_string();
    let seed = arguments.seed.to_string();
    run_command(cargo(&test).arg(name).envs([("ETUI_FAULT_PUSHES", pushes), ("ETUI_FAULT_SEED", seed)]))
}
