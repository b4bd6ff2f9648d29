//! `etui export`: the native backup.

use std::path::PathBuf;

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
    // The agent is in another folder.
    let path = std::path::absolute(&arguments.to)?;
    let to = path.to_str().ok_or_else(|| Failure::new(Kind::Usage, "exporting: the path is not UTF-8"))?;
    let bar = Progress::start(context, 0, "writing");
    let request = Request::Export { to: to.to_owned() };
    let Reply::Exported(report) = context.agent()?.ask_with(&request, |done, total| bar.set(done, total))?
    else {
        return Err(AgentError::OtherVersion.into());
    };
    bar.finish();
    context.output.document(&report)?;
    context.output.line(&format!("Written to {to} and read back.\n{}", backup::sentence(&report)))
}
