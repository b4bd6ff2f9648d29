//! Naming one field: as a person types it, and as the history and the conflicts record it.

use core::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use etui_crypto::RandomSource;

use super::{Entry, FieldKind, member};

/// One field of an entry, as it is named on a command line: `title`, `username`, `password`, `url`, `notes`, `totp`,
/// `tags`, `folder`, `favourite` or `field.LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldPath {
    /// The title.
    Title,
    /// The user name.
    Username,
    /// The password.
    Password,
    /// The first address.
    Url,
    /// The notes.
    Notes,
    /// The one-time password.
    Totp,
    /// All tags.
    Tags,
    /// The folder.
    Folder,
    /// The favourite mark.
    Favourite,
    /// The first custom field of that label.
    Field(String),
}

impl FieldPath {
    /// The text member it stands for, if it stands for one.
    pub(super) const fn member(&self) -> Option<&'static str> {
        match self {
            Self::Title => Some(member::TITLE),
            Self::Username => Some(member::USERNAME),
            Self::Password => Some(member::PASSWORD),
            Self::Notes => Some(member::NOTES),
            Self::Totp => Some(member::TOTP),
            Self::Folder => Some(member::FOLDER),
            Self::Url | Self::Tags | Self::Favourite | Self::Field(_) => None,
        }
    }
}

/// No field has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "naming a field: use title, username, password, url, notes, totp, tags, folder, favourite or field.NAME"
)]
pub struct UnknownField;

impl FromStr for FieldPath {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, UnknownField> {
        Ok(match name {
            "title" => Self::Title,
            "username" => Self::Username,
            "password" => Self::Password,
            "url" => Self::Url,
            "notes" => Self::Notes,
            "totp" => Self::Totp,
            "tags" => Self::Tags,
            "folder" => Self::Folder,
            "favourite" | "favorite" => Self::Favourite,
            _ => match name.strip_prefix("field.") {
                Some(label) if !label.is_empty() => Self::Field(label.to_owned()),
                _ => return Err(UnknownField),
            },
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Title => "title",
            Self::Username => "username",
            Self::Password => "password",
            Self::Url => "url",
            Self::Notes => "notes",
            Self::Totp => "totp",
            Self::Tags => "tags",
            Self::Folder => "folder",
            Self::Favourite => "favourite",
            Self::Field(label) => return write!(formatter, "field.{label}"),
        })
    }
}

/// The identity of a custom field: 16 random bytes, so that two devices can add a field each without meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldId([u8; 16]);

impl FieldId {
    /// Draws a new one.
    pub fn random(random: &mut dyn RandomSource) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Steps of a place, joined as in a JSON pointer (RFC 6901 section 3) without the first `/`; an element of a keyed
/// list is named by its key.
pub(crate) fn join(place: &str, step: &str) -> String {
    let step = step.replace('~', "~0").replace('/', "~1");
    if place.is_empty() { step } else { format!("{place}/{step}") }
}

/// The steps of a place.
pub(crate) fn steps(place: &str) -> impl Iterator<Item = String> {
    place.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"))
}

pub(super) fn describe(entry: &Entry, place: &str) -> (String, bool) {
    let mut steps = steps(place);
    let (first, second) = (steps.next().unwrap_or_default(), steps.next());
    match (first.as_str(), second) {
        (member::PASSWORD | member::TOTP, _) => (first, true),
        (
            member::TYPE
            | member::TITLE
            | member::USERNAME
            | member::NOTES
            | member::FOLDER
            | member::TAGS
            | member::URLS,
            _,
        ) => (first, false),
        (member::FIELDS, Some(id)) => match entry.fields().find(|field| field.id == id) {
            Some(field) => (format!("field.{}", field.label), field.kind.is_hidden()),
            // A field that is gone: its kind lies in the recorded value, which is hidden until asked for.
            None => ("field (removed)".to_owned(), FieldKind::Unknown.is_hidden()),
        },
        _ => (place.to_owned(), true),
    }
}
