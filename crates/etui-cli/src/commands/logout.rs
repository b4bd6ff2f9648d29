//! `etui logout`: this folder stops being a device.

use clap::Args;
use serde_json::json;

use crate::{agent::protocol::Request, context::Context, failure::Failure};

/// Sign out and remove the local copy
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui logout\n  etui logout --force")]
pub(crate) struct Arguments {
    /// Even if changes have not been sent: they are lost
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    agent.tell(&Request::LogOut { force: arguments.force })?;
    agent.lock()?;
    context.output.document(&json!({ "signed_in": false }))?;
    context.output.line("Signed out. Nothing of the account is left in this folder.")
}
