//! `etui heal`: what a restored server has lost.

use clap::Args;

use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::Failure,
    progress::Progress,
};

/// Give a server that was restored from a backup what it has lost
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  etui heal")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let bar = Progress::start(context, 0, "uploading");
    let Reply::Healed(healed) =
        context.agent()?.ask_with(&Request::Heal, |done, total| bar.set(done, total))?
    else {
        return Err(AgentError::OtherVersion.into());
    };
    bar.finish();
    context.output.document(&healed)?;
    if healed.states + healed.commits + healed.records == 0 {
        return context.output.line("The server has lost nothing.");
    }
    let (states, commits, records) = (healed.states, healed.commits, healed.records);
    context.output.line(&format!("Given back: {states} states, {commits} commits, {records} records."))
}
