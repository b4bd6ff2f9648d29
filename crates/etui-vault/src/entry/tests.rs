use etui_chain::Refusal;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, Counting};

fn set(path: FieldPath, value: &str) -> Edit {
    Edit::Set { path, value: value.into() }
}

fn decoded(json: &serde_json::Value) -> Result<Entry, Refused> {
    Entry::decode(json.to_string().as_bytes())
}

fn pretty(entry: &Entry) -> String {
    let value: serde_json::Value = serde_json::from_slice(&entry.encode().unwrap()).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

fn full() -> Entry {
    let mut new = NewEntry::new(EntryType::Login, "Mail");
    new.username = Some("ada".into());
    new.password = Some("first".into());
    new.urls = vec![
        ("https://mail.test/".to_owned(), MatchRule::Domain),
        ("https://mail.test/admin".to_owned(), MatchRule::StartsWith),
    ];
    new.notes = Some("line\n\"quoted\"".into());
    new.totp = Some("GEZDGNBVGY3TQOJQ".into());
    new.tags = vec!["home".to_owned(), "post".to_owned()];
    new.folder = Some("/Private/Mail/".to_owned());
    new.favourite = true;
    new.fields = vec![NewField { label: "PIN".to_owned(), kind: FieldKind::Hidden, value: "1234".into() }];
    let entry = new.into_entry(1_000, &mut Counting::default()).unwrap();
    let edits = [
        set(FieldPath::Password, "second"),
        set(FieldPath::Field("PIN".to_owned()), "5678"),
        Edit::RemoveTag("post".to_owned()),
        Edit::Attach(Attachment {
            id: ObjectId::new([7; 16]).unwrap(),
            name: "key.pdf".to_owned(),
            size: 12_345,
            record_hash: Digest::new([9; 32]),
        }),
        Edit::Trash,
    ];
    apply(&entry, &edits, 2_000).unwrap()
}

#[test]
fn the_json_form_is_fixed() {
    insta::assert_snapshot!(pretty(&full()));
}

#[test]
fn views_show_what_was_set() {
    let entry = full();
    assert_eq!((entry.title(), entry.username(), entry.password()), ("Mail", Some("ada"), Some("second")));
    assert_eq!(entry.folder(), Some("Private/Mail"));
    assert_eq!((entry.created_ms(), entry.modified_ms(), entry.trashed_ms()), (1_000, 2_000, Some(2_000)));
    assert!(entry.is_favourite());
    let rules: Vec<MatchRule> = entry.urls().map(|url| url.rule).collect();
    assert_eq!(rules, [MatchRule::Domain, MatchRule::StartsWith]);
    assert_eq!(entry.attachments().next().unwrap().size, 12_345);
    assert_eq!(entry.value(&FieldPath::Field("PIN".to_owned())).unwrap().expose(), "5678");
    assert_eq!(entry.value(&FieldPath::Tags).unwrap().expose(), "home");
    assert!(OneTimePasswordUri(entry.totp().unwrap()).is_readable());
    assert!(Entry::decode(&entry.encode().unwrap()).unwrap() == entry);
}

struct OneTimePasswordUri<'a>(&'a str);

impl OneTimePasswordUri<'_> {
    fn is_readable(&self) -> bool {
        crate::OneTimePassword::parse(self.0).is_ok()
    }
}

#[test]
fn every_overwritten_value_is_in_the_history() {
    let entry = full();
    let history: Vec<(String, bool, Option<&str>, u64)> = entry
        .history()
        .map(|recorded| {
            let (name, hidden) = entry.describe(recorded.place);
            (name, hidden, recorded.value.as_text(), recorded.at_ms)
        })
        .collect();
    assert_eq!(
        history,
        [
            ("password".to_owned(), true, Some("first"), 2_000),
            ("field.PIN".to_owned(), true, Some("1234"), 2_000),
            ("tags".to_owned(), false, Some("post"), 2_000),
        ]
    );
}

#[test]
fn history_is_bounded_by_count_and_bytes() {
    let mut entry = Entry::new(EntryType::Login, "t", 1);
    for round in 0..=60 {
        entry = apply(&entry, &[set(FieldPath::Password, &format!("p{round}"))], round).unwrap();
    }
    assert_eq!(entry.history().count(), MAX_HISTORY);
    assert_eq!(entry.history().last().unwrap().value.as_text(), Some("p59"));
    for round in 0..4 {
        let large = format!("{round}{}", "x".repeat(200 * 1024));
        entry = apply(&entry, &[set(FieldPath::Notes, &large)], 100 + round).unwrap();
    }
    assert_eq!(entry.history().count(), 1, "the newest stays, however large");
    let cleared = apply(&entry, &[Edit::ClearHistory], 200).unwrap();
    assert_eq!(cleared.history().count(), 0);
}

#[test]
fn trash_keeps_everything_and_gives_it_back() {
    let entry = full();
    let restored = apply(&entry, &[Edit::Restore], 3_000).unwrap();
    assert_eq!((restored.trashed_ms(), restored.password()), (None, Some("second")));
    let again = apply(&restored, &[Edit::Archive, Edit::Archive], 4_000).unwrap();
    assert_eq!(again.archived_ms(), Some(4_000));
}

#[test]
fn edits_that_change_nothing_leave_the_entry_as_it_was() {
    let entry = full();
    let edits = [
        set(FieldPath::Password, "second"),
        set(FieldPath::Tags, "home"),
        set(FieldPath::Url, "https://mail.test/"),
        Edit::AddTag("home".to_owned()),
        Edit::RemoveTag("absent".to_owned()),
        Edit::Clear(FieldPath::Field("PIN".to_owned())),
    ];
    assert!(apply(&entry, &edits[..5], 9_000).unwrap() == entry);
    assert!(apply(&entry, &edits, 9_000).unwrap() != entry);
}

#[test]
fn the_first_address_is_the_one_that_is_set() {
    let entry = full();
    let edited = apply(&entry, &[set(FieldPath::Url, "https://mail.test/admin")], 3_000).unwrap();
    let urls: Vec<&str> = edited.urls().map(|url| url.url).collect();
    assert_eq!(urls, ["https://mail.test/admin"]);
    let edits = [
        Edit::AddUrl { url: "ftp://x.test".to_owned(), rule: MatchRule::Never },
        Edit::AddUrl { url: "https://mail.test/admin".to_owned(), rule: MatchRule::Exact },
    ];
    let edited = apply(&edited, &edits, 4_000).unwrap();
    let urls: Vec<(&str, MatchRule)> = edited.urls().map(|url| (url.url, url.rule)).collect();
    assert_eq!(urls, [("https://mail.test/admin", MatchRule::Exact), ("ftp://x.test", MatchRule::Never)]);
}

#[test]
fn edits_that_do_not_fit_are_named() {
    let entry = full();
    let fault = |edit: Edit| apply(&entry, &[edit], 1).unwrap_err();
    assert_eq!(fault(set(FieldPath::Favourite, "yes")), EditError::NotAFlag);
    assert_eq!(fault(set(FieldPath::Totp, "what?")), EditError::NotAOneTimePassword);
    assert_eq!(fault(set(FieldPath::Field("none".to_owned()), "x")), EditError::NoSuchField);
    assert_eq!(fault(Edit::AddTag(" ".to_owned())), EditError::Empty);
    assert_eq!(fault(Edit::RemoveUrl("x".to_owned())), EditError::NoSuchField);
    assert_eq!(
        fault(Edit::Resolve { place: "title".to_owned(), keep: Keep::Current }),
        EditError::NoSuchField
    );
    let tags: Vec<Edit> = (0..=MAX_LISTED).map(|number| Edit::AddTag(number.to_string())).collect();
    assert_eq!(apply(&entry, &tags, 1).unwrap_err(), EditError::TooMany);
    let large = set(FieldPath::Notes, &"x".repeat(1 << 20));
    assert!(matches!(fault(large), EditError::Refused(refused) if refused.refusal == Refusal::Limit));
}

#[test]
fn hidden_fields_are_known_as_such() {
    let entry = full();
    for (name, hidden) in [
        ("password", true),
        ("totp", true),
        ("field.PIN", true),
        ("field.none", false),
        ("title", false),
        ("username", false),
        ("notes", false),
    ] {
        assert_eq!(entry.is_hidden(&name.parse().unwrap()), hidden, "{name}");
    }
    assert_eq!("field.".parse::<FieldPath>(), Err(UnknownField));
    assert_eq!("passwort".parse::<FieldPath>(), Err(UnknownField));
}

#[test]
fn members_of_a_newer_client_survive_an_edit() {
    let json = serde_json::json!({
        "type": "spaceship", "title": "t", "creationAtMs": 1, "modifiedAtMs": 1, "warp": {"factor": [9, null]},
        "urls": [{"url": "https://x.test", "match": "psychic", "icon": "🚀"}],
        "fields": [{"id": "a", "label": "l", "fieldType": "hologram", "value": "v", "depth": 3}],
    });
    let entry = decoded(&json).unwrap();
    assert_eq!((entry.entry_type(), entry.type_name()), (EntryType::Unknown, "spaceship"));
    assert_eq!(entry.urls().next().unwrap().rule, MatchRule::Unknown);
    assert!(entry.is_hidden(&FieldPath::Field("l".to_owned())), "what is not understood is not shown");
    let edits = [set(FieldPath::Title, "t2"), set(FieldPath::Field("l".to_owned()), "w")];
    let edited: serde_json::Value =
        serde_json::from_slice(&apply(&entry, &edits, 2).unwrap().encode().unwrap()).unwrap();
    assert_eq!(edited["warp"], json["warp"]);
    assert_eq!(edited["urls"], json["urls"]);
    assert_eq!(edited["fields"][0]["depth"], 3);
    assert_eq!(edited["fields"][0]["fieldType"], "hologram");
    assert_eq!(edited["fields"][0]["value"], "w");
}

#[test]
fn documents_that_are_no_entries_are_refused() {
    let good = serde_json::json!({"type": "note", "title": "t", "creationAtMs": 1, "modifiedAtMs": 1});
    assert!(decoded(&good).is_ok());
    for name in ["type", "title", "creationAtMs", "modifiedAtMs"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(decoded(&bad).unwrap_err().refusal, Refusal::Format, "without {name}");
    }
    let hash = "00".repeat(32);
    for (name, value) in [
        ("title", serde_json::json!(1)),
        ("password", serde_json::json!(null)),
        ("favorite", serde_json::json!("yes")),
        ("trashedAtMs", serde_json::json!(-1)),
        ("tags", serde_json::json!("a")),
        ("tags", serde_json::json!(["a", "a"])),
        ("tags", serde_json::json!([1])),
        ("urls", serde_json::json!(["https://x.test"])),
        ("urls", serde_json::json!([{"url": "a"}, {"url": "a"}])),
        ("fields", serde_json::json!([{"id": "a", "label": "b", "value": "c"}])),
        ("attachments", serde_json::json!([{"id": "a", "name": "b", "size": 1, "recordHash": hash}])),
        ("history", serde_json::json!([{"field": "a", "atMs": 1}])),
        ("conflicts", serde_json::json!({})),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert_eq!(decoded(&bad).unwrap_err().refusal, Refusal::Format, "{name}: {}", bad[name]);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(entry in testing::any_entry()) {
        prop_assert!(Entry::decode(&entry.encode().unwrap()).unwrap() == entry);
    }

    /// The history law: a text that an edit overwrites is still there.
    #[test]
    fn no_edit_loses_a_value(entry in testing::any_entry(), edits in testing::any_edits()) {
        let edited = apply(&entry, &edits, 9_000).unwrap();
        let after = testing::texts(&edited);
        for text in testing::texts(&entry) {
            prop_assert!(after.contains(&text), "{text} is lost");
        }
    }
}
