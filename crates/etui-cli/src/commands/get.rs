//! `etui get`: one entry, or one value of it.

use clap::Args;

use super::selection;
use crate::{
    context::Context,
    entry_view,
    failure::{Failure, Kind},
    output::Output,
};

/// Show an entry, hidden values masked, or print one value
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// Print this value and a newline, nothing else: title, username, password, url, notes, totp, tags, folder,
    /// favourite or field.NAME
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Show hidden values
    #[arg(long)]
    reveal: bool,
}

const EXAMPLES: &str = "\
Examples:
  etui get GitHub
  etui get GitHub --field password
  etui get 3f9a --json --reveal";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let path = arguments.field.as_deref().map(selection::field).transpose()?;
    let found = selection::fetch(&mut context.agent()?, &arguments.entry)?;
    let Some(path) = path else {
        context.output.document(&entry_view::document(&found.id, &found.entry, arguments.reveal))?;
        return context.output.table(&entry_view::rows(&found.id, &found.entry, arguments.reveal));
    };
    let value = found.entry.value(&path).ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("reading a field: the entry has no {path}"))
            .with_hint("`etui get ENTRY` shows which fields it has")
    })?;
    if context.output.is_json() {
        return context
            .output
            .document(&serde_json::json!({ "field": path.to_string(), "value": value.expose() }));
    }
    Output::raw(value.expose())
}
