//! `etui rm`: into the trash, or away for good.

use clap::Args;
use serde_json::json;

use super::selection;
use crate::{
    agent::protocol::{Edit, Request},
    context::Context,
    failure::{Failure, Kind},
    prompt,
};

/// Put an entry into the trash
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui rm GitHub\n  etui rm 3f9a --purge")]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// Remove it for good, with its history, on every device
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long, requires = "purge")]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let found = selection::fetch(&mut agent, &arguments.entry)?;
    let title = found.entry.title();
    if !arguments.purge {
        selection::change(&mut agent, found.id, vec![Edit::Trash])?;
        context.output.document(&json!({ "id": found.id, "trashed": true }))?;
        return context
            .output
            .line(&format!("{title} is in the trash. `etui restore {}` brings it back.", found.id));
    }
    if !arguments.yes && !prompt::confirm(&format!("Remove {title} for good, on every device?")) {
        return Err(Failure::new(Kind::Usage, "removing an entry: not confirmed")
            .with_hint("give `--yes` to go ahead"));
    }
    agent.tell(&Request::Purge { entry: found.id })?;
    context.output.document(&json!({ "id": found.id, "purged": true }))?;
    context.output.line(&format!("{title} is removed."))
}
