//! An entry: the body of a type 1 record (`spec/entry.md`).
//!
//! The whole JSON document is kept, so that members written by a newer client survive. The functions here are typed
//! views on it; [`apply`] is the only way to change it and writes the history as it goes.

mod check;
mod edit;
mod kind;
pub(crate) mod member;
mod new;
mod path;

use core::fmt;

use etui_chain::{Digest, ObjectId, Refused};
use zeroize::Zeroizing;

use crate::document::{Document, SecretText, Value};

pub(crate) use edit::prune_history;
pub use edit::{Edit, EditError, Keep, apply};
pub use kind::{EntryType, FieldKind, MatchRule};
pub use new::{NewEntry, NewField};
pub(crate) use path::join;
pub use path::{FieldId, FieldPath, UnknownField};

/// The most previous values that an entry keeps; beyond it the oldest go.
pub const MAX_HISTORY: usize = 50;

/// The most bytes of JSON that previous values may take; the newest is kept whatever its size.
pub const MAX_HISTORY_BYTES: usize = 256 * 1024;

/// The most addresses, tags, custom fields or attachments that an edit may leave in one entry.
pub const MAX_LISTED: usize = 500;

/// One decrypted entry. No `Clone`, no `Serialize`; `Debug` shows nothing.
#[derive(PartialEq, Eq)]
pub struct Entry {
    document: Document,
}

impl Entry {
    /// A new, empty entry. `now_ms`: milliseconds since the Unix epoch.
    pub fn new(entry_type: EntryType, title: &str, now_ms: u64) -> Self {
        Self {
            document: Document::from([
                (member::TYPE, Value::text(entry_type.name())),
                (member::TITLE, Value::text(title)),
                (member::CREATED, Value::integer(now_ms)),
                (member::MODIFIED, Value::integer(now_ms)),
            ]),
        }
    }

    /// Reads the body of an entry record.
    ///
    /// # Errors
    /// `format` if it is not a document of `spec/entry.md`, `limit` if it is too large, too deep or lists too much.
    pub fn decode(body: &[u8]) -> Result<Self, Refused> {
        Self::from_document(Document::decode(body)?)
    }

    /// Writes the body of an entry record; equal entries give equal bytes.
    ///
    /// # Errors
    /// `limit` if it has grown beyond [`crate::document::MAX_DOCUMENT_BYTES`]: only a [`crate::merge()`] of two very
    /// large entries can do that, since [`apply`] checks. Then keep one side as an entry of its own.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.document.encode()
    }

    pub(crate) fn from_document(document: Document) -> Result<Self, Refused> {
        check::document(&document)?;
        Ok(Self { document })
    }

    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// A second copy, deliberately made.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { document: self.document.duplicate() }
    }

    /// What kind of entry it is; [`EntryType::Unknown`] for one of a newer client.
    pub fn entry_type(&self) -> EntryType {
        EntryType::from_name(self.type_name())
    }

    /// The kind by the name that is written.
    pub fn type_name(&self) -> &str {
        self.document.text(member::TYPE).unwrap_or_default()
    }

    /// The title; may be empty.
    pub fn title(&self) -> &str {
        self.document.text(member::TITLE).unwrap_or_default()
    }

    /// The user name to sign in with.
    pub fn username(&self) -> Option<&str> {
        self.document.text(member::USERNAME)
    }

    /// The password.
    pub fn password(&self) -> Option<&str> {
        self.document.text(member::PASSWORD)
    }

    /// Free text.
    pub fn notes(&self) -> Option<&str> {
        self.document.text(member::NOTES)
    }

    /// The one-time password as an `otpauth` URI.
    pub fn totp(&self) -> Option<&str> {
        self.document.text(member::TOTP)
    }

    /// The folder, its segments divided by `/`; none: not in a folder.
    pub fn folder(&self) -> Option<&str> {
        self.document.text(member::FOLDER)
    }

    /// The addresses, the first one being the one that is shown.
    pub fn urls(&self) -> impl Iterator<Item = EntryUrl<'_>> {
        self.objects(member::URLS).map(|url| EntryUrl {
            url: url.text(member::URL).unwrap_or_default(),
            rule: url.text(member::MATCH).map_or(MatchRule::Domain, MatchRule::from_name),
        })
    }

    /// The tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.document.list(member::TAGS).iter().filter_map(Value::as_text)
    }

    /// The custom fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = CustomField<'_>> {
        self.objects(member::FIELDS).map(CustomField::of)
    }

    /// The first custom field of that label.
    pub fn field_labelled(&self, label: &str) -> Option<CustomField<'_>> {
        self.fields().find(|field| field.label == label)
    }

    /// The attachments: what must be live in the vault beside this entry.
    pub fn attachments(&self) -> impl Iterator<Item = Attachment> {
        self.objects(member::ATTACHMENTS).filter_map(Attachment::of)
    }

    /// Previous values, oldest first.
    pub fn history(&self) -> impl Iterator<Item = Recorded<'_>> {
        self.objects(member::HISTORY).map(Recorded::of)
    }

    /// Values that lost a merge and wait for the person to choose.
    pub fn conflicts(&self) -> impl Iterator<Item = Recorded<'_>> {
        self.objects(member::CONFLICTS).map(Recorded::of)
    }

    /// Whether it is marked as a favourite.
    pub fn is_favourite(&self) -> bool {
        matches!(self.document.get(member::FAVOURITE), Some(Value::Bool(true)))
    }

    /// When it was created, in milliseconds since the Unix epoch.
    pub fn created_ms(&self) -> u64 {
        self.time_ms(member::CREATED).unwrap_or_default()
    }

    /// When it was last changed, in milliseconds since the Unix epoch.
    pub fn modified_ms(&self) -> u64 {
        self.time_ms(member::MODIFIED).unwrap_or_default()
    }

    /// When it was archived, if it is.
    pub fn archived_ms(&self) -> Option<u64> {
        self.time_ms(member::ARCHIVED)
    }

    /// When it was put into the trash, if it is there.
    pub fn trashed_ms(&self) -> Option<u64> {
        self.time_ms(member::TRASHED)
    }

    /// The value at a path as text: the first address, the tags joined by commas, `true` or `false` for the favourite
    /// mark. None where there is none.
    pub fn value(&self, path: &FieldPath) -> Option<SecretText> {
        match path {
            FieldPath::Url => self.urls().next().map(|url| url.url.into()),
            FieldPath::Tags => {
                let tags: Vec<&str> = self.tags().collect();
                (!tags.is_empty()).then(|| tags.join(",").into())
            }
            FieldPath::Favourite => Some(self.is_favourite().to_string().into()),
            FieldPath::Field(label) => self.field_labelled(label).map(|field| field.value.into()),
            text => text.member().and_then(|name| self.document.text(name)).map(Into::into),
        }
    }

    /// Whether the value at a path must not be shown unasked nor given on a command line: the password, the one-time
    /// password, and custom fields that are hidden, hold a one-time password or are of a kind not known here.
    pub fn is_hidden(&self, path: &FieldPath) -> bool {
        match path {
            FieldPath::Password | FieldPath::Totp => true,
            FieldPath::Field(label) => self.field_labelled(label).is_some_and(|field| field.kind.is_hidden()),
            _ => false,
        }
    }

    /// How to name the place of a [`Recorded`] value to a person, and whether the value must not be shown unasked.
    pub fn describe(&self, place: &str) -> (String, bool) {
        path::describe(self, place)
    }

    fn objects(&self, name: &str) -> impl Iterator<Item = &Document> {
        self.document.list(name).iter().filter_map(Value::as_object)
    }

    fn time_ms(&self, name: &str) -> Option<u64> {
        self.document.get(name).and_then(Value::as_unsigned)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Entry(…)")
    }
}

/// One address of an entry.
pub struct EntryUrl<'a> {
    /// The address as it was entered.
    pub url: &'a str,
    /// Which pages it stands for.
    pub rule: MatchRule,
}

/// One custom field of an entry.
pub struct CustomField<'a> {
    /// Its identity, kept when it is renamed.
    pub id: &'a str,
    /// Its name.
    pub label: &'a str,
    /// What it holds.
    pub kind: FieldKind,
    /// Its value; for [`FieldKind::File`] the id of an attachment.
    pub value: &'a str,
}

impl<'a> CustomField<'a> {
    fn of(field: &'a Document) -> Self {
        Self {
            id: field.text(member::ID).unwrap_or_default(),
            label: field.text(member::LABEL).unwrap_or_default(),
            kind: FieldKind::from_name(field.text(member::FIELD_TYPE).unwrap_or_default()),
            value: field.text(member::VALUE).unwrap_or_default(),
        }
    }
}

/// One attachment, as its entry lists it.
pub struct Attachment {
    /// The object that holds its parts (record type 2).
    pub id: ObjectId,
    /// The file name.
    pub name: String,
    /// The true length in bytes, without padding.
    pub size: u64,
    /// The hash over its parts, as the commit's leaf has it.
    pub record_hash: Digest,
}

impl Attachment {
    fn of(attachment: &Document) -> Option<Self> {
        Some(Self {
            id: attachment.text(member::ID)?.parse().ok()?,
            name: attachment.text(member::NAME)?.to_owned(),
            size: attachment.get(member::SIZE)?.as_unsigned()?,
            record_hash: attachment.text(member::RECORD_HASH)?.parse().ok()?,
        })
    }

    fn to_value(&self) -> Value {
        Value::Object(Document::from([
            (member::ID, Value::text(&self.id.to_string())),
            (member::NAME, Value::text(&self.name)),
            (member::SIZE, Value::integer(self.size)),
            (member::RECORD_HASH, Value::text(&self.record_hash.to_string())),
        ]))
    }
}

/// A value that is not the current one: of the history, or of a conflict.
pub struct Recorded<'a> {
    /// Its place (`spec/entry.md`, "Places"); [`Entry::describe`] names it to people.
    pub place: &'a str,
    /// The value.
    pub value: &'a Value,
    /// History: when it was replaced. Conflict: when the side that wrote it was last changed. Unix milliseconds.
    pub at_ms: u64,
}

impl<'a> Recorded<'a> {
    fn of(recorded: &'a Document) -> Self {
        Self {
            place: recorded.text(member::FIELD).unwrap_or_default(),
            value: recorded.get(member::VALUE).unwrap_or(&Value::Null),
            at_ms: recorded.get(member::AT).and_then(Value::as_unsigned).unwrap_or_default(),
        }
    }

    /// The document form, for the history or the conflicts of an entry.
    pub(crate) fn to_value(place: &str, value: Value, at_ms: u64) -> Value {
        Value::Object(Document::from([
            (member::FIELD, Value::text(place)),
            (member::VALUE, value),
            (member::AT, Value::integer(at_ms)),
        ]))
    }
}

#[cfg(test)]
mod tests;
