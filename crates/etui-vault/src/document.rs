//! JSON documents that wipe themselves: what an entry or a settings record holds.
//!
//! A [`Document`] keeps every member of what was read, known or not, so that a client edits what it understands and
//! hands the rest on untouched (`spec/entry.md`, "Unknown members"). Strings are wiped when dropped, there is no
//! `Clone`, no revealing `Debug` and no `Serialize`: the only way to text is [`Document::encode`].

mod read;
mod write;

use core::{cmp::Ordering, fmt};
use std::collections::BTreeMap;

use zeroize::Zeroizing;

use etui_chain::Refused;

/// The largest document, in bytes of JSON (`spec/entry.md`, "Limits").
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// The deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 16;

/// The most elements of one array or members of one object.
pub const MAX_ELEMENTS: usize = 2_000;

/// The largest and, negated, the smallest number: every JSON implementation keeps integers of this size exactly.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A text that may be secret: wiped when dropped, never printed, copied only by [`SecretText::duplicate`].
#[derive(PartialEq, Eq, Default)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for showing or computing; never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A second copy, deliberately made.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose())
    }
}

impl Ord for SecretText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.expose().cmp(other.expose())
    }
}

impl PartialOrd for SecretText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(…)")
    }
}

/// Any JSON value of a document. Numbers are integers up to [`MAX_INTEGER`] either way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(SecretText),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Object(Document),
}

impl Value {
    /// A string value.
    pub fn text(text: &str) -> Self {
        Self::Text(SecretText::new(text))
    }

    /// A time or length. Values above [`MAX_INTEGER`] become [`MAX_INTEGER`].
    pub fn integer(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(MAX_INTEGER).min(MAX_INTEGER))
    }

    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.expose()),
            _ => None,
        }
    }

    /// The number, if it is one and not negative.
    pub fn as_unsigned(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Document> {
        match self {
            Self::Object(document) => Some(document),
            _ => None,
        }
    }

    /// A second copy, deliberately made.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(flag) => Self::Bool(*flag),
            Self::Integer(number) => Self::Integer(*number),
            Self::Text(text) => Self::Text(text.duplicate()),
            Self::List(list) => Self::List(list.iter().map(Self::duplicate).collect()),
            Self::Object(document) => Self::Object(document.duplicate()),
        }
    }

    /// How many bytes of JSON this value takes.
    pub fn encoded_bytes(&self) -> usize {
        write::length(self)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(…)",
            Self::Integer(_) => "Integer(…)",
            Self::Text(_) => "Text(…)",
            Self::List(_) => "List(…)",
            Self::Object(_) => "Object(…)",
        })
    }
}

/// A JSON object: its members in the order of their names.
#[derive(PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Document(BTreeMap<String, Value>);

impl Document {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one JSON object: UTF-8, no repeated member names, nothing after it.
    ///
    /// # Errors
    /// `limit` beyond [`MAX_DOCUMENT_BYTES`], [`MAX_DEPTH`] or [`MAX_ELEMENTS`]; `format` for anything that is not such
    /// an object.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        read::document(bytes)
    }

    /// Writes the object without white space, members in the order of their names' bytes: equal documents give
    /// equal bytes.
    ///
    /// # Errors
    /// `limit` beyond [`MAX_DOCUMENT_BYTES`], [`MAX_DEPTH`] or [`MAX_ELEMENTS`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        write::document(self)
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The string member of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// The elements of the array member of that name; none if it is absent.
    pub fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_list).unwrap_or_default()
    }

    /// The array member of that name for changing; made if absent or of another kind.
    pub fn list_mut(&mut self, name: &str) -> &mut Vec<Value> {
        let slot = self.0.entry(name.to_owned()).or_insert_with(|| Value::List(Vec::new()));
        if !matches!(slot, Value::List(_)) {
            *slot = Value::List(Vec::new());
        }
        match slot {
            Value::List(list) => list,
            _ => unreachable!("the line above made it a list"),
        }
    }

    /// The object member of that name for changing, if it is one.
    pub fn object_mut(&mut self, name: &str) -> Option<&mut Document> {
        match self.0.get_mut(name) {
            Some(Value::Object(document)) => Some(document),
            _ => None,
        }
    }

    /// The object member of that name for changing; made if absent or of another kind.
    pub fn object_or_new(&mut self, name: &str) -> &mut Document {
        let slot = self.0.entry(name.to_owned()).or_insert_with(|| Value::Object(Document::new()));
        if !matches!(slot, Value::Object(_)) {
            *slot = Value::Object(Document::new());
        }
        match slot {
            Value::Object(document) => document,
            _ => unreachable!("the line above made it an object"),
        }
    }

    /// Sets a member and hands back what was there.
    pub fn set(&mut self, name: &str, value: Value) -> Option<Value> {
        self.0.insert(name.to_owned(), value)
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// All members in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, deliberately made.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.iter().map(|(name, value)| (name.clone(), value.duplicate())).collect())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Document(…)")
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Document {
    fn from(members: [(&str, Value); N]) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

#[cfg(test)]
mod tests;
