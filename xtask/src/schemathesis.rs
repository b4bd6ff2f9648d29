//! `cargo xtask schemathesis`: whatever is made up from the API's own description, a running server answers as described.

use etui_services::python::PythonTool;

use crate::process::{cargo, run as run_command};

const SCHEMATHESIS: PythonTool = PythonTool { name: "schemathesis", version: "4.32.5" };
/// By which the test finds the program, and further arguments for it, each in a line.
const PROGRAM: &str = "ETUI_TEST_SCHEMATHESIS";
const ARGUMENTS: &str = "ETUI_TEST_SCHEMATHESIS_ARGUMENTS";

/// How thorough it is when all else is tested too.
const SHORT: &str = "--max-examples\n20";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Options of `schemathesis run`, for example `-- --max-examples 1000 --seed 7`
    #[arg(last = true)]
    schemathesis: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let test = "test --locked --package etui-server --features services-tests --test api -- schemathesis::";
    let variables = variables()?;
    let mut cargo = cargo(test);
    cargo.arg("--nocapture").envs(variables);
    if !arguments.schemathesis.is_empty() {
        cargo.env(ARGUMENTS, arguments.schemathesis.join("\n"));
    }
    run_command(&mut cargo)
}

/// What the test needs, installed if it is not there yet.
pub(crate) fn variables() -> anyhow::Result<[(&'static str, String); 2]> {
    let program = SCHEMATHESIS.command()?.get_program().to_string_lossy().into_owned();
    Ok([(PROGRAM, program), (ARGUMENTS, SHORT.to_owned())])
}
