use proptest::prelude::*;

use super::*;
use crate::{
    entry::{Edit, EntryType, FieldPath, Keep, apply},
    testing::{any_edits, any_entry, texts},
};

fn set(path: FieldPath, value: &str) -> Edit {
    Edit::Set { path, value: value.into() }
}

fn base() -> Entry {
    let edits =
        [set(FieldPath::Username, "ada"), set(FieldPath::Password, "old"), set(FieldPath::Tags, "a,b")];
    apply(&Entry::new(EntryType::Login, "t", 1), &edits, 1).unwrap()
}

fn edited(entry: &Entry, edits: &[Edit], now_ms: u64) -> Entry {
    apply(entry, edits, now_ms).unwrap()
}

fn entry(json: &serde_json::Value) -> Entry {
    let mut whole = serde_json::json!({"type": "login", "title": "t", "creationAtMs": 1, "modifiedAtMs": 1});
    whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    Entry::decode(whole.to_string().as_bytes()).unwrap()
}

fn json(entry: &Entry) -> serde_json::Value {
    serde_json::from_slice(&entry.encode().unwrap()).unwrap()
}

#[test]
fn different_fields_of_both_sides_stay() {
    let base = base();
    let ours = edited(&base, &[set(FieldPath::Password, "new"), set(FieldPath::Tags, "a,c")], 2);
    let theirs = edited(&base, &[set(FieldPath::Username, "eve"), set(FieldPath::Tags, "b,d")], 3);
    let merged = merge(Some(&base), &ours, &theirs, 4);
    let entry = &merged.entry;
    assert_eq!((entry.username(), entry.password(), entry.modified_ms()), (Some("eve"), Some("new"), 4));
    assert_eq!(entry.tags().collect::<Vec<_>>(), ["d", "c"], "removed on either side is removed");
    assert!(merged.conflicts.is_empty() && !merged.restored);
    let previous: Vec<_> = entry.history().filter_map(|recorded| recorded.value.as_text()).collect();
    assert_eq!(previous, ["old", "b", "a", "ada"], "both histories, oldest first");
}

#[test]
fn the_same_field_keeps_both_values_and_the_person_chooses() {
    let base = base();
    let ours = edited(&base, &[set(FieldPath::Password, "mine")], 2);
    let theirs = edited(&base, &[set(FieldPath::Password, "yours")], 3);
    let merged = merge(Some(&base), &ours, &theirs, 4);
    assert_eq!(merged.conflicts, ["password"]);
    assert_eq!(merged.entry.password(), Some("yours"));
    let conflict = merged.entry.conflicts().next().unwrap();
    assert_eq!((conflict.place, conflict.value.as_text(), conflict.at_ms), ("password", Some("mine"), 2));

    let resolve = |keep| Edit::Resolve { place: "password".to_owned(), keep };
    let kept = edited(&merged.entry, &[resolve(Keep::Current)], 5);
    assert_eq!((kept.password(), kept.conflicts().count()), (Some("yours"), 0));
    assert_eq!(kept.history().last().unwrap().value.as_text(), Some("mine"));
    let taken = edited(&merged.entry, &[resolve(Keep::Conflicting(0))], 5);
    assert_eq!((taken.password(), taken.conflicts().count()), (Some("mine"), 0));
    assert_eq!(taken.history().last().unwrap().value.as_text(), Some("yours"));
    assert!(apply(&merged.entry, &[resolve(Keep::Conflicting(1))], 5).is_err());
}

#[test]
fn a_conflict_is_noted_once() {
    let base = base();
    let ours = edited(&base, &[set(FieldPath::Password, "mine")], 2);
    let theirs = edited(&base, &[set(FieldPath::Password, "yours")], 3);
    let once = merge(Some(&base), &ours, &theirs, 4).entry;
    let twice = merge(Some(&base), &ours, &once, 5);
    assert!(twice.conflicts.is_empty());
    assert!(twice.entry == once, "merging the same change again changes nothing");
}

#[test]
fn resolved_conflicts_stay_resolved() {
    let base = base();
    let ours = edited(&base, &[set(FieldPath::Password, "mine")], 2);
    let theirs = edited(&base, &[set(FieldPath::Password, "yours")], 3);
    let open = merge(Some(&base), &ours, &theirs, 4).entry;
    let resolved = edited(&open, &[Edit::Resolve { place: "password".to_owned(), keep: Keep::Current }], 5);
    let elsewhere = edited(&open, &[set(FieldPath::Title, "u")], 6);
    let merged = merge(Some(&open), &elsewhere, &resolved, 7);
    assert_eq!((merged.entry.conflicts().count(), merged.entry.title()), (0, "u"));
}

#[test]
fn what_is_edited_leaves_the_trash() {
    let base = base();
    let trashed = edited(&base, &[Edit::Trash], 5);
    let changed = edited(&base, &[set(FieldPath::Title, "u")], 2);
    for (ours, theirs) in [(&trashed, &changed), (&changed, &trashed)] {
        let merged = merge(Some(&base), ours, theirs, 6);
        assert!(merged.restored);
        assert_eq!((merged.entry.trashed_ms(), merged.entry.title()), (None, "u"));
    }
    let archived = edited(&base, &[Edit::Archive], 2);
    let merged = merge(Some(&base), &trashed, &archived, 6);
    assert!(!merged.restored, "a mark is no edit");
    assert_eq!((merged.entry.trashed_ms(), merged.entry.archived_ms()), (Some(5), Some(2)));
    let both = merge(Some(&base), &trashed, &edited(&base, &[Edit::Trash], 8), 9);
    assert_eq!(both.entry.trashed_ms(), Some(8));
    let restored = edited(&trashed, &[Edit::Restore], 10);
    let retitled = edited(&trashed, &[set(FieldPath::Title, "v")], 11);
    assert_eq!(merge(Some(&trashed), &retitled, &restored, 12).entry.trashed_ms(), None);
}

#[test]
fn a_change_wins_over_a_removal() {
    let base = entry(&serde_json::json!({
        "notes": "n", "fields": [{"id": "f", "label": "l", "fieldType": "string", "value": "v"}]
    }));
    let removed =
        edited(&base, &[Edit::Clear(FieldPath::Notes), Edit::Clear(FieldPath::Field("l".to_owned()))], 2);
    let changed = edited(&base, &[set(FieldPath::Notes, "m"), set(FieldPath::Field("l".to_owned()), "w")], 3);
    for (ours, theirs) in [(&removed, &changed), (&changed, &removed)] {
        let merged = merge(Some(&base), ours, theirs, 4);
        assert_eq!(merged.entry.notes(), Some("m"));
        assert_eq!(merged.entry.field_labelled("l").unwrap().value, "w");
        assert!(merged.conflicts.is_empty());
    }
}

#[test]
fn elements_merge_member_by_member() {
    let field = |label: &str, value: &str| {
        entry(&serde_json::json!({
            "fields": [{"id": "f/1", "label": label, "fieldType": "string", "value": value}]
        }))
    };
    let merged = merge(Some(&field("l", "v")), &field("m", "v"), &field("l", "w"), 2);
    assert_eq!(merged.entry.field_labelled("m").unwrap().value, "w");
    let merged = merge(Some(&field("l", "v")), &field("l", "x"), &field("l", "w"), 2);
    assert_eq!(merged.conflicts, ["fields/f~11/value"]);
    let resolve = Edit::Resolve { place: "fields/f~11/value".to_owned(), keep: Keep::Conflicting(0) };
    assert_eq!(edited(&merged.entry, &[resolve], 3).field_labelled("l").unwrap().value, "x");
}

#[test]
fn members_of_a_newer_client_merge_too() {
    let base = entry(&serde_json::json!({"card": {"number": "1", "pin": {"a": 1, "b": 1}}, "list": [1]}));
    let ours = entry(&serde_json::json!({"card": {"number": "2", "pin": {"a": 2, "b": 1}}, "list": [1, 2]}));
    let theirs = entry(
        &serde_json::json!({"card": {"number": "1", "pin": {"a": 1, "b": 3}, "new": true}, "list": [3]}),
    );
    let merged = merge(Some(&base), &ours, &theirs, 2);
    let joined = json(&merged.entry);
    assert_eq!(joined["card"], serde_json::json!({"number": "2", "pin": {"a": 2, "b": 3}, "new": true}));
    assert_eq!(joined["list"], serde_json::json!([3]));
    assert_eq!(merged.conflicts, ["list"]);
    assert_eq!(joined["conflicts"][0]["value"], serde_json::json!([1, 2]));
    let resolve = Edit::Resolve { place: "list".to_owned(), keep: Keep::Conflicting(0) };
    assert_eq!(json(&edited(&merged.entry, &[resolve], 3))["list"], serde_json::json!([1, 2]));
}

#[test]
fn without_a_common_ancestor_nothing_is_lost() {
    let ours = entry(&serde_json::json!({"username": "a", "tags": ["x"], "favorite": true}));
    let theirs = entry(&serde_json::json!({"username": "b", "tags": ["y"], "creationAtMs": 0}));
    let merged = merge(None, &ours, &theirs, 2).entry;
    assert_eq!((merged.username(), merged.is_favourite(), merged.created_ms()), (Some("b"), true, 0));
    assert_eq!(merged.tags().collect::<Vec<_>>(), ["y", "x"]);
    assert_eq!(merged.conflicts().next().unwrap().value.as_text(), Some("a"));
}

/// What a merge must agree on whichever side is called ours: all but the choice of the current value.
fn content(entry: &Entry) -> std::collections::BTreeSet<String> {
    texts(entry)
}

proptest! {
    #[test]
    fn what_did_not_change_gives_way(base in any_entry(), edits in any_edits()) {
        let changed = apply(&base, &edits, 10).unwrap();
        prop_assert!(merge(Some(&base), &changed, &changed, 11).entry == changed);
        prop_assert!(merge(Some(&base), &base, &changed, 11).entry == changed);
        prop_assert!(merge(Some(&base), &changed, &base, 11).entry == changed);
    }

    /// Whatever text lies in either copy, as a value, in the history or among the conflicts, lies in the result.
    #[test]
    fn no_value_is_lost(base in any_entry(), one in any_edits(), other in any_edits()) {
        let (ours, theirs) = (apply(&base, &one, 10).unwrap(), apply(&base, &other, 11).unwrap());
        let merged = texts(&merge(Some(&base), &ours, &theirs, 12).entry);
        for text in texts(&ours).union(&texts(&theirs)) {
            prop_assert!(merged.contains(text), "{text} is lost: {} and {}", json(&ours), json(&theirs));
        }
    }

    #[test]
    fn both_sides_compute_the_same_content(base in any_entry(), one in any_edits(), other in any_edits()) {
        let (ours, theirs) = (apply(&base, &one, 10).unwrap(), apply(&base, &other, 11).unwrap());
        let there = merge(Some(&base), &ours, &theirs, 12);
        let again = merge(Some(&base), &ours, &theirs, 12);
        prop_assert!(there.entry == again.entry && there.conflicts == again.conflicts);
        let back = merge(Some(&base), &theirs, &ours, 12);
        prop_assert_eq!(content(&there.entry), content(&back.entry));
        prop_assert_eq!(there.restored, back.restored);
        prop_assert_eq!(there.conflicts.len(), back.conflicts.len());
    }

    /// Three devices that push in any order, each merging what it finds: the same content in the end, and a device that
    /// merges the outcome once more changes nothing.
    #[test]
    fn any_order_of_merges_keeps_everything(
        base in any_entry(), one in any_edits(), two in any_edits(), three in any_edits(),
    ) {
        let sides = [(one, 10), (two, 11), (three, 12)].map(|(edits, at)| apply(&base, &edits, at).unwrap());
        let chain = |order: [usize; 3]| {
            let [first, second, third] = order.map(|index| &sides[index]);
            let pushed = merge(Some(&base), second, first, 13).entry;
            merge(Some(&base), third, &pushed, 14).entry
        };
        let expected = content(&chain([0, 1, 2]));
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let end = chain(order);
            prop_assert_eq!(&content(&end), &expected);
            let again = merge(Some(&base), &sides[order[2]], &end, 15);
            prop_assert!(again.entry == end && again.conflicts.is_empty(), "{}", json(&end));
        }
    }
}
