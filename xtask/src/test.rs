//! `cargo xtask test`: everything that is checked, cheap things first, up to the first failure.

use std::time::Instant;

use anyhow::Context as _;

use crate::{
    arrows, deny,
    process::{cargo, run as run_command, say, succeeds},
    server_binary, system_packages,
    tool::Tool,
    vectors, wasm,
};

const NEXTEST: Tool =
    Tool { name: "cargo-nextest", subcommand: "nextest", version: "0.9.143", unoptimised: true };

type Step = (&'static str, fn() -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("system packages", system_packages::ensure_for_testing),
    ("formatting", || run_command(&mut cargo("fmt --all --check"))),
    ("lints", lints),
    ("arrows", arrows::run),
    ("documentation tests", || run_command(&mut cargo("test --locked --workspace --doc --quiet"))),
    ("tests", tests),
    ("vectors", vectors::check_repository),
    ("server binary", server_binary::run),
    ("dependencies", deny::run),
    ("wasm", || wasm::run(&wasm::Arguments::default())),
];

pub(crate) fn run() -> anyhow::Result<()> {
    let started = Instant::now();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        say(&format!("\n== {}/{} {name}", number + 1, STEPS.len()))?;
        let step_started = Instant::now();
        step().with_context(|| format!("the step \"{name}\" failed"))?;
        say(&format!("== {name}: ok, {} s", step_started.elapsed().as_secs()))?;
    }
    say(&format!("\nAll {} steps are ok, {} s.", STEPS.len(), started.elapsed().as_secs()))
}

fn lints() -> anyhow::Result<()> {
    run_command(&mut cargo("clippy --locked --workspace --all-targets -- --deny warnings"))
}

/// With nextest where it can be had: every test is a process of its own. The same tests run without it.
fn tests() -> anyhow::Result<()> {
    const RUN: &str = "run --locked --workspace --no-fail-fast";
    if succeeds(&mut cargo("nextest --version")) {
        return run_command(cargo("nextest").args(RUN.split(' ')));
    }
    match NEXTEST.command() {
        Ok(mut nextest) => run_command(nextest.args(RUN.split(' '))),
        Err(error) => {
            say(&format!("Without cargo-nextest: {error:#}"))?;
            run_command(&mut cargo("test --locked --workspace --lib --bins --tests --no-fail-fast"))
        }
    }
}
