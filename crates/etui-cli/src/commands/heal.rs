//! `etui heal`: what a restored server has lost.

use clap::Args;

use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::Failure,
};

/// Give a server that was restored from a backup what it has lost
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  etui heal")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let Reply::Healed(healed) = context.agent()?.ask(&Request::Heal)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&healed)?;
    if healed.states + healed.commits + healed.records == 0 {
        return context.output.line("The server has lost nothing.");
    }
    let (states, commits, records) = (healed.states, healed.commits, healed.records);
    context.output.line(&format!("Given back: {states} states, {commits} commits, {records} records."))
}
