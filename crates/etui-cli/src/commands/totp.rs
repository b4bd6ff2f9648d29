//! `etui totp`: the present code of an entry.

use clap::Args;
use etui_client::now_ms;
use etui_vault::OneTimePassword;
use serde_json::json;

use super::selection;
use crate::{
    agent::protocol::Edit,
    context::Context,
    failure::{Failure, Kind},
    output::Output,
    secret::Secret,
};

/// Print the one-time password of an entry
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui totp GitHub\n  etui totp GitHub --json")]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let found = selection::fetch(&mut agent, &arguments.entry)?;
    let uri = found.entry.totp().ok_or_else(|| {
        Failure::new(Kind::NotFound, "making a code: the entry has no one-time password")
            .with_hint("`etui edit ENTRY --ask totp` adds one")
    })?;
    let generator = OneTimePassword::parse(uri).map_err(|error| Failure::of(Kind::Failed, &error))?;
    let code = generator.code(now_ms() / 1000);
    // A counter is used up before the code is shown, so that no code is shown twice.
    if let Some(next) = generator.next() {
        let value = Secret::new(next.to_uri().expose());
        selection::change(&mut agent, found.id, vec![Edit::Set { path: "totp".to_owned(), value }])?;
    }
    if context.output.is_json() {
        return context
            .output
            .document(&json!({ "code": code.text.expose(), "remaining_s": code.remaining_s }));
    }
    Output::raw(code.text.expose())
}
