//! A new entry before it exists: what `add` and every import fill in.

use core::fmt;

use etui_crypto::RandomSource;

use super::{Edit, EditError, Entry, EntryType, FieldId, FieldKind, FieldPath, MatchRule, apply};
use crate::document::SecretText;

/// What a new entry shall hold; `Debug` shows nothing.
pub struct NewEntry {
    /// What it is.
    pub entry_type: EntryType,
    /// Its title.
    pub title: String,
    /// Its user name.
    pub username: Option<SecretText>,
    /// Its password.
    pub password: Option<SecretText>,
    /// Its addresses, in order.
    pub urls: Vec<(String, MatchRule)>,
    /// Its notes.
    pub notes: Option<SecretText>,
    /// Its one-time password: an `otpauth` URI or a Base32 secret.
    pub totp: Option<SecretText>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its folder.
    pub folder: Option<String>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Its custom fields, in order.
    pub fields: Vec<NewField>,
}

/// A custom field of a [`NewEntry`].
pub struct NewField {
    /// Its name.
    pub label: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Its value.
    pub value: SecretText,
}

impl NewEntry {
    /// An entry of that type and title and nothing else.
    pub fn new(entry_type: EntryType, title: &str) -> Self {
        Self {
            entry_type,
            title: title.to_owned(),
            username: None,
            password: None,
            urls: Vec::new(),
            notes: None,
            totp: None,
            tags: Vec::new(),
            folder: None,
            favourite: false,
            fields: Vec::new(),
        }
    }

    /// Makes the entry, without history. `now_ms`: milliseconds since the Unix epoch; `random` draws the ids of the
    /// custom fields.
    ///
    /// # Errors
    /// The first part that does not fit.
    pub fn into_entry(self, now_ms: u64, random: &mut dyn RandomSource) -> Result<Entry, EditError> {
        let empty = Entry::new(self.entry_type, &self.title, now_ms);
        apply(&empty, &self.into_edits(random), now_ms)
    }

    fn into_edits(self, random: &mut dyn RandomSource) -> Vec<Edit> {
        let texts = [
            (FieldPath::Username, self.username),
            (FieldPath::Password, self.password),
            (FieldPath::Notes, self.notes),
            (FieldPath::Totp, self.totp),
            (FieldPath::Folder, self.folder.map(SecretText::from)),
            (FieldPath::Favourite, self.favourite.then(|| SecretText::new("true"))),
        ];
        let mut edits: Vec<Edit> =
            texts.into_iter().filter_map(|(path, value)| Some(Edit::Set { path, value: value? })).collect();
        edits.extend(self.urls.into_iter().map(|(url, rule)| Edit::AddUrl { url, rule }));
        edits.extend(self.tags.into_iter().map(Edit::AddTag));
        edits.extend(self.fields.into_iter().map(|NewField { label, kind, value }| Edit::AddField {
            id: FieldId::random(random),
            label,
            kind,
            value,
        }));
        edits
    }
}

impl fmt::Debug for NewEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NewEntry(…)")
    }
}
