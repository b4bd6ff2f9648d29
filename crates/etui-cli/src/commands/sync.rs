//! `etui sync`: exchange with the server and wait for it.

use clap::{Args, builder::NonEmptyStringValueParser};

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
///
/// `fork` means that the server shows another history than this device holds. Nothing is lost and nothing is exchanged
/// until you decide. `etui status` on your other devices shows their head codes:
///
/// - They are on the server's branch: go over to it with `--follow-server CODE`. What is only on this device is put on
///   top as unsent changes, and the branch that is left is written to a backup in this device's folder.
///
/// - They are on this device's branch: have the server restored from a backup from before the branches part, then run
///   `etui heal` here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui sync\n  etui sync --json\n  etui sync --follow-server 7Q2M9XKD")]
pub(crate) struct Arguments {
    /// After a fork: go over to the server's branch, named by the head code that another device shows
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    follow_server: Option<String>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.follow_server {
        None => exchange(context),
        Some(code) => follow(code, context),
    }
}

fn follow(code: String, context: &Context) -> Result<(), Failure> {
    let Reply::Followed(followed) = context.agent()?.ask(&Request::FollowServer { code })? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&followed)?;
    for notice in &followed.notices {
        context.output.line(&format!("! {notice}"))?;
    }
    let unsent = count(followed.unsent, "change", "changes");
    context
        .output
        .line(&format!("Now on the server's branch. {unsent} of this device will be sent on top."))?;
    context.output.line(&format!("The branch that was left is in {}.", followed.left_branch))
}

fn exchange(context: &Context) -> Result<(), Failure> {
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
