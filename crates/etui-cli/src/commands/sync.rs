//! `etui sync`: exchange with the server and wait for it.

use clap::Args;

use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::Failure,
    output::count,
};

/// Exchange with the server until nothing is left
///
/// Changes are saved on this device at once and sent in the background; this waits for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui sync\n  etui sync --json")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let Reply::Synced(synced) = context.agent()?.ask(&Request::Sync)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&synced)?;
    for notice in &synced.notices {
        context.output.line(&format!("! {notice}"))?;
    }
    let pulled = count(synced.pulled, "change", "changes");
    context.output.line(&format!("Up to date: {pulled} received, {} sent.", synced.pushed))
}
