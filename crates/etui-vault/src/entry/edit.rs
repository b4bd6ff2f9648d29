//! Changing an entry: edits are values, applying them is a pure function, and what they overwrite goes into the history.

use core::fmt;

use etui_chain::{ObjectId, Refused};

use super::{
    Attachment, Entry, FieldId, FieldKind, FieldPath, MAX_HISTORY, MAX_HISTORY_BYTES, MAX_LISTED, MatchRule,
    Recorded, member, path,
};
use crate::{
    document::{Document, SecretText, Value},
    totp::OneTimePassword,
};

/// One change of an entry; `Debug` shows nothing.
pub enum Edit {
    /// Sets a field. `url` replaces the first address, `tags` takes a list divided by commas, `favourite` takes `true` or
    /// `false`, `totp` takes an `otpauth` URI or a bare Base32 secret. A custom field must exist.
    Set {
        /// Which one.
        path: FieldPath,
        /// To what.
        value: SecretText,
    },
    /// Empties a field; a custom field is removed.
    Clear(FieldPath),
    /// Adds an address at the end, or changes the rule of one that is there.
    AddUrl {
        /// The address.
        url: String,
        /// Which pages it stands for.
        rule: MatchRule,
    },
    /// Removes an address.
    RemoveUrl(String),
    /// Adds a tag if it is not there.
    AddTag(String),
    /// Removes a tag if it is there.
    RemoveTag(String),
    /// Adds a custom field at the end.
    AddField {
        /// Its identity, newly drawn.
        id: FieldId,
        /// Its name.
        label: String,
        /// What it holds.
        kind: FieldKind,
        /// Its value.
        value: SecretText,
    },
    /// Gives a custom field another name.
    RenameField {
        /// The present name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Lists an attachment.
    Attach(Attachment),
    /// Lists an attachment no more.
    Detach(ObjectId),
    /// Archives the entry.
    Archive,
    /// Takes it out of the archive.
    Unarchive,
    /// Puts it into the trash.
    Trash,
    /// Takes it out of the trash.
    Restore,
    /// Settles every conflict of one place.
    Resolve {
        /// The place, as [`Recorded::place`] has it.
        place: String,
        /// Which value stays.
        keep: Keep,
    },
    /// Forgets all previous values.
    ClearHistory,
}

impl fmt::Debug for Edit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Edit(…)")
    }
}

/// How a conflict is settled; the values not chosen go into the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The present value stays.
    Current,
    /// The n-th conflicting value of that place, counted from 0, takes its place.
    Conflicting(usize),
}

/// Why an edit could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The entry has no such custom field, address, attachment or conflict.
    #[error("changing an entry: it has no such field")]
    NoSuchField,
    /// A name, tag or address is empty.
    #[error("changing an entry: a name, tag or address is empty")]
    Empty,
    /// The value is neither `true` nor `false`.
    #[error("changing an entry: the favourite mark is true or false")]
    NotAFlag,
    /// The value is no one-time password.
    #[error("changing an entry: not an otpauth URI nor a Base32 secret")]
    NotAOneTimePassword,
    /// More than [`MAX_LISTED`] addresses, tags, fields or attachments.
    #[error("changing an entry: too many addresses, tags, fields or attachments (limit: 500)")]
    TooMany,
    /// The entry would not be readable.
    #[error("changing an entry: {0}")]
    Refused(#[from] Refused),
}

/// The entry after the edits, in their order. All or nothing; edits that change nothing leave the entry as it was,
/// its time included. `now_ms`: milliseconds since the Unix epoch.
///
/// # Errors
/// The first edit that does not fit, or `limit` if the entry would become too large.
pub fn apply(entry: &Entry, edits: &[Edit], now_ms: u64) -> Result<Entry, EditError> {
    let mut draft = Draft { document: entry.document.duplicate(), now_ms };
    for edit in edits {
        draft.apply(edit)?;
    }
    if draft.document == entry.document {
        return Ok(entry.duplicate());
    }
    draft.document.set(member::MODIFIED, Value::integer(now_ms.max(entry.modified_ms())));
    prune_history(&mut draft.document);
    draft.finish()
}

/// Drops the oldest previous values until the history is within its bounds.
pub(crate) fn prune_history(document: &mut Document) {
    let history = document.list(member::HISTORY);
    let mut bytes = 0;
    let fitting = history
        .iter()
        .rev()
        .take(MAX_HISTORY)
        .take_while(|recorded| {
            let first = bytes == 0;
            bytes += recorded.encoded_bytes();
            first || bytes <= MAX_HISTORY_BYTES
        })
        .count();
    let surplus = history.len() - fitting;
    if surplus > 0 {
        document.list_mut(member::HISTORY).drain(..surplus);
    }
}

struct Draft {
    document: Document,
    now_ms: u64,
}

impl Draft {
    fn apply(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::Set { path, value } => self.set(path, value)?,
            Edit::Clear(path) => self.clear(path)?,
            Edit::AddUrl { url, rule } => self.add_url(url, *rule)?,
            Edit::RemoveUrl(url) => self.remove_url(url)?,
            Edit::AddTag(tag) => self.add_tag(tag)?,
            Edit::RemoveTag(tag) => self.remove_tag(tag),
            Edit::AddField { id, label, kind, value } => self.add_field(*id, label, *kind, value)?,
            Edit::RenameField { from, to } => self.set_in_field(from, member::LABEL, non_empty(to)?)?,
            Edit::Attach(attachment) => {
                self.document.list_mut(member::ATTACHMENTS).push(attachment.to_value());
            }
            Edit::Detach(id) => self.remove_element(member::ATTACHMENTS, member::ID, &id.to_string())?,
            Edit::Archive => self.mark(member::ARCHIVED),
            Edit::Unarchive => drop(self.document.remove(member::ARCHIVED)),
            Edit::Trash => self.mark(member::TRASHED),
            Edit::Restore => drop(self.document.remove(member::TRASHED)),
            Edit::Resolve { place, keep } => self.resolve(place, *keep)?,
            Edit::ClearHistory => drop(self.document.remove(member::HISTORY)),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Entry, EditError> {
        for name in [member::URLS, member::TAGS, member::FIELDS, member::ATTACHMENTS] {
            match self.document.get(name).and_then(Value::as_list).map(<[Value]>::len) {
                Some(0) => drop(self.document.remove(name)),
                Some(count) if count > MAX_LISTED => return Err(EditError::TooMany),
                _ => {}
            }
        }
        let entry = Entry::from_document(self.document)?;
        entry.encode()?;
        Ok(entry)
    }

    fn set(&mut self, path: &FieldPath, value: &SecretText) -> Result<(), EditError> {
        let text = value.expose();
        match path {
            FieldPath::Url => self.set_first_url(text)?,
            FieldPath::Tags => self.set_tags(text)?,
            FieldPath::Favourite => self.set_favourite(text)?,
            FieldPath::Field(label) => self.set_in_field(label, member::VALUE, text)?,
            FieldPath::Totp => {
                let uri = OneTimePassword::normalise(text).map_err(|_| EditError::NotAOneTimePassword)?;
                self.replace(member::TOTP, Some(Value::Text(uri)));
            }
            FieldPath::Folder => {
                let folder = normal_folder(text);
                self.replace(member::FOLDER, (!folder.is_empty()).then(|| Value::text(&folder)));
            }
            FieldPath::Title => self.replace(member::TITLE, Some(Value::text(text))),
            FieldPath::Username | FieldPath::Password | FieldPath::Notes => {
                self.replace(plain_member(path), (!text.is_empty()).then(|| Value::text(text)));
            }
        }
        Ok(())
    }

    fn clear(&mut self, path: &FieldPath) -> Result<(), EditError> {
        match path {
            FieldPath::Title => self.replace(member::TITLE, Some(Value::text(""))),
            FieldPath::Url => {
                if let Some(url) = self.first_url() {
                    self.remove_url(&url)?;
                }
            }
            FieldPath::Tags => self.set_tags("")?,
            FieldPath::Favourite => drop(self.document.remove(member::FAVOURITE)),
            FieldPath::Field(label) => {
                let id = self.field_id(label)?;
                self.remove_element(member::FIELDS, member::ID, &id)?;
            }
            FieldPath::Username
            | FieldPath::Password
            | FieldPath::Notes
            | FieldPath::Totp
            | FieldPath::Folder => {
                self.replace(plain_member(path), None);
            }
        }
        Ok(())
    }

    /// Sets or removes a member; what was there goes into the history.
    fn replace(&mut self, name: &str, value: Option<Value>) {
        if self.document.get(name) == value.as_ref() {
            return;
        }
        let previous = match value {
            Some(value) => self.document.set(name, value),
            None => self.document.remove(name),
        };
        if let Some(previous) = previous {
            self.record(name, previous);
        }
    }

    /// Adds a previous value; an empty text says nothing and is left out.
    fn record(&mut self, place: &str, previous: Value) {
        if previous.as_text() != Some("") {
            let recorded = Recorded::to_value(place, previous, self.now_ms);
            self.document.list_mut(member::HISTORY).push(recorded);
        }
    }

    fn first_url(&self) -> Option<String> {
        let first = self.document.list(member::URLS).first()?.as_object()?;
        first.text(member::URL).map(str::to_owned)
    }

    fn set_first_url(&mut self, url: &str) -> Result<(), EditError> {
        let url = non_empty(url)?;
        if self.first_url().as_deref() == Some(url) {
            return Ok(());
        }
        let mut element = match self.first_url() {
            Some(first) => {
                let element = self.document.list(member::URLS)[0].as_object().map(Document::duplicate);
                self.remove_url(&first)?;
                element.unwrap_or_default()
            }
            None => Document::new(),
        };
        element.set(member::URL, Value::text(url));
        let urls = self.document.list_mut(member::URLS);
        // The same address further down moves up.
        urls.retain(|other| other.as_object().and_then(|other| other.text(member::URL)) != Some(url));
        urls.insert(0, Value::Object(element));
        Ok(())
    }

    fn add_url(&mut self, url: &str, rule: MatchRule) -> Result<(), EditError> {
        let url = non_empty(url)?;
        if self.element(member::URLS, member::URL, url).is_none() {
            let element = Value::Object(Document::from([(member::URL, Value::text(url))]));
            self.document.list_mut(member::URLS).push(element);
        }
        let element = self.element(member::URLS, member::URL, url).ok_or(EditError::NoSuchField)?;
        match rule {
            MatchRule::Domain => drop(element.remove(member::MATCH)),
            MatchRule::Unknown => {}
            rule => drop(element.set(member::MATCH, Value::text(rule.name()))),
        }
        Ok(())
    }

    fn remove_url(&mut self, url: &str) -> Result<(), EditError> {
        self.remove_element(member::URLS, member::URL, url)
    }

    fn add_tag(&mut self, tag: &str) -> Result<(), EditError> {
        let tag = Value::text(non_empty(tag)?);
        let tags = self.document.list_mut(member::TAGS);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        Ok(())
    }

    fn remove_tag(&mut self, tag: &str) {
        let tags = self.document.list_mut(member::TAGS);
        if let Some(index) = tags.iter().position(|other| other.as_text() == Some(tag)) {
            let previous = tags.remove(index);
            self.record(member::TAGS, previous);
        }
        if self.document.list(member::TAGS).is_empty() {
            self.document.remove(member::TAGS);
        }
    }

    fn set_tags(&mut self, list: &str) -> Result<(), EditError> {
        let wanted: Vec<&str> = list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let present: Vec<String> =
            self.document.list(member::TAGS).iter().filter_map(Value::as_text).map(str::to_owned).collect();
        for tag in present.iter().filter(|tag| !wanted.contains(&tag.as_str())) {
            self.remove_tag(tag);
        }
        wanted.into_iter().try_for_each(|tag| self.add_tag(tag))
    }

    fn set_favourite(&mut self, text: &str) -> Result<(), EditError> {
        match text {
            "true" => drop(self.document.set(member::FAVOURITE, Value::Bool(true))),
            // Written only where true, so that there is one form of each state.
            "false" => drop(self.document.remove(member::FAVOURITE)),
            _ => return Err(EditError::NotAFlag),
        }
        Ok(())
    }

    fn add_field(
        &mut self,
        id: FieldId,
        label: &str,
        kind: FieldKind,
        value: &SecretText,
    ) -> Result<(), EditError> {
        let field = Document::from([
            (member::ID, Value::text(&id.to_string())),
            (member::LABEL, Value::text(non_empty(label)?)),
            (member::FIELD_TYPE, Value::text(kind.name())),
            (member::VALUE, Value::Text(value.duplicate())),
        ]);
        self.document.list_mut(member::FIELDS).push(Value::Object(field));
        Ok(())
    }

    fn field_id(&self, label: &str) -> Result<String, EditError> {
        self.document
            .list(member::FIELDS)
            .iter()
            .filter_map(Value::as_object)
            .find(|field| field.text(member::LABEL) == Some(label))
            .and_then(|field| field.text(member::ID))
            .map(str::to_owned)
            .ok_or(EditError::NoSuchField)
    }

    fn set_in_field(&mut self, label: &str, name: &str, text: &str) -> Result<(), EditError> {
        let id = self.field_id(label)?;
        let field = self.element(member::FIELDS, member::ID, &id).ok_or(EditError::NoSuchField)?;
        if field.text(name) == Some(text) {
            return Ok(());
        }
        if let Some(previous) = field.set(name, Value::text(text)) {
            self.record(&path::join(&path::join(member::FIELDS, &id), name), previous);
        }
        Ok(())
    }

    fn element(&mut self, list: &str, key: &str, wanted: &str) -> Option<&mut Document> {
        // Asked first: `list_mut` would leave an empty list behind.
        self.document.get(list)?;
        self.document.list_mut(list).iter_mut().find_map(|element| match element {
            Value::Object(element) if element.text(key) == Some(wanted) => Some(element),
            _ => None,
        })
    }

    fn remove_element(&mut self, list: &str, key: &str, wanted: &str) -> Result<(), EditError> {
        let index = self
            .document
            .list(list)
            .iter()
            .position(|element| element.as_object().and_then(|element| element.text(key)) == Some(wanted))
            .ok_or(EditError::NoSuchField)?;
        let previous = self.document.list_mut(list).remove(index);
        self.record(&path::join(list, wanted), previous);
        Ok(())
    }

    /// Marks with the time; a mark that is there keeps its time.
    fn mark(&mut self, name: &str) {
        if self.document.get(name).is_none() {
            self.document.set(name, Value::integer(self.now_ms));
        }
    }

    fn resolve(&mut self, place: &str, keep: Keep) -> Result<(), EditError> {
        let mut losing = self.take_conflicts(place);
        if losing.is_empty() {
            return Err(EditError::NoSuchField);
        }
        if let Keep::Conflicting(index) = keep {
            if index >= losing.len() {
                return Err(EditError::NoSuchField);
            }
            let chosen = losing.remove(index);
            let previous = self.put_at(place, chosen)?;
            losing.extend(previous);
        }
        for value in losing {
            self.record(place, value);
        }
        Ok(())
    }

    fn take_conflicts(&mut self, place: &str) -> Vec<Value> {
        let Some(Value::List(conflicts)) = self.document.remove(member::CONFLICTS) else {
            return Vec::new();
        };
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for conflict in conflicts {
            match conflict {
                Value::Object(mut conflict) if conflict.text(member::FIELD) == Some(place) => {
                    taken.extend(conflict.remove(member::VALUE));
                }
                other => left.push(other),
            }
        }
        if !left.is_empty() {
            self.document.set(member::CONFLICTS, Value::List(left));
        }
        taken
    }

    /// Puts a value at a place and hands back what was there.
    fn put_at(&mut self, place: &str, value: Value) -> Result<Option<Value>, EditError> {
        let mut steps: Vec<String> = path::steps(place).collect();
        let last = steps.pop().ok_or(EditError::NoSuchField)?;
        let mut steps = steps.into_iter();
        let mut target = &mut self.document;
        while let Some(step) = steps.next() {
            target = match crate::merge::list_key(&step).filter(|_| target.get(&step).is_some()) {
                Some(key) => {
                    let wanted = steps.next().ok_or(EditError::NoSuchField)?;
                    target.list_mut(&step).iter_mut().find_map(|element| match element {
                        Value::Object(element) if element.text(key) == Some(&wanted) => Some(element),
                        _ => None,
                    })
                }
                None => target.object_mut(&step),
            }
            .ok_or(EditError::NoSuchField)?;
        }
        Ok(target.set(&last, value))
    }
}

/// The member of a path that stands for a plain text; the callers have dealt with the others.
fn plain_member(path: &FieldPath) -> &'static str {
    path.member().unwrap_or_else(|| unreachable!("only plain text fields come here"))
}

fn non_empty(text: &str) -> Result<&str, EditError> {
    let text = text.trim();
    if text.is_empty() { Err(EditError::Empty) } else { Ok(text) }
}

/// Segments trimmed, empty ones dropped: `/Work//Mail/` is `Work/Mail`.
fn normal_folder(text: &str) -> String {
    let segments: Vec<&str> = text.split('/').map(str::trim).filter(|segment| !segment.is_empty()).collect();
    segments.join("/")
}
