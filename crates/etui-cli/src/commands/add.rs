//! `etui add`: a new entry.

use std::path::PathBuf;

use clap::Args;
use etui_client::{OsRandom, now_ms};
use etui_vault::{
    EntryType, FieldKind, MatchRule, NewEntry, SecretText,
    entry::NewField,
    generator::{self, PasswordRecipe},
};
use serde_json::json;

use super::selection;
use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    secret::Secret,
    secret_input,
};

/// Add an entry
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What it is
    #[arg(value_name = "TYPE", value_parser = selection::entry_type(), hide_possible_values = false)]
    entry_type: EntryType,
    /// Its title
    #[arg(long, value_name = "TEXT", value_parser = selection::title)]
    title: String,
    /// The user name to sign in with
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// An address; may be repeated, the first one is shown
    #[arg(long, value_name = "ADDRESS")]
    url: Vec<String>,
    /// Read the password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Ask for the password
    #[arg(long, conflicts_with_all = ["password_file", "generate"])]
    password: bool,
    /// Make a password of so many characters
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "20", conflicts_with = "password_file")]
    generate: Option<usize>,
    /// Read the one-time password, an `otpauth` URI or a Base32 secret, from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    totp_file: Option<PathBuf>,
    /// Read the notes from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    notes_file: Option<PathBuf>,
    /// A tag; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The folder, its parts divided by `/`
    #[arg(long, value_name = "PATH")]
    folder: Option<String>,
    /// Mark it as a favourite
    #[arg(long)]
    favourite: bool,
    /// A custom field that may be seen; may be repeated
    #[arg(long, value_name = "LABEL=TEXT", value_parser = labelled)]
    field: Vec<(String, String)>,
    /// A hidden custom field, read from a file (`-`: standard input); may be repeated
    #[arg(long, value_name = "LABEL=FILE", value_parser = labelled)]
    hidden_field_file: Vec<(String, String)>,
}

const EXAMPLES: &str = "\
Examples:
  etui add login --title GitHub --username ada --url https://github.com --password
  etui add login --title Forum --username ada --generate 24
  etui add note --title 'Wi-Fi at home' --notes-file note.txt
  etui add login --title Bank --password-file - --hidden-field-file PIN=pin.txt < password.txt";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let title = arguments.title.clone();
    let entry = arguments
        .into_new_entry()?
        .into_entry(now_ms(), &mut OsRandom)
        .map_err(|error| Failure::of(Kind::Usage, &error))?;
    let document = Secret::from_utf8(&entry.encode()?);
    match agent.ask(&Request::Add { entries: document.into_iter().collect() })? {
        Reply::Added(ids) if ids.len() == 1 => {
            context.output.document(&json!({ "id": ids[0] }))?;
            context.output.line(&format!("Added {title} ({}).", ids[0]))
        }
        _ => Err(AgentError::OtherVersion.into()),
    }
}

impl Arguments {
    fn into_new_entry(self) -> Result<NewEntry, Failure> {
        let mut new = NewEntry::new(self.entry_type, &self.title);
        new.password = self.password()?;
        new.totp = from_file(self.totp_file.as_ref())?;
        new.notes = from_file(self.notes_file.as_ref())?;
        new.username = self.username.map(SecretText::from);
        new.urls = self.url.into_iter().map(|url| (url, MatchRule::Domain)).collect();
        new.tags = self.tag;
        new.folder = self.folder;
        new.favourite = self.favourite;
        let seen = self.field.into_iter();
        new.fields = seen
            .map(|(label, value)| NewField { label, kind: FieldKind::Text, value: value.into() })
            .collect();
        for (label, file) in self.hidden_field_file {
            let value = text(&secret_input::from_file(file.as_ref())?);
            new.fields.push(NewField { label, kind: FieldKind::Hidden, value });
        }
        Ok(new)
    }

    fn password(&self) -> Result<Option<SecretText>, Failure> {
        if let Some(length) = self.generate {
            return generated(length).map(Some);
        }
        if self.password {
            return Ok(Some(text(&secret_input::read(None, "password")?)));
        }
        from_file(self.password_file.as_ref())
    }
}

/// A random password of all classes.
pub(super) fn generated(length: usize) -> Result<SecretText, Failure> {
    let recipe = PasswordRecipe { length, ..PasswordRecipe::default() };
    let made = generator::password(&recipe, &mut OsRandom);
    made.map(|made| made.text).map_err(|error| Failure::of(Kind::Usage, &error))
}

/// `LABEL=REST`.
pub(super) fn labelled(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((label, rest)) if !label.is_empty() => Ok((label.to_owned(), rest.to_owned())),
        _ => Err("it has the form NAME=VALUE"),
    }
}

fn from_file(file: Option<&PathBuf>) -> Result<Option<SecretText>, Failure> {
    Ok(file.map(|file| secret_input::from_file(file)).transpose()?.map(|secret| text(&secret)))
}

fn text(secret: &Secret) -> SecretText {
    SecretText::from(secret.expose())
}
