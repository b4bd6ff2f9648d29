//! `etui history`: what an entry's fields were before.

use clap::Args;
use etui_vault::Entry;
use serde::Serialize;

use super::selection;
use crate::{context::Context, entry_view, failure::Failure, output::time_text};

/// Show previous values of an entry, the newest first; hidden ones only when asked for
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// Show hidden values
    #[arg(long)]
    reveal: bool,
}

const EXAMPLES: &str = "\
Examples:
  etui history GitHub
  etui history GitHub --reveal --json
  etui restore GitHub --version 1";

/// One previous value.
#[derive(Debug, Serialize)]
pub(super) struct Previous {
    /// Counted from 1, the newest.
    pub(super) version: usize,
    /// What it was the value of.
    pub(super) field: String,
    /// Where exactly, as the entry records it.
    #[serde(skip)]
    pub(super) place: String,
    /// Whether the value must not be shown unasked.
    pub(super) hidden: bool,
    /// When it was replaced, in milliseconds since the Unix epoch.
    pub(super) replaced_at_ms: u64,
    /// The value; none if it is hidden and was not asked for, or is no text.
    pub(super) value: Option<String>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let found = selection::fetch(&mut context.agent()?, &arguments.entry)?;
    let versions = versions(&found.entry, arguments.reveal);
    context.output.document(&versions)?;
    if versions.is_empty() {
        return context.output.line("Nothing was changed yet.");
    }
    context.output.table(&versions.iter().map(row).collect::<Vec<_>>())
}

/// All previous values, newest first.
pub(super) fn versions(entry: &Entry, reveal: bool) -> Vec<Previous> {
    let mut recorded: Vec<_> = entry.history().collect();
    recorded.reverse();
    (1..)
        .zip(recorded)
        .map(|(version, recorded)| {
            let (field, hidden) = entry.describe(recorded.place);
            let value = (reveal || !hidden).then(|| recorded.value.as_text().map(str::to_owned)).flatten();
            let place = recorded.place.to_owned();
            Previous { version, field, place, hidden, replaced_at_ms: recorded.at_ms, value }
        })
        .collect()
}

fn row(version: &Previous) -> [String; 4] {
    let value = version.value.clone().unwrap_or_else(|| entry_view::MASK.to_owned());
    [version.version.to_string(), time_text(version.replaced_at_ms), version.field.clone(), value]
}

#[cfg(test)]
mod tests {
    use etui_vault::{Edit, EntryType, FieldPath, apply};

    use super::*;

    #[test]
    fn hidden_values_show_only_when_asked_for_and_the_newest_is_first() {
        let set = |path, value: &str| Edit::Set { path, value: value.into() };
        let mut entry = Entry::new(EntryType::Login, "Mail", 1);
        for (time, number) in [(2, "one"), (3, "two"), (4, "three")] {
            let edits = [set(FieldPath::Username, number), set(FieldPath::Password, number)];
            entry = apply(&entry, &edits, time).unwrap();
        }
        let shown = |reveal| {
            let versions = versions(&entry, reveal).into_iter();
            versions.map(|version| (version.version, version.field, version.value)).collect::<Vec<_>>()
        };
        let some = |value: &str| Some(value.to_owned());
        let expected = |password: fn(&str) -> Option<String>| {
            vec![
                (1, "password".to_owned(), password("two")),
                (2, "username".to_owned(), some("two")),
                (3, "password".to_owned(), password("one")),
                (4, "username".to_owned(), some("one")),
            ]
        };
        assert_eq!(shown(false), expected(|_| None));
        assert_eq!(shown(true), expected(|value| Some(value.to_owned())));
    }
}
