//! Naming entries: one by its title or id, several by a filter.

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _},
};
use etui_chain::ObjectId;
use etui_vault::{Entry, EntryType, FieldPath};

use crate::{
    agent::{
        Agent, AgentError,
        protocol::{Edit, Filter, Line, Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    output::count,
};

/// Which entries a list shows.
#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    /// Only this type
    #[arg(long = "type", value_name = "TYPE", value_parser = entry_type())]
    entry_type: Option<EntryType>,
    /// Only with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only in this folder or below
    #[arg(long, value_name = "PATH")]
    folder: Option<String>,
    /// Only favourites
    #[arg(long)]
    favourites: bool,
    /// What is in the trash
    #[arg(long, conflicts_with = "archive")]
    trash: bool,
    /// What is in the archive
    #[arg(long)]
    archive: bool,
}

impl From<FilterArguments> for Filter {
    fn from(arguments: FilterArguments) -> Self {
        Self {
            trash: arguments.trash,
            archive: arguments.archive,
            entry_type: arguments.entry_type.map(|entry_type| entry_type.name().to_owned()),
            tag: arguments.tag,
            folder: arguments.folder,
            favourites: arguments.favourites,
        }
    }
}

/// Reads an entry type by its name.
pub(super) fn entry_type() -> impl clap::builder::TypedValueParser<Value = EntryType> {
    let values = EntryType::ALL.iter().map(|entry_type| match entry_type {
        EntryType::Note => PossibleValue::new(entry_type.name()).alias(SECURE_NOTE),
        other => PossibleValue::new(other.name()),
    });
    PossibleValuesParser::new(values)
        .map(|name| EntryType::from_name(if name == SECURE_NOTE { EntryType::Note.name() } else { &name }))
}

/// What other programs call a note.
const SECURE_NOTE: &str = "secure-note";

/// An entry with its secrets.
pub(super) struct Found {
    pub(super) id: ObjectId,
    pub(super) entry: Entry,
}

/// Fetches the entry of that title or id.
pub(super) fn fetch(agent: &mut Agent, name: &str) -> Result<Found, Failure> {
    found(agent.ask(&Request::Get { entry: name.to_owned() })?)
}

/// Changes an entry and hands back what it is now.
pub(super) fn change(agent: &mut Agent, id: ObjectId, edits: Vec<Edit>) -> Result<Found, Failure> {
    found(agent.ask(&Request::Edit { entry: id, edits })?)
}

/// A title: one line that says something.
pub(super) fn title(typed: &str) -> Result<String, &'static str> {
    one_line(typed).ok_or("a title is one line of text")
}

/// The name of a device: one line of at most 100 characters.
pub(super) fn device_name(typed: &str) -> Result<String, &'static str> {
    let name = one_line(typed).filter(|name| name.chars().count() <= MAX_DEVICE_NAME);
    name.ok_or("a device's name is one line of at most 100 characters")
}

const MAX_DEVICE_NAME: usize = 100;

fn one_line(typed: &str) -> Option<String> {
    let is_one = !typed.trim().is_empty() && !typed.contains(char::is_control);
    is_one.then(|| typed.to_owned())
}

/// Names a field, as a person does.
pub(super) fn field(name: &str) -> Result<FieldPath, Failure> {
    name.parse().map_err(|error| Failure::of(Kind::Usage, &error))
}

/// Lists what a request brings, or says that it is nothing.
pub(super) fn show(context: &Context, request: &Request) -> Result<(), Failure> {
    let Reply::Entries(lines) = context.agent()?.ask(request)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&lines)?;
    context.output.table(&lines.iter().map(row).collect::<Vec<_>>())?;
    context.output.note(&count(lines.len(), "entry", "entries"));
    Ok(())
}

fn found(reply: Reply) -> Result<Found, Failure> {
    let Reply::Entry { id, document } = reply else { return Err(AgentError::OtherVersion.into()) };
    Ok(Found { id, entry: Entry::decode(document.expose().as_bytes())? })
}

/// The first eight digits of an id are enough for people to go on with.
fn row(line: &Line) -> [String; 5] {
    let marks = [(line.favourite, "★"), (line.has_totp, "totp"), (line.conflicts > 0, "conflict")];
    let marks: Vec<&str> = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect();
    [
        line.id.to_string()[..8].to_owned(),
        line.title.clone(),
        line.username.clone(),
        line.hosts.first().cloned().unwrap_or_else(|| line.type_name.clone()),
        marks.join(" "),
    ]
}
