//! `etui edit`: change an entry.

use std::path::PathBuf;

use clap::Args;
use etui_vault::{Entry, FieldPath};
use serde_json::json;

use super::{
    add::{generated, labelled},
    selection,
};
use crate::{
    agent::protocol::Edit,
    context::Context,
    failure::{Failure, Kind},
    secret::Secret,
    secret_input,
};

/// Change an entry; what was there goes into its history
///
/// `--set` refuses hidden fields: their values come from a prompt, a file or standard input.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its title, its id, or the beginning of its id
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// Set a field that may be seen; a custom field (field.NAME) is added if it is not there; may be repeated
    #[arg(long, value_name = "FIELD=TEXT", value_parser = labelled)]
    set: Vec<(String, String)>,
    /// Empty a field; a custom field is removed; may be repeated
    #[arg(long, value_name = "FIELD")]
    clear: Vec<String>,
    /// Ask for a value: password, totp, notes or field.NAME; may be repeated
    #[arg(long, value_name = "FIELD")]
    ask: Vec<String>,
    /// Read a value from a file (`-`: standard input); a custom field that is not there is added, hidden; may be
    /// repeated
    #[arg(long, value_name = "FIELD=FILE", value_parser = labelled)]
    set_file: Vec<(String, String)>,
    /// Read the password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Make a new password of so many characters
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "20", conflicts_with = "password_file")]
    generate: Option<usize>,
    /// Add an address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    add_url: Vec<String>,
    /// Remove an address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    remove_url: Vec<String>,
    /// Add a tag; may be repeated
    #[arg(long, value_name = "TAG")]
    add_tag: Vec<String>,
    /// Remove a tag; may be repeated
    #[arg(long, value_name = "TAG")]
    remove_tag: Vec<String>,
    /// Put it into the archive
    #[arg(long, conflicts_with = "unarchive")]
    archive: bool,
    /// Take it out of the archive
    #[arg(long)]
    unarchive: bool,
}

const EXAMPLES: &str = "\
Examples:
  etui edit GitHub --set username=ada2 --set url=https://github.com/login
  etui edit GitHub --ask password
  etui edit GitHub --generate 24
  etui edit Bank --set-file field.PIN=pin.txt --add-tag money";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let found = selection::fetch(&mut agent, &arguments.entry)?;
    let edits = arguments.into_edits(&found.entry)?;
    edits.iter().try_for_each(check_title)?;
    if edits.is_empty() {
        return Err(Failure::new(Kind::Usage, "changing an entry: nothing to change")
            .with_hint("see `etui edit --help`"));
    }
    let changed = selection::change(&mut agent, found.id, edits)?;
    context.output.document(&json!({ "id": changed.id }))?;
    context.output.line(&format!("Changed {}.", changed.entry.title()))
}

impl Arguments {
    fn into_edits(self, entry: &Entry) -> Result<Vec<Edit>, Failure> {
        let mut edits = Vec::new();
        for (name, text) in self.set {
            edits.push(seen(entry, &name, text)?);
        }
        for (name, file) in &self.set_file {
            let path = selection::field(name)?;
            edits.push(set(entry, path, secret_input::from_file(file.as_ref())?, true));
        }
        for name in &self.ask {
            let path = selection::field(name)?;
            edits.push(set(entry, path, secret_input::read(None, name)?, true));
        }
        if let Some(file) = &self.password_file {
            edits.push(set(entry, FieldPath::Password, secret_input::from_file(file)?, true));
        }
        if let Some(length) = self.generate {
            let password = Secret::new(generated(length)?.expose());
            edits.push(set(entry, FieldPath::Password, password, true));
        }
        for name in &self.clear {
            edits.push(Edit::Clear(selection::field(name)?.to_string()));
        }
        edits.extend(self.add_url.into_iter().map(Edit::AddUrl));
        edits.extend(self.remove_url.into_iter().map(Edit::RemoveUrl));
        edits.extend(self.add_tag.into_iter().map(Edit::AddTag));
        edits.extend(self.remove_tag.into_iter().map(Edit::RemoveTag));
        edits.extend(self.archive.then_some(Edit::Archive));
        edits.extend(self.unarchive.then_some(Edit::Unarchive));
        Ok(edits)
    }
}

/// A value that stood on the command line, where every other process could read it.
fn seen(entry: &Entry, name: &str, text: String) -> Result<Edit, Failure> {
    let path = selection::field(name)?;
    if entry.is_hidden(&path) {
        return Err(Failure::new(
            Kind::Usage,
            format!("setting {path}: hidden values are not given as arguments"),
        )
        .with_hint(format!("use `--ask {path}` or `--set-file {path}=FILE`")));
    }
    Ok(set(entry, path, Secret::new(text), false))
}

fn check_title(edit: &Edit) -> Result<(), Failure> {
    match edit {
        Edit::Set { path, value } if *path == FieldPath::Title.to_string() => {
            selection::title(value.expose())
                .map(drop)
                .map_err(|wrong| Failure::new(Kind::Usage, format!("changing an entry: {wrong}")))
        }
        _ => Ok(()),
    }
}

fn set(entry: &Entry, path: FieldPath, value: Secret, hidden: bool) -> Edit {
    match path {
        FieldPath::Field(label) if entry.field_labelled(&label).is_none() => {
            Edit::AddField { label, hidden, value }
        }
        path => Edit::Set { path: path.to_string(), value },
    }
}

#[cfg(test)]
mod tests {
    use etui_vault::{EntryType, FieldKind, NewEntry, entry::NewField};

    use super::*;

    fn entry() -> Entry {
        let mut new = NewEntry::new(EntryType::Login, "Bank");
        let field = |label: &str, kind| NewField { label: label.to_owned(), kind, value: "1".into() };
        new.fields = vec![
            field("Branch", FieldKind::Text),
            field("PIN", FieldKind::Hidden),
            field("Code", FieldKind::Otp),
        ];
        new.into_entry(1, &mut etui_client::OsRandom).unwrap()
    }

    #[test]
    fn hidden_values_are_refused_on_the_command_line() {
        for name in ["password", "totp", "field.PIN", "field.Code"] {
            let failure = seen(&entry(), name, "x".to_owned()).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{name}");
            assert!(failure.hint.unwrap().contains(&format!("--ask {name}")));
        }
        for name in ["title", "username", "url", "notes", "tags", "folder", "favourite", "field.Branch"] {
            assert!(matches!(seen(&entry(), name, "x".to_owned()), Ok(Edit::Set { .. })), "{name}");
        }
        assert_eq!(seen(&entry(), "pasword", "x".to_owned()).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_title_is_one_line() {
        let edit = |text: &str| seen(&entry(), "title", text.to_owned()).unwrap();
        assert!(check_title(&edit("Bank & Sons")).is_ok());
        for text in ["", "  ", "Bank\nSons", "Bank\u{1b}[2J"] {
            assert_eq!(check_title(&edit(text)).unwrap_err().kind, Kind::Usage, "{text:?}");
        }
        assert!(check_title(&seen(&entry(), "notes", "a\nb".to_owned()).unwrap()).is_ok());
    }

    #[test]
    fn a_new_field_is_hidden_unless_its_value_was_seen() {
        let is_hidden = |edit| matches!(edit, Edit::AddField { hidden: true, .. });
        let path = FieldPath::Field("New".to_owned());
        assert!(is_hidden(set(&entry(), path, Secret::new("x"), true)));
        assert!(!is_hidden(seen(&entry(), "field.New", "x".to_owned()).unwrap()));
    }
}
