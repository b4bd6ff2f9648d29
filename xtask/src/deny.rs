//! `cargo xtask deny`: are licences, sources and versions of what others wrote as `deny.toml` says?

use std::process::Command;

use crate::{
    process::{run as run_command, say, succeeds},
    tool::Tool,
};

const CARGO_DENY: Tool =
    Tool { name: "cargo-deny", subcommand: "deny", version: "0.20.2", unoptimised: true };

pub(crate) fn run() -> anyhow::Result<()> {
    run_command(deny()?.args(["check", "bans", "licenses", "sources"]))?;
    check_advisories()
}

/// The list of known weaknesses is on the network. Without it the other checks still count.
fn check_advisories() -> anyhow::Result<()> {
    if !succeeds(deny()?.args(["fetch", "db"])) {
        return say("SKIPPED: the advisory database could not be fetched");
    }
    run_command(deny()?.args(["check", "--disable-fetch", "advisories"]))
}

fn deny() -> anyhow::Result<Command> {
    CARGO_DENY.command()
}
