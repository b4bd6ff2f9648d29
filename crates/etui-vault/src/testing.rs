//! Entries and edits for the property tests of this crate.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::{
    document::Value,
    entry::{Edit, Entry, EntryType, FieldId, FieldKind, FieldPath, MatchRule, apply},
};

/// A source of bytes that never repeats and can be predicted.
#[derive(Default)]
pub(crate) struct Counting(u8);

impl etui_crypto::RandomSource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

/// Few different texts, so that both sides of a merge meet often.
fn word() -> impl Strategy<Value = String> {
    "[a-d]{1,2}"
}

fn any_path() -> impl Strategy<Value = FieldPath> {
    prop_oneof![
        Just(FieldPath::Title),
        Just(FieldPath::Username),
        Just(FieldPath::Password),
        Just(FieldPath::Notes),
        Just(FieldPath::Folder),
        Just(FieldPath::Url),
        Just(FieldPath::Tags),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any_path(), word()).prop_map(|(path, value)| Edit::Set { path, value: value.into() }),
        1 => any_path().prop_map(Edit::Clear),
        1 => word().prop_map(|url| Edit::AddUrl { url, rule: MatchRule::Host }),
        1 => word().prop_map(Edit::AddTag),
        1 => word().prop_map(Edit::RemoveTag),
        1 => (any::<[u8; 4]>(), word(), word()).prop_map(|(seed, label, value)| Edit::AddField {
            id: field_id(seed),
            label,
            kind: FieldKind::Hidden,
            value: value.into(),
        }),
    ]
}

fn field_id(seed: [u8; 4]) -> FieldId {
    struct Fixed([u8; 4]);
    impl etui_crypto::RandomSource for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            for (byte, seed) in bytes.iter_mut().zip(self.0.iter().cycle()) {
                *byte = *seed;
            }
        }
    }
    FieldId::random(&mut Fixed(seed))
}

/// A few edits that fit any entry.
pub(crate) fn any_edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec(any_edit(), 0..6)
}

/// An entry with some fields and some history.
pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
    (any_edits(), any_edits()).prop_map(|(first, second)| {
        let entry = Entry::new(EntryType::Login, "entry", 1);
        let entry = apply(&entry, &first, 2).unwrap();
        apply(&entry, &second, 3).unwrap()
    })
}

/// Every text that a person set, wherever it lies now: as a value, in the history or among the conflicts.
pub(crate) fn texts(entry: &Entry) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for (name, value) in entry.document().members() {
        collect(name, value, &mut texts);
    }
    texts
}

fn collect(name: &str, value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        // A default match rule is not written, the place of a recorded value is not something set.
        Value::Text(text) if !matches!(name, "field" | "match" | "") && !text.expose().is_empty() => {
            texts.insert(text.expose().to_owned());
        }
        Value::List(list) => list.iter().for_each(|element| collect(name, element, texts)),
        Value::Object(object) => object.members().for_each(|(name, member)| collect(name, member, texts)),
        _ => {}
    }
}
