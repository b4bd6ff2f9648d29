//! The audit log, deletion and its grace, downloads of everything held.

use std::collections::BTreeSet;

use etui_api::{
    ErrorCode,
    privacy::{AuditEvent, AuditEvents, DataExport, Deletion, FetchDataExport, JSON_LINES},
    session::{LoginProof, Refresh, Session, SignIn, Token},
};
use etui_chain::{DeviceId, Digest};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Person, TestServer, send};

const OTHER_DEVICE: [u8; 16] = [9; 16];

#[tokio::test]
async fn the_holder_reads_what_was_done_and_which_device_it_was() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let first = server.sign_up(&person).await;
    let other = DeviceId::new(OTHER_DEVICE).unwrap();
    let sign_in = || SignIn { device_id: other, ..person.sign_in() };
    let second: Session = server.post_json("/v1/sessions", &sign_in()).await.json();
    let refresh = Refresh { refresh_token: second.refresh_token.clone(), request_id: None };
    server.post_json("/v1/sessions/refresh", &refresh).await;
    server.post_json("/v1/sessions/refresh", &refresh).await;
    let third: Session = server.post_json("/v1/sessions", &sign_in()).await.json();
    server.delete("/v1/sessions/current", &third).await;

    let page: AuditEvents = server.get("/v1/account/events", &first).await.json();
    let told: Vec<_> = page.events.iter().map(short).collect();
    let expected = [
        ("holder", "sign_out", "done", Some(other)),
        ("holder", "new_device", "done", Some(other)),
        ("stranger", "token_reused", "refused", Some(other)),
        ("holder", "new_device", "done", Some(other)),
        ("holder", "sign_up", "done", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(page.next, None);
    let text = String::from_utf8(server.get("/v1/account/events", &first).await.body).unwrap();
    for never in [person.email.clone(), person.account_id.to_string()] {
        assert!(!text.contains(&never), "{never} is in the log");
    }
    let with = |event: &AuditEvent| (event.action.clone(), event.actor_device_id);
    let with: Vec<_> = page.events.iter().map(with).collect();
    let of = |action: &str, device_id| (action.to_owned(), device_id);
    let expected = [
        of("sign_out", Some(other)),
        of("new_device", Some(other)),
        of("token_reused", None),
        of("new_device", Some(other)),
        of("sign_up", Some(person.device_id)),
    ];
    assert_eq!(with, expected, "the device that did it");
    let older = format!("/v1/account/events?before={}", page.events[2].number);
    let older: AuditEvents = server.get(&older, &first).await.json();
    assert_eq!(older.events, page.events[3..]);

    let lines = server.get("/v1/account/events/export", &first).await;
    assert_eq!(lines.headers["content-type"], JSON_LINES);
    let lines: Vec<AuditEvent> =
        lines_of(&lines).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
    assert_eq!(lines, page.events);
}

#[tokio::test]
async fn a_page_has_an_end_and_the_export_has_all() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let other = SignIn { device_id: DeviceId::new(OTHER_DEVICE).unwrap(), ..person.sign_in() };
    for _ in 0..130 {
        assert_eq!(server.post_json("/v1/sessions", &other).await.status, 200);
    }
    let first: AuditEvents = server.get("/v1/account/events", &session).await.json();
    let rest = format!("/v1/account/events?before={}", first.next.unwrap());
    let rest: AuditEvents = server.get(&rest, &session).await.json();
    assert_eq!((first.events.len(), rest.events.len(), rest.next), (100, 31, None));
    let all = lines_of(&server.get("/v1/account/events/export", &session).await);
    assert_eq!(all.len(), 131);
}

#[tokio::test]
async fn who_tries_to_get_in_is_noted_and_fills_no_table() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let wrong = SignIn { login_proof: LoginProof::new([77; 32]), ..person.sign_in() };
    // The note is beside the answer: it is there some time after it.
    let refused = loop {
        server.post_json("/v1/sessions", &wrong).await;
        let page: AuditEvents = server.get("/v1/account/events", &session).await.json();
        if let Some(refused) = page.events.into_iter().find(|event| event.outcome == "refused") {
            break refused;
        }
    };
    assert_eq!(short(&refused), ("stranger", "sign_in", "refused", Some(person.device_id)));
}

#[tokio::test]
async fn a_deleted_account_can_be_kept_or_taken_along_and_nothing_else() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let first = server.sign_up(&person).await;
    let other = SignIn { device_id: DeviceId::new(OTHER_DEVICE).unwrap(), ..person.sign_in() };
    let second: Session = server.post_json("/v1/sessions", &other).await.json();
    assert_eq!(
        post(&server, "/v1/account/keep", &first).await.code(),
        ErrorCode::NotFound,
        "it stays anyway"
    );

    let deletion: Deletion = server.delete("/v1/account", &first).await.json();
    assert_eq!(server.get("/v1/devices", &second).await.code(), ErrorCode::SessionEnded);
    let problem = server.get("/v1/devices", &first).await.problem();
    assert_eq!(
        (problem.code, problem.delete_at_ms),
        (ErrorCode::AccountLeaving, Some(deletion.delete_at_ms))
    );
    assert_eq!(server.delete("/v1/account", &first).await.code(), ErrorCode::AccountLeaving);

    let again: Session = server.post_json("/v1/sessions", &other).await.json();
    assert_eq!(server.get("/v1/keysets", &again).await.code(), ErrorCode::AccountLeaving);
    assert_eq!(post(&server, "/v1/account/exports", &again).await.status, 201);
    assert_eq!(post(&server, "/v1/account/keep", &again).await.status, 204);
    assert_eq!(server.get("/v1/keysets", &again).await.status, 200);
    let page: AuditEvents = server.get("/v1/account/events", &again).await.json();
    let told: Vec<_> = page.events[..4].iter().map(|event| event.action.as_str()).collect();
    assert_eq!(told, ["keep_account", "export_data", "new_device", "delete_account"]);
}

#[tokio::test]
async fn everything_held_is_one_file_for_a_while() {
    let server = TestServer::start().await;
    let (mut person, stranger) = (Person::new(1), Person::new(2));
    let session = server.sign_up(&person).await;
    server.sign_up(&stranger).await;
    for number in 0..3 {
        server.push_entry(&mut person, &session, number).await;
    }
    let asked = post(&server, "/v1/account/exports", &session).await;
    assert_eq!(asked.status, 201);
    let export: DataExport = asked.json();
    assert!(export.ready);
    let file = fetch(&server, &export.secret).await;
    assert_eq!((file.status, file.headers["content-type"].to_str().unwrap()), (200, JSON_LINES));
    check_end(&file.body);

    let lines = lines_of(&file);
    assert_eq!(lines[0]["account_id"], person.account_id.to_string());
    let tables: BTreeSet<&str> = lines.iter().filter_map(|line| line["table"].as_str()).collect();
    let expected = [
        "account",
        "account_state",
        "audit_event",
        "data_export",
        "known_device",
        "named_record",
        "object",
        "session",
        "vault",
        "vault_commit",
    ];
    assert_eq!(tables, BTreeSet::from(expected));
    let records = lines.iter().filter(|line| line["row"]["record"].is_string()).count();
    assert_eq!(records, 4, "three entries and the settings of the vault");
    let text = String::from_utf8(file.body).unwrap();
    assert!(text.contains(&person.email) && !text.contains(&stranger.email));
    assert!(!text.contains("argon2id"), "no hash of the login proof");

    let another: DataExport = post(&server, "/v1/account/exports", &session).await.json();
    assert_eq!(
        fetch(&server, &export.secret).await.code(),
        ErrorCode::NoLongerValid,
        "the newer one replaces it"
    );
    assert_eq!(fetch(&server, &another.secret).await.status, 200);
    let wrong = Token::new("A".repeat(43));
    assert_eq!(fetch(&server, &wrong).await.code(), ErrorCode::NoLongerValid);
}

#[tokio::test]
async fn the_log_of_all_is_for_administrators_with_a_token_for_it() {
    let server = TestServer::start().await;
    let (first, second) = (Person::new(1), Person::new(2));
    let session = server.sign_up(&first).await;
    let others = server.sign_up(&second).await;
    let own: AuditEvents = server.get("/v1/account/events", &others).await.json();
    let of_one = format!("/v1/admin/events?account={}", own.events[0].account);
    for path in ["/v1/admin/events", "/v1/admin/events/export", &of_one] {
        assert_eq!(server.get(path, &session).await.code(), ErrorCode::NotAllowed);
    }
    let token = server.administer(&session).await;
    let get = async |path: &str| server.ask(Method::GET, path, &token, None).await;
    let all: AuditEvents = get("/v1/admin/events").await.json();
    assert_eq!(all.events.len(), 2);
    let named = |event: &AuditEvent| event.device_id.is_some() || event.actor_device_id.is_some();
    assert!(!all.events.iter().any(named), "pseudonyms alone");
    let one: AuditEvents = get(&of_one).await.json();
    let pseudonymous = |event: AuditEvent| AuditEvent { device_id: None, actor_device_id: None, ..event };
    assert_eq!(one.events, own.events.into_iter().map(pseudonymous).collect::<Vec<_>>());
    assert_eq!(lines_of(&get("/v1/admin/events/export").await).len(), 2);
    assert_eq!(get("/v1/admin/events?account=ada").await.code(), ErrorCode::BadRequest);
}

fn short(event: &AuditEvent) -> (&str, &str, &str, Option<DeviceId>) {
    (&event.actor, &event.action, &event.outcome, event.device_id)
}

fn lines_of(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last line says how many came before it, and their hash.
fn check_end(file: &[u8]) {
    let before = file[..file.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let end: Value = serde_json::from_slice(&file[before..]).unwrap();
    assert_eq!(end["end"]["sha256"], Digest::of(&[&file[..before]]).to_string());
    assert_eq!(end["end"]["lines"], file[..before].split_inclusive(|byte| *byte == b'\n').count());
}

async fn post(server: &TestServer, path: &str, session: &Session) -> Answer {
    send(server.request(Method::POST, path).bearer_auth(session.access_token.expose())).await
}

async fn fetch(server: &TestServer, secret: &Token) -> Answer {
    server.post_json("/v1/account/exports/fetch", &FetchDataExport { secret: secret.clone() }).await
}
