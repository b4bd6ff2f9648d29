//! Joining two changed copies of one entry, member by member (`spec/entry.md`, "Merge").
//!
//! The merge runs on the documents, driven by one table: a member that is not in the table merges by the general rule,
//! which keeps both values. So neither a new member nor one of a newer client can be forgotten.

use std::collections::HashSet;

use crate::{
    document::{Document, Value},
    entry::{Entry, Recorded, member, prune_history},
};

/// What a merge gives.
#[derive(Debug)]
pub struct Merged {
    /// The joined entry.
    pub entry: Entry,
    /// The places where this merge kept our value beside theirs ([`Recorded::place`]).
    pub conflicts: Vec<String>,
    /// Whether one side had put the entry into the trash and it was taken out, because the other side had changed it.
    pub restored: bool,
}

/// How a member of an entry merges when both sides changed it, and differently.
#[derive(Clone, Copy)]
enum Rule {
    /// Theirs becomes the current value, ours a conflict; objects member by member; a value wins over its removal.
    General,
    /// Element by element: added on a side is added, removed on a side is removed.
    Set,
    /// As a set of objects known by this member, each of which merges by the general rule.
    Keyed(&'static str),
    /// The earlier time.
    Earliest,
    /// The later time.
    Latest,
    /// A time that marks a state: its removal wins, else the later.
    Mark,
}

const RULES: &[(&str, Rule)] = &[
    (member::CREATED, Rule::Earliest),
    (member::MODIFIED, Rule::Latest),
    (member::ARCHIVED, Rule::Mark),
    (member::TRASHED, Rule::Mark),
    (member::TAGS, Rule::Set),
    (member::HISTORY, Rule::Set),
    (member::CONFLICTS, Rule::Set),
    (member::URLS, Rule::Keyed(member::URL)),
    (member::FIELDS, Rule::Keyed(member::ID)),
    (member::ATTACHMENTS, Rule::Keyed(member::ID)),
];

/// Members that do not count as a change of the entry's content.
const NOT_CONTENT: &[&str] = &[member::MODIFIED, member::ARCHIVED, member::TRASHED, member::HISTORY];

/// The member that tells the elements of a list apart, for the lists that have one.
pub(crate) fn list_key(name: &str) -> Option<&'static str> {
    match rule(name) {
        Rule::Keyed(key) => Some(key),
        _ => None,
    }
}

/// Joins two descendants of `base`; none where there was no common ancestor. `theirs` is the copy that other devices
/// already have: its values stay the current ones, ours are kept in [`Entry::conflicts`]. `now_ms` becomes the time of
/// change if the result is neither side's copy (milliseconds since the Unix epoch).
///
/// The result depends on nothing but the arguments. If only one side changed, the result is that side, byte for byte.
pub fn merge(base: Option<&Entry>, ours: &Entry, theirs: &Entry, now_ms: u64) -> Merged {
    if ours == theirs || base == Some(ours) {
        return unchanged(theirs);
    }
    if base == Some(theirs) {
        return unchanged(ours);
    }
    let mut joining = Joining { written_ms: ours.modified_ms(), conflicts: Vec::new() };
    let empty = Document::new();
    let base_document = base.map_or(&empty, Entry::document);
    let mut document = joining.objects("", base_document, ours.document(), theirs.document(), rule);
    let restored = restore_if_changed(&mut document, base_document, ours.document(), theirs.document());
    let conflicts = keep_conflicts(&mut document, joining.conflicts);
    order_by_time(&mut document, member::HISTORY);
    order_by_time(&mut document, member::CONFLICTS);
    prune_history(&mut document);
    if document != *ours.document() && document != *theirs.document() {
        let modified_ms = now_ms.max(ours.modified_ms()).max(theirs.modified_ms());
        document.set(member::MODIFIED, Value::integer(modified_ms));
    }
    let entry =
        Entry::from_document(document).unwrap_or_else(|_| unreachable!("joined entries are an entry"));
    Merged { entry, conflicts, restored }
}

/// Joins two changed copies of a settings document member by member; where both changed the same member, theirs stays.
pub(crate) fn settings(base: &Document, ours: &Document, theirs: &Document) -> Document {
    let mut joining = Joining { written_ms: 0, conflicts: Vec::new() };
    joining.objects("", base, ours, theirs, |_| Rule::General)
}

fn unchanged(entry: &Entry) -> Merged {
    Merged { entry: entry.duplicate(), conflicts: Vec::new(), restored: false }
}

fn rule(name: &str) -> Rule {
    RULES.iter().find(|(known, _)| *known == name).map_or(Rule::General, |(_, rule)| *rule)
}

/// A merge under way.
struct Joining {
    written_ms: u64,
    conflicts: Vec<(String, Value)>,
}

impl Joining {
    fn objects(
        &mut self,
        place: &str,
        base: &Document,
        ours: &Document,
        theirs: &Document,
        rule: fn(&str) -> Rule,
    ) -> Document {
        let mut joined = Document::new();
        let only_ours = ours.members().filter(|(name, _)| theirs.get(name).is_none());
        for (name, _) in theirs.members().chain(only_ours) {
            let place = crate::entry::join(place, name);
            let sides = Sides { base: base.get(name), ours: ours.get(name), theirs: theirs.get(name) };
            if let Some(value) = self.member(&place, &sides, rule(name)) {
                joined.set(name, value);
            }
        }
        joined
    }

    fn member(&mut self, place: &str, sides: &Sides<'_>, rule: Rule) -> Option<Value> {
        if sides.ours == sides.theirs || sides.base == sides.ours {
            return sides.theirs.map(Value::duplicate);
        }
        if sides.base == sides.theirs {
            return sides.ours.map(Value::duplicate);
        }
        match rule {
            Rule::General => self.general(place, sides),
            Rule::Set => some_list(sides.as_set()),
            Rule::Keyed(key) => some_list(self.keyed(place, sides, key)),
            Rule::Earliest => sides.ours.into_iter().chain(sides.theirs).min().map(Value::duplicate),
            Rule::Latest => sides.ours.into_iter().chain(sides.theirs).max().map(Value::duplicate),
            Rule::Mark => sides.as_mark(),
        }
    }

    fn general(&mut self, place: &str, sides: &Sides<'_>) -> Option<Value> {
        match (sides.ours, sides.theirs) {
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
                let empty = Document::new();
                let base = sides.base.and_then(Value::as_object).unwrap_or(&empty);
                Some(Value::Object(self.objects(place, base, ours, theirs, |_| Rule::General)))
            }
            (Some(ours), Some(theirs)) => {
                self.conflicts
                    .push((place.to_owned(), Recorded::to_value(place, ours.duplicate(), self.written_ms)));
                Some(theirs.duplicate())
            }
            (ours, theirs) => theirs.or(ours).map(Value::duplicate),
        }
    }

    fn keyed(&mut self, place: &str, sides: &Sides<'_>, key: &str) -> Vec<Value> {
        let [ours, theirs] = [sides.ours, sides.theirs].map(elements);
        let only_ours = ours.iter().filter(|element| with_key(theirs, key, key_of(element, key)).is_none());
        theirs
            .iter()
            .chain(only_ours)
            .filter_map(|element| {
                let wanted = key_of(element, key)?;
                let sides = Sides {
                    base: with_key(elements(sides.base), key, Some(wanted)),
                    ours: with_key(ours, key, Some(wanted)),
                    theirs: with_key(theirs, key, Some(wanted)),
                };
                self.member(&crate::entry::join(place, wanted), &sides, Rule::General)
            })
            .collect()
    }
}

/// One member in the three copies.
struct Sides<'a> {
    base: Option<&'a Value>,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
}

impl Sides<'_> {
    fn as_set(&self) -> Vec<Value> {
        let [base, ours, theirs] = [self.base, self.ours, self.theirs]
            .map(|side| elements(side).iter().collect::<std::collections::BTreeSet<_>>());
        let kept =
            elements(self.theirs).iter().filter(|element| ours.contains(element) || !base.contains(element));
        let added =
            elements(self.ours).iter().filter(|element| !theirs.contains(element) && !base.contains(element));
        kept.chain(added).map(Value::duplicate).collect()
    }

    fn as_mark(&self) -> Option<Value> {
        match (self.ours, self.theirs) {
            (Some(ours), Some(theirs)) => Some(ours.max(theirs).duplicate()),
            _ if self.base.is_some() => None,
            (ours, theirs) => ours.or(theirs).map(Value::duplicate),
        }
    }
}

fn elements(side: Option<&Value>) -> &[Value] {
    side.and_then(Value::as_list).unwrap_or_default()
}

fn key_of<'a>(element: &'a Value, key: &str) -> Option<&'a str> {
    element.as_object()?.text(key)
}

fn with_key<'a>(elements: &'a [Value], key: &str, wanted: Option<&str>) -> Option<&'a Value> {
    elements.iter().find(|element| key_of(element, key) == wanted)
}

fn some_list(list: Vec<Value>) -> Option<Value> {
    (!list.is_empty()).then_some(Value::List(list))
}

/// The trash of one side gives way to a change of content on the other: what somebody still works on is in use.
fn restore_if_changed(joined: &mut Document, base: &Document, ours: &Document, theirs: &Document) -> bool {
    if base.get(member::TRASHED).is_some() {
        return false;
    }
    let kept_side = match (ours.get(member::TRASHED), theirs.get(member::TRASHED)) {
        (Some(_), None) => theirs,
        (None, Some(_)) => ours,
        _ => return false,
    };
    let restored = content_differs(base, kept_side);
    if restored {
        joined.remove(member::TRASHED);
    }
    restored
}

fn content_differs(base: &Document, side: &Document) -> bool {
    let names: HashSet<&str> = base.members().chain(side.members()).map(|(name, _)| name).collect();
    names.into_iter().any(|name| !NOT_CONTENT.contains(&name) && base.get(name) != side.get(name))
}

/// Adds the new conflicts, each value of a place once, and names the places that gained one.
fn keep_conflicts(document: &mut Document, found: Vec<(String, Value)>) -> Vec<String> {
    let mut places = Vec::new();
    for (place, conflict) in found {
        let known = document.list(member::CONFLICTS).iter().any(|other| same_conflict(other, &conflict));
        if !known {
            document.list_mut(member::CONFLICTS).push(conflict);
            places.push(place);
        }
    }
    places
}

fn same_conflict(one: &Value, other: &Value) -> bool {
    let [one, other] = [one, other].map(Value::as_object);
    [member::FIELD, member::VALUE]
        .into_iter()
        .all(|name| one.and_then(|one| one.get(name)) == other.and_then(|other| other.get(name)))
}

/// Oldest first, and the same order whoever merges.
fn order_by_time(document: &mut Document, name: &str) {
    if document.get(name).is_some() {
        let time = |value: &Value| {
            value.as_object().and_then(|object| object.get(member::AT)).and_then(Value::as_unsigned)
        };
        document
            .list_mut(name)
            .sort_by(|one, other| time(one).cmp(&time(other)).then_with(|| one.cmp(other)));
    }
}

#[cfg(test)]
mod tests;
