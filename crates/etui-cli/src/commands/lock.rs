//! `etui lock`: end the agent.

use clap::Args;
use serde_json::json;

use crate::{agent, context::Context, failure::Failure};

/// Forget all keys at once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  etui lock")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    if let Some(agent) = agent::client::connect(&context.home)? {
        agent.lock()?;
    }
    context.output.document(&json!({ "unlocked": false }))?;
    context.output.line("This device is locked.")
}
