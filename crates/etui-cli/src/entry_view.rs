//! An entry as `get` shows it: for people and as JSON, hidden values masked unless asked for.

use etui_chain::ObjectId;
use etui_vault::Entry;
use serde_json::{Map, Value, json};

use crate::output::time_text;

/// What stands for a hidden value. Its length says nothing.
pub(crate) const MASK: &str = "••••••••";

/// The JSON form. Hidden values that are there and not shown are named in `hidden`, and absent otherwise.
pub(crate) fn document(id: &ObjectId, entry: &Entry, reveal: bool) -> Value {
    let mut members = Map::new();
    let mut hidden = Vec::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("id", json!(id));
    put("title", json!(entry.title()));
    put("type", json!(entry.type_name()));
    for (name, value, is_hidden) in texts(entry) {
        match value {
            Some(_) if is_hidden && !reveal => hidden.push(json!(name)),
            Some(value) => drop(put(name, json!(value))),
            None => {}
        }
    }
    put("urls", entry.urls().map(|url| json!({ "url": url.url, "match": url.rule.name() })).collect());
    put("tags", entry.tags().collect());
    put("favourite", json!(entry.is_favourite()));
    let mut fields = Vec::new();
    for field in entry.fields() {
        let mut shown = json!({ "label": field.label, "kind": field.kind.name() });
        if field.kind.is_hidden() && !reveal {
            hidden.push(json!(format!("field.{}", field.label)));
        } else {
            shown["value"] = json!(field.value);
        }
        fields.push(shown);
    }
    put("fields", Value::Array(fields));
    put(
        "attachments",
        entry
            .attachments()
            .map(|file| json!({ "id": file.id, "name": file.name, "size": file.size }))
            .collect(),
    );
    put(
        "conflicts",
        conflicts(entry, reveal).map(|(field, value)| json!({ "field": field, "value": value })).collect(),
    );
    put("created_ms", json!(entry.created_ms()));
    put("modified_ms", json!(entry.modified_ms()));
    put("archived_ms", json!(entry.archived_ms()));
    put("trashed_ms", json!(entry.trashed_ms()));
    put("hidden", Value::Array(hidden));
    Value::Object(members)
}

/// The lines for people: name and value.
pub(crate) fn rows(id: &ObjectId, entry: &Entry, reveal: bool) -> Vec<[String; 2]> {
    let mut rows =
        vec![row("title", entry.title()), row("id", &id.to_string()), row("type", entry.type_name())];
    let masked =
        |value: &str, is_hidden: bool| if is_hidden && !reveal { MASK.to_owned() } else { value.to_owned() };
    for (name, value, is_hidden) in texts(entry) {
        rows.extend(value.map(|value| row(name, &masked(value, is_hidden))));
    }
    rows.extend(entry.urls().map(|url| row("url", url.url)));
    let tags: Vec<&str> = entry.tags().collect();
    rows.extend((!tags.is_empty()).then(|| row("tags", &tags.join(", "))));
    rows.extend(entry.is_favourite().then(|| row("favourite", "yes")));
    for field in entry.fields() {
        rows.push(row(&format!("field.{}", field.label), &masked(field.value, field.kind.is_hidden())));
    }
    rows.extend(
        entry.attachments().map(|file| row("attachment", &format!("{} ({} bytes)", file.name, file.size))),
    );
    rows.extend(conflicts(entry, reveal).map(|(field, value)| {
        row(
            "conflict",
            &format!("{field}: {} (changed elsewhere at the same time)", value.as_deref().unwrap_or(MASK)),
        )
    }));
    rows.push(row("changed", &time_text(entry.modified_ms())));
    rows.extend(entry.trashed_ms().map(|time| row("in the trash", &time_text(time))));
    rows.extend(entry.archived_ms().map(|time| row("archived", &time_text(time))));
    rows
}

/// The values kept beside the current ones because two devices changed one field: field, and value where it may show.
fn conflicts(entry: &Entry, reveal: bool) -> impl Iterator<Item = (String, Option<String>)> {
    entry.conflicts().map(move |conflict| {
        let (field, hidden) = entry.describe(conflict.place);
        (field, conflict.value.as_text().filter(|_| reveal || !hidden).map(str::to_owned))
    })
}

/// The single texts in the order in which they are shown: name, value, whether hidden.
fn texts(entry: &Entry) -> [(&'static str, Option<&str>, bool); 5] {
    [
        ("username", entry.username(), false),
        ("password", entry.password(), true),
        ("totp", entry.totp(), true),
        ("folder", entry.folder(), false),
        ("notes", entry.notes(), false),
    ]
}

fn row(name: &str, value: &str) -> [String; 2] {
    [name.to_owned(), value.to_owned()]
}

#[cfg(test)]
mod tests {
    use etui_vault::{EntryType, FieldKind, MatchRule, NewEntry, entry::NewField};

    use super::*;

    const SECRETS: [&str; 3] = ["hunter2", "GEZDGNBVGY3TQOJQ", "4711"];

    fn id() -> ObjectId {
        ObjectId::new([0x3f; 16]).unwrap()
    }

    fn entry() -> Entry {
        let mut new = NewEntry::new(EntryType::Login, "Bank");
        new.username = Some("ada".into());
        new.password = Some(SECRETS[0].into());
        new.totp = Some(SECRETS[1].into());
        new.urls = vec![("https://bank.test".to_owned(), MatchRule::Host)];
        new.tags = vec!["money".to_owned()];
        let field =
            |label: &str, kind, value: &str| NewField { label: label.to_owned(), kind, value: value.into() };
        new.fields =
            vec![field("Branch", FieldKind::Text, "12"), field("PIN", FieldKind::Hidden, SECRETS[2])];
        new.into_entry(1_700_000_000_000, &mut etui_client::OsRandom).unwrap()
    }

    #[test]
    fn hidden_values_are_masked_unless_asked_for() {
        let text =
            |reveal| format!("{}{:?}", document(&id(), &entry(), reveal), rows(&id(), &entry(), reveal));
        for secret in SECRETS {
            assert!(!text(false).contains(secret), "{secret}");
            assert!(text(true).contains(secret), "{secret}");
        }
    }

    #[test]
    fn the_json_form_is_stable() {
        insta::assert_json_snapshot!(document(&id(), &entry(), false));
    }
}
