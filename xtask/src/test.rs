//! `cargo xtask test`: everything that is checked, cheap things first, up to the first failure.

use std::{process::Command, time::Instant};

use anyhow::Context as _;

use crate::{
    arrows, deny, manifests,
    process::{cargo, run as run_command, say, succeeds},
    server_binary,
    services::Services,
    system_packages,
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
    ("manifests", manifests::run),
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
    const ALL: &str = "--locked --workspace --features etui-store/services-tests --no-fail-fast";
    let services = Services::start()?;
    let mut command = match nextest() {
        Ok(mut nextest) => {
            nextest.arg("run");
            nextest
        }
        Err(error) => {
            say(&format!("Without cargo-nextest: {error:#}"))?;
            cargo("test --lib --bins --tests")
        }
    };
    run_command(command.args(ALL.split(' ')).envs(services.variables()))?;
    stories_on_services(&services)
}

/// The stories again, with the server's data in PostgreSQL and a bucket; but for those that reach into its folder.
fn stories_on_services(services: &Services) -> anyhow::Result<()> {
    const STORIES: &str = "(binary(adversary) | binary(crashes) | binary(nodes) | binary(removal) | binary(stories)) \
         & not test(a_restored_server) & not test(nothing_secret_lies)";
    let Ok(mut nextest) = nextest() else { return say("SKIPPED without cargo-nextest: stories on services") };
    nextest.args(["run", "--locked", "--package", "etui-testkit", "--features", "services-tests"]);
    nextest.args(["--no-fail-fast", "--filterset", STORIES]);
    run_command(nextest.envs(services.variables()).env("ETUI_TEST_STAGE", "postgres-s3"))
}

fn nextest() -> anyhow::Result<Command> {
    if succeeds(&mut cargo("nextest --version")) { Ok(cargo("nextest")) } else { NEXTEST.command() }
}
