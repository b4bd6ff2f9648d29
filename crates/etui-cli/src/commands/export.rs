//! `etui export`: the native backup.

use std::path::{Path, PathBuf};

use clap::Args;

use super::backup;
use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    progress::Progress,
};

/// Write a backup of everything, sealed as it is, and read it back
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  etui export --to backup.etui && etui backup verify backup.etui")]
pub(crate) struct Arguments {
    /// Where to
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let to = destination(&arguments.to)?;
    let bar = Progress::start(context, 0, "writing");
    let request = Request::Export { to: to.clone() };
    let Reply::Exported(report) = context.agent()?.ask_with(&request, |done, total| bar.set(done, total))?
    else {
        return Err(AgentError::OtherVersion.into());
    };
    bar.finish();
    context.output.document(&report)?;
    context.output.line(&format!("Written to {to} and read back.\n{}", backup::sentence(&report)))
}

/// Where the agent, which is in another folder, shall write a file.
pub(super) fn destination(to: &Path) -> Result<String, Failure> {
    refuse_stdout(to)?;
    let path = std::path::absolute(to)?.into_os_string().into_string();
    path.map_err(|_| Failure::new(Kind::Usage, "naming a file: the path is not UTF-8"))
}

/// What is written is read back before it has its name, which standard output cannot be.
pub(super) fn refuse_stdout(to: &Path) -> Result<(), Failure> {
    if to.as_os_str() == "-" {
        return Err(Failure::new(Kind::Usage, "naming a file: `-` is none")
            .with_hint("name a file, or `./-` if it is called so"));
    }
    Ok(())
}
