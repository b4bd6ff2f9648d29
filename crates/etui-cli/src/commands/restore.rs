//! `etui restore`: out of the trash, or a previous value back.

use clap::Args;
use etui_vault::Entry;
use serde_json::json;

use super::{history, selection};
use crate::{
    agent::protocol::Edit,
    context::Context,
    failure::{Failure, Kind},
    secret::Secret,
};

/// Take an entry out of the trash, or bring back a previous value
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui restore 3f9a\n  etui restore GitHub --version 2")]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// Bring back this value of `etui history` instead; the present one goes into the history
    #[arg(long, value_name = "NUMBER")]
    version: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let found = selection::fetch(&mut agent, &arguments.entry)?;
    let (edit, what) = match arguments.version {
        None if found.entry.trashed_ms().is_none() => {
            return Err(Failure::new(
                Kind::Usage,
                format!("restoring an entry: {} is not in the trash", found.entry.title()),
            )
            .with_hint(
                "`etui restore ENTRY --version NUMBER` brings back a value that `etui history ENTRY` lists",
            ));
        }
        None => (Edit::Restore, "entry".to_owned()),
        Some(version) => previous(&found.entry, version)?,
    };
    selection::change(&mut agent, found.id, vec![edit])?;
    context.output.document(&json!({ "id": found.id, "restored": what }))?;
    context.output.line(&format!("Restored {} ({what}).", found.entry.title()))
}

/// The change that brings a previous value back, and what it is a value of.
fn previous(entry: &Entry, version: usize) -> Result<(Edit, String), Failure> {
    let mut versions = history::versions(entry, true).into_iter();
    let recorded = versions.find(|recorded| recorded.version == version).ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("restoring a value: there is no version {version}"))
            .with_hint("`etui history ENTRY` lists them")
    })?;
    let value = recorded.value.as_deref().map(Secret::new);
    let edit = match (recorded.field.as_str(), value) {
        ("tags", Some(value)) => Edit::AddTag(value.expose().to_owned()),
        (field, Some(value)) if is_value_of(field, &recorded.place) => {
            Edit::Set { path: field.to_owned(), value }
        }
        _ => {
            return Err(Failure::new(
                Kind::Usage,
                format!("restoring a value: {} cannot be brought back", recorded.field),
            )
            .with_hint("`etui history ENTRY --reveal --json` shows it"));
        }
    };
    Ok((edit, recorded.field))
}

/// Whether the recorded text is what the field held: the history of a custom field also has its former names.
fn is_value_of(field: &str, place: &str) -> bool {
    match field.strip_prefix("field.") {
        Some(_) => place.ends_with("/value"),
        None => place == field,
    }
}

#[cfg(test)]
mod tests {
    use etui_vault::{EntryType, FieldKind, FieldPath, apply, entry::FieldId};

    use super::*;

    fn set(path: FieldPath, value: &str) -> etui_vault::Edit {
        etui_vault::Edit::Set { path, value: value.into() }
    }

    fn entry() -> Entry {
        let label = || FieldPath::Field("PIN".to_owned());
        let add = etui_vault::Edit::AddField {
            id: FieldId::random(&mut etui_client::OsRandom),
            label: "Pin".to_owned(),
            kind: FieldKind::Hidden,
            value: "1".into(),
        };
        let rename = etui_vault::Edit::RenameField { from: "Pin".to_owned(), to: "PIN".to_owned() };
        let entry = Entry::new(EntryType::Login, "Mail", 1);
        let edits =
            [set(FieldPath::Password, "a"), add, rename, set(FieldPath::Password, "b"), set(label(), "2")];
        apply(&entry, &edits, 2).unwrap()
    }

    #[test]
    fn a_value_comes_back_to_its_field() {
        let (edit, what) = previous(&entry(), 1).unwrap();
        assert!(matches!(edit, Edit::Set { path, value } if path == "field.PIN" && value.expose() == "1"));
        assert_eq!(what, "field.PIN");
        let (edit, _) = previous(&entry(), 2).unwrap();
        assert!(matches!(edit, Edit::Set { path, value } if path == "password" && value.expose() == "a"));
    }

    #[test]
    fn a_former_name_is_no_value() {
        assert_eq!(previous(&entry(), 3).unwrap_err().kind, Kind::Usage);
        assert_eq!(previous(&entry(), 4).unwrap_err().kind, Kind::NotFound);
    }
}
