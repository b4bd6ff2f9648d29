//! `cargo xtask test`: everything that is checked, cheap things first, up to the first failure.

use std::{process::Command, time::Instant};

use anyhow::Context as _;

use etui_services::system_packages;

use crate::{
    arrows, deny, manifests,
    process::{cargo, run as run_command, say, succeeds},
    server_binary,
    services::{S3, Services},
    tool::Tool,
    vectors, wasm,
};

const NEXTEST: Tool =
    Tool { name: "cargo-nextest", subcommand: "nextest", version: "0.9.143", unoptimised: true };

/// Of the packages whose tests need more than a folder.
const WITH_SERVICES: &str =
    "etui-store/services-tests,etui-server/services-tests,etui-testkit/services-tests";

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

/// Of everything that is tested, with services or without.
fn lints() -> anyhow::Result<()> {
    let mut clippy = cargo("clippy --locked --workspace --all-targets");
    run_command(clippy.args(["--features", WITH_SERVICES, "--", "--deny", "warnings"]))
}

/// With nextest where it can be had: every test is a process of its own. The same tests run without it.
fn tests() -> anyhow::Result<()> {
    const ALL: &str =
        "--locked --workspace --features etui-store/services-tests,etui-server/services-tests --no-fail-fast";
    let services = Services::start(S3::Ceph)?;
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
    if nextest().is_err() {
        return say("SKIPPED without cargo-nextest: stories on services");
    }
    for stories in STORIES {
        stories.run(&services)?;
    }
    Ok(())
}

/// The stories again where the server's data is in PostgreSQL and a bucket; but for those that reach into its folder. What has
/// a real provider, an authenticator or a second factor is asked on PostgreSQL over HTTP.
const STORIES: [Stories; 4] = [
    Stories {
        stage: "postgres",
        package: "etui-server",
        tests: "test(/^(providers|passkeys|second_factor|approval|programs|ways)::/)",
        at_once: None,
    },
    Stories {
        stage: "postgres-s3",
        package: "etui-testkit",
        tests: "(binary(adversary) | binary(crashes) | binary(nodes) | binary(removal) | binary(rolling) | binary(stories)) \
             & not test(a_restored_server)",
        at_once: None,
    },
    // The main ones of these behind a load balancer; CONTRIBUTING.md says how to run all of them.
    Stories {
        stage: "postgres-s3-haproxy",
        package: "etui-testkit",
        tests: "(binary(removal) | binary(stories)) & not test(a_restored_server)",
        at_once: None,
    },
    // Each starts a database of its own, and some a bucket.
    Stories { stage: "folder", package: "etui-testkit", tests: "binary(faults)", at_once: Some("3") },
];

struct Stories {
    stage: &'static str,
    package: &'static str,
    tests: &'static str,
    at_once: Option<&'static str>,
}

impl Stories {
    fn run(&self, services: &Services) -> anyhow::Result<()> {
        let mut nextest = nextest()?;
        // Of the whole workspace, so that nothing else is built in another way than for the tests before.
        nextest.args(["run", "--locked", "--workspace", "--features", WITH_SERVICES, "--no-fail-fast"]);
        nextest.args(["--filterset", &format!("package({}) & {}", self.package, self.tests)]);
        if let Some(at_once) = self.at_once {
            nextest.args(["--test-threads", at_once]);
        }
        run_command(nextest.envs(services.variables()).env("ETUI_TEST_STAGE", self.stage))
    }
}

pub(crate) fn nextest() -> anyhow::Result<Command> {
    if succeeds(&mut cargo("nextest --version")) { Ok(cargo("nextest")) } else { NEXTEST.command() }
}
