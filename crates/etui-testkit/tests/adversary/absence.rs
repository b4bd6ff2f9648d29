//! Attacks that have nothing to take hold of here: nobody's key but one's own is ever sealed to, nobody is a member of anything,
//! and nothing is fetched because of what an entry says.

use std::{collections::BTreeSet, fs, path::Path};

use etui_testkit::{
    Exchange,
    evil::{Answer, Mutation, Subject, catalogue},
};
use serde_json::{Value, json};

use crate::scene::{Scene, nothing_was_uploaded};

/// Parts of words that stand for what there is none of. (An invitation lets somebody make an account; a recovery code is a
/// second factor.)
const NONE_OF: [&str; 14] = [
    "organi",
    "collection",
    "membership",
    "escrow",
    "emergency",
    "grantee",
    "connector",
    "shared_with",
    "sharing",
    "super_admin",
    "auto_enrol",
    "public_keys",
    "icon",
    "preview",
];

#[test]
fn the_api_has_no_operation_for_sharing_escrow_or_fetching() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/openapi.json");
    let text = fs::read_to_string(file).expect("the description of the API");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut names = BTreeSet::new();
    collect_names(&document["paths"], &mut names);
    collect_names(&document["components"]["schemas"], &mut names);
    assert!(names.contains("/v1/keysets"), "names are collected: {names:?}");
    for word in NONE_OF {
        let found: Vec<_> = names.iter().filter(|name| name.to_lowercase().contains(word)).collect();
        assert!(found.is_empty(), "{word}: {found:?}");
    }
}

/// Names of paths, schemas and their members; descriptions are words about them.
fn collect_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if !["description", "summary", "title", "example"].contains(&name.as_str()) {
                    names.insert(name.clone());
                    collect_names(member, names);
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| collect_names(member, names)),
        _ => {}
    }
}

/// What made other clients seal their keys to somebody: here they are members of a document that nobody reads.
#[test]
fn keys_and_policies_that_nobody_asked_for_are_ignored() {
    let scene = Scene::new();
    let honest = scene.stage.device("honest");
    honest.log_in();
    let device = scene.stage.device("new");
    let lying = device.wire().tell(offers_everything());
    device.log_in();
    assert!(lying.times() >= 2, "the session and the keysets were altered");
    assert_eq!(device.contents(), scene.other.contents());
    assert_eq!(asked(&device.wire().traffic()), asked(&honest.wire().traffic()), "it asks for nothing else");
    scene.nothing_secret_left(&device);
    drop(lying);
    scene.victim.wire().mend();
    scene.converges();
}

fn offers_everything() -> Mutation {
    let is_json = |answer: &Answer| answer.status.is_success() && answer.body.starts_with(b"{");
    Mutation::new(
        "offers_everything",
        |_| true,
        move |_, mut answer| {
            if is_json(&answer) {
                let mut document: Value = serde_json::from_slice(&answer.body).expect("JSON");
                let mallory = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE";
                for (member, value) in [
                    ("organizations", json!([{ "id": "0b7c", "public_key": mallory, "auto_enroll": true }])),
                    ("policies", json!([{ "type": "auto_recover", "enabled": true }])),
                    ("super_admin_keys", json!([mallory, mallory])),
                    ("recovery_group_key", json!(mallory)),
                    ("key_connector_url", json!("https://connector.example")),
                    ("sso", json!(true)),
                    ("remove_master_password", json!(true)),
                    ("server_version", json!("0.0.1")),
                    ("min_version", json!(0)),
                    ("use_item_keys", json!(false)),
                ] {
                    document[member] = value;
                }
                answer.body = document.to_string().into_bytes();
            }
            answer
        },
    )
}

/// What was asked for, without what is a device's own: how often news were waited for, and which ids it has.
fn asked(traffic: &[Exchange]) -> BTreeSet<String> {
    let path = |exchange: &Exchange| exchange.path.split('?').next().unwrap_or_default().to_owned();
    let of = |exchange: &Exchange| format!("{} {}", exchange.method, path(exchange));
    traffic.iter().map(of).filter(|asked| asked != "GET /v1/events").collect()
}

const NO_SERVER: &str = "does not answer like an Etui server";

/// A key object that is missing, null, empty or cut short is refused, and none is made in its place.
#[test]
fn keys_that_are_null_empty_or_cut_short_are_refused() {
    let scene = Scene::new();
    for (what, said, alter) in [
        ("no keysets", "missing", (|body| body["keysets"] = json!([])) as fn(&mut Value)),
        ("null for the keysets", NO_SERVER, |body| body["keysets"] = Value::Null),
        ("null for a record", NO_SERVER, |body| body["keysets"][0]["record"] = Value::Null),
        ("null for the derivation", NO_SERVER, |body| body["kdf"] = Value::Null),
        ("null for the account", NO_SERVER, |body| body["account_id"] = Value::Null),
        ("an empty record", "keyset_hash", |body| body["keysets"][0]["record"] = json!("")),
        ("half a header", "keyset_hash", |body| cut_to(body, 24)),
        ("a header and nothing else", "keyset_hash", |body| cut_to(body, 160)),
        ("three bytes fewer", "keyset_hash", |body| cut_to(body, record(body).len() - 4)),
    ] {
        let device = scene.stage.device("new");
        let keysets = |subject| subject == Subject::Keysets;
        let lying = device.wire().tell(Mutation::of_json("null keys", keysets, move |_, body| alter(body)));
        let code = if said == NO_SERVER { 1 } else { 5 };
        let error = device.failure(code, &device.credentials("login"));
        let is_said = error["refusal"] == said || error["message"].as_str().expect(what).contains(said);
        assert!(is_said, "{what}: {error}");
        assert!(lying.times() > 0, "{what}");
        drop(lying);
        assert_eq!(device.json(&["status"])["account_id"], Value::Null, "{what}: nothing is set up");
        nothing_was_uploaded(&device.wire().traffic());
        scene.nothing_secret_left(&device);
    }
    scene.victim.wire().mend();
    scene.converges();
}

fn record(body: &Value) -> String {
    body["keysets"][0]["record"].as_str().expect("base64url").to_owned()
}

/// To so many characters, of which four are three bytes.
fn cut_to(body: &mut Value, characters: usize) {
    let mut text = record(body);
    text.truncate(characters / 4 * 4);
    body["keysets"][0]["record"] = json!(text);
}

/// The address in an entry is a text: it is shown, copied and searched, and nobody is asked about it. Also while the server has
/// put one entry's record in the place of another's.
#[test]
fn what_an_entry_says_causes_no_request() {
    let scene = Scene::new();
    let lying = scene.victim.wire().tell(catalogue::repeated_record());
    scene.victim.wire().mend();
    assert_eq!(scene.victim.failure(5, &["sync"])["refusal"], "wrong_context");
    let id = scene.victim.json(&["list"])[0]["id"].as_str().expect("an id").to_owned();
    scene.victim.wire().cut();
    let before = asked(&scene.victim.wire().traffic());
    let passed = scene.victim.wire().traffic().len();
    scene.victim.ok(&["edit", &id, "--add-url", "https://canary-host.example/favicon.ico"]);
    scene.victim.wire().mend();
    drop(lying);
    for verb in [&["list"][..], &["search", "canary"], &["get", &id], &["list", "--json"]] {
        scene.victim.ok(verb);
    }
    scene.victim.ok(&["sync"]);
    let since = &scene.victim.wire().traffic()[passed..];
    let new: Vec<_> = asked(since).difference(&before).cloned().collect();
    assert!(new.iter().all(|asked| asked.starts_with("POST /v1/vaults/")), "only the edit is sent: {new:?}");
    for exchange in since {
        let sent = exchange.sent();
        let host = memchr::memmem::find(&sent, b"canary-host");
        assert_eq!(host, None, "{} {}", exchange.method, exchange.path);
    }
}
