//! `etui refused`: what the server sent and was refused.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::export::destination;
use crate::{
    agent::{
        AgentError,
        protocol::{Refused, Reply, Request},
    },
    context::Context,
    failure::Failure,
    output::{count, time_text},
};

/// Look at what the server sent and was refused
///
/// What does not verify changes nothing here. It is put aside byte for byte, up to 64 MiB, and never used or sent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui refused list\n  etui refused export --to refused.jsonl")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say when, by which name and why, oldest first
    #[command(after_help = "Examples:\n  etui refused list\n  etui refused list --json")]
    List,
    /// Write all of it to a file, a JSON object on each line with the bytes as base64url
    #[command(after_help = "Example:\n  etui refused export --to refused.jsonl")]
    Export {
        /// Where to
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Forget all of it
    #[command(after_help = "Example:\n  etui refused clear")]
    Clear,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    match &arguments.action {
        Action::List => list(context),
        Action::Export { to } => export(to, context),
        Action::Clear => clear(context),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let Reply::Refused(all) = context.agent()?.ask(&Request::Refused)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&all)?;
    if all.is_empty() {
        return context.output.line("Nothing was refused.");
    }
    context.output.table(&all.iter().map(row).collect::<Vec<_>>())
}

fn row(refused: &Refused) -> [String; 5] {
    let Refused { last_ms, times, refusal, found, asked, length_bytes, .. } = refused;
    let times = count(usize::try_from(*times).unwrap_or(usize::MAX), "time", "times");
    [
        time_text(*last_ms),
        times,
        refusal.clone(),
        format!("{length_bytes} bytes"),
        format!("{found} ({asked})"),
    ]
}

fn export(to: &Path, context: &Context) -> Result<(), Failure> {
    let to = destination(to)?;
    let request = Request::ExportRefused { to: to.clone() };
    let Reply::ExportedRefused(number) = context.agent()?.ask(&request)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&json!({ "to": to, "refused": number }))?;
    context.output.line(&format!("{} written to {to}.", count(number, "refused answer", "refused answers")))
}

fn clear(context: &Context) -> Result<(), Failure> {
    context.agent()?.tell(&Request::ClearRefused)?;
    context.output.document(&json!({ "refused": 0 }))?;
    context.output.line("Forgotten.")
}
