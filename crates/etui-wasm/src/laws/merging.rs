//! Merging loses no value, is the same wherever it is done, and leaves alone what only one side changed.

use std::collections::BTreeSet;

use etui_vault::{Edit, Entry, EntryType, FieldKind, FieldPath, MatchRule, apply, entry::FieldId, merge};
use serde_json::Value;

use super::{kit::Random, pick};

pub(super) fn hold(random: &mut Random) {
    let base = edited(&edited(&Entry::new(EntryType::Login, "entry", 1), 2, random), 3, random);
    let [ours, theirs] = [10, 11].map(|now_ms| edited(&base, now_ms, random));

    assert!(merge(Some(&base), &ours, &ours, 12).entry == ours, "both sides made the same change");
    assert!(merge(Some(&base), &ours, &base, 12).entry == ours, "only our side changed");
    assert!(merge(Some(&base), &base, &theirs, 12).entry == theirs, "only their side changed");

    let merged = merge(Some(&base), &ours, &theirs, 12);
    let again = merge(Some(&base), &ours, &theirs, 12);
    assert!(merged.entry == again.entry && merged.conflicts == again.conflicts, "two devices differ");
    let found = texts(&merged.entry);
    assert_eq!(found, texts(&merge(Some(&base), &theirs, &ours, 12).entry), "the order of the sides matters");
    assert!(found.is_superset(&texts(&ours)) && found.is_superset(&texts(&theirs)), "a value is lost");
}

fn edited(entry: &Entry, now_ms: u64, random: &mut Random) -> Entry {
    let edits: Vec<Edit> = (0..pick(random, 6)).map(|_| any_edit(random)).collect();
    apply(entry, &edits, now_ms).unwrap()
}

fn any_edit(random: &mut Random) -> Edit {
    let path = any_path(random);
    // Few different words, so that both sides meet often.
    let word = ["a", "b", "c", "d", "ab"][pick(random, 5)].to_owned();
    match pick(random, 9) {
        0 => Edit::Clear(path),
        1 => Edit::AddUrl { url: word, rule: MatchRule::Host },
        2 => Edit::AddTag(word),
        3 => Edit::RemoveTag(word),
        4 => Edit::AddField {
            id: FieldId::random(random),
            label: word.clone(),
            kind: FieldKind::Hidden,
            value: word.into(),
        },
        _ => Edit::Set { path, value: word.into() },
    }
}

fn any_path(random: &mut Random) -> FieldPath {
    match pick(random, 7) {
        0 => FieldPath::Title,
        1 => FieldPath::Username,
        2 => FieldPath::Password,
        3 => FieldPath::Notes,
        4 => FieldPath::Folder,
        5 => FieldPath::Url,
        _ => FieldPath::Tags,
    }
}

/// Every text that a person set, wherever it lies now: as a value, in the history or among the conflicts.
fn texts(entry: &Entry) -> BTreeSet<String> {
    let document = serde_json::from_slice(&entry.encode().unwrap()).unwrap();
    let mut texts = BTreeSet::new();
    collect("", &document, &mut texts);
    texts
}

fn collect(name: &str, value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        // A default match rule is not written, and the place of a recorded value is not something set.
        Value::String(text) if !matches!(name, "field" | "match") && !text.is_empty() => {
            texts.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|element| collect(name, element, texts)),
        Value::Object(members) => members.iter().for_each(|(name, member)| collect(name, member, texts)),
        _ => {}
    }
}
