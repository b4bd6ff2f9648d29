//! `cargo xtask kill`: kill real programs at many random moments of a save, and lose nothing.

use crate::process::{cargo, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many moments to try
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them; a failure says which it was
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // The programs that the tests start.
    run_command(&mut cargo(
        "build --locked --package etui-server --package etui-cli --package etui-testkit",
    ))?;
    run_command(
        cargo("test --locked --package etui-server --package etui-cli --package etui-testkit --test crashes")
            .env("ETUI_KILL_SEEDS", arguments.seeds.to_string())
            .env("ETUI_KILL_FIRST_SEED", arguments.first_seed.to_string()),
    )
}
