//! Entries as people have them.

use etui_client::OsRandom;
use etui_vault::{EntryType, MatchRule, NewEntry};
use serde_json::json;

/// What [`json_line`] makes; the sizes are those of whole sealed records.
pub(crate) const DISTRIBUTION: &str = "of 20: 14 plain logins, 648 B sealed; 4 with notes, 1,160 B; 1 with long notes, 2,184 B; 1 with a key, 4,232 B";

/// One line of an import file.
pub(crate) fn json_line(number: usize) -> String {
    let notes_bytes = match number % 20 {
        0..14 => 0,
        14..18 => 500,
        18 => 1500,
        _ => 3500,
    };
    let mut line = json!({
        "type": "login",
        "title": title(number),
        "username": format!("person{}@example.org", number % 7),
        "password": format!("pw-{number}-Zk4!vQ8rLm2x"),
        "urls": [format!("https://{}{number}.example.com/login", NAMES[number % NAMES.len()].to_lowercase())],
        "tags": [TAGS[number % TAGS.len()]],
    });
    if notes_bytes > 0 {
        line["notes"] = "recovery words and account numbers; ".repeat(notes_bytes / 36 + 1).into();
    }
    line.to_string()
}

/// The title of that line.
pub(crate) fn title(number: usize) -> String {
    format!("{} {number}", NAMES[number % NAMES.len()])
}

/// The same as the body of a record.
pub(crate) fn body(number: usize, now_ms: u64) -> anyhow::Result<Vec<u8>> {
    let entry = etui_vault::import::parse_line(number, &json_line(number))
        .map_err(|error| anyhow::anyhow!("{error}"))?
        .into_entry(now_ms, &mut OsRandom)?;
    Ok(entry.encode()?.to_vec())
}

/// A body of at least so many bytes.
pub(crate) fn large_body(now_ms: u64, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut new = NewEntry::new(EntryType::Note, "Long");
    new.notes = Some("x".repeat(bytes).into());
    Ok(new.into_entry(now_ms, &mut OsRandom)?.encode()?.to_vec())
}

/// A body whose sealed record has 648 bytes, the least there is.
pub(crate) fn small_body(now_ms: u64) -> anyhow::Result<Vec<u8>> {
    let mut new = NewEntry::new(EntryType::Login, "Mail");
    new.username = Some("ada".into());
    new.password = Some("hunter2-correct".into());
    new.urls = vec![("https://mail.example.org".to_owned(), MatchRule::Domain)];
    Ok(new.into_entry(now_ms, &mut OsRandom)?.encode()?.to_vec())
}

const NAMES: [&str; 12] = [
    "Bank", "Mail", "Forum", "Shop", "Travel", "Library", "School", "Clinic", "Cinema", "Garden", "Weather",
    "Music",
];
const TAGS: [&str; 4] = ["home", "work", "family", "travel"];
