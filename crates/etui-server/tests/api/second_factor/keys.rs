//! The secret of an authenticator app lies sealed under a key in the token key file.

use std::{fs, process::Command};

use data_encoding::BASE64URL_NOPAD;
use etui_api::{
    ErrorCode,
    account::Devices,
    session::{Factor, Method, Refresh, Session, Token},
    ways::Ways,
};
use etui_chain::{DeviceId, Digest, Id};
use etui_server::token_keys;
use etui_store::{NewSession, SealedTotp, SessionId};

use super::{Guarded, code_at, copy, now_s, pages};
use crate::support::{Person, TestServer};

/// A server with another key than that with which somebody's app was set up.
async fn with_another_key() -> Guarded {
    let mut guarded = Guarded::new().await;
    fs::remove_file(guarded.server.folder().join("token.key")).unwrap();
    guarded.server = guarded.server.start_again().await;
    guarded
}

#[tokio::test]
async fn a_secret_in_the_row_of_another_account_computes_nothing() {
    let guarded = Guarded::new().await;
    let thief = Person::new(2);
    let session = guarded.server.sign_up(&thief).await;
    let (app, _codes) = pages::guard(&guarded.server, &session).await;
    let account =
        |email: &str| format!("account_id = (SELECT account_id FROM account WHERE email = '{email}')");
    let (to, from) = (account(&guarded.person.email), account(&thief.email));
    let moved = format!("UPDATE totp SET secret = (SELECT secret FROM totp WHERE {from}) WHERE {to}");
    guarded.server.execute(&moved).await;
    let answer = guarded.server.post_json("/v1/sessions", &guarded.person.sign_in()).await;
    let ticket = answer.problem().ticket.unwrap();
    for app in [&app, &guarded.app] {
        let answer = guarded.show(&ticket, Factor::Totp(code_at(app, 1))).await;
        assert_eq!(answer.code(), ErrorCode::SecondFactorUnreadable);
    }
}

#[tokio::test]
async fn a_rotation_of_the_token_key_leaves_second_factors_as_they_are() {
    let mut guarded = Guarded::new().await;
    let path = guarded.server.folder().join("token.key");
    let before = fs::read(&path).unwrap();
    for now_s in [now_s(), now_s() + 100_000] {
        token_keys::rotate(&path, false, now_s).unwrap();
    }
    assert_ne!(fs::read(&path).unwrap(), before);
    guarded.server = guarded.server.start_again().await;
    let answer = guarded.show(&guarded.ticket().await, Factor::Totp(code_at(&guarded.app, 1))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn with_another_key_file_recovery_codes_lead_in_and_the_app_is_set_up_anew() {
    let guarded = with_another_key().await;
    let answer = guarded.server.post_json("/v1/sessions", &guarded.person.sign_in()).await;
    let problem = answer.problem();
    assert_eq!(problem.methods.unwrap(), [Method::RecoveryCode], "only what can be checked");
    let ticket = problem.ticket.unwrap();
    let answer = guarded.show(&ticket, Factor::Totp(code_at(&guarded.app, 1))).await;
    assert_eq!((answer.status, answer.code()), (409, ErrorCode::SecondFactorUnreadable));
    assert!(answer.problem().detail.unwrap().contains("recovery code"));
    let answer = guarded.show(&ticket, Factor::RecoveryCode(copy(&guarded.codes[0]))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    let (app, _codes) = pages::guard(&guarded.server, &session).await;
    let answer = guarded.show(&guarded.ticket().await, Factor::Totp(code_at(&app, 1))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_operator_removes_a_second_factor_that_cannot_be_checked_and_no_other() {
    let guarded = Guarded::new().await;
    let (said, ok) = remove(&guarded.server, &guarded.person.email);
    assert!(!ok && said.contains("only its holder removes it"), "{said}");
    assert!(guarded.server.get("/v1/account/ways", &guarded.session).await.json::<Ways>().totp);

    let guarded = with_another_key().await;
    let (said, ok) = remove(&guarded.server, &guarded.person.email);
    assert!(ok, "{said}");
    let answer = guarded.server.post_json("/v1/sessions", &guarded.person.sign_in()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let ways: Ways = guarded.server.get("/v1/account/ways", &answer.json()).await.json();
    assert_eq!((ways.totp, ways.recovery_codes), (false, 0));
    let (said, ok) = remove(&guarded.server, &guarded.person.email);
    assert!(!ok && said.contains("no second factor"), "{said}");
}

/// What it said, and whether it was done.
fn remove(server: &TestServer, email: &str) -> (String, bool) {
    run(server, &["admin", "remove-second-factor", email, "--yes"])
}

/// Runs the program beside the server, with its settings.
fn run(server: &TestServer, arguments: &[&str]) -> (String, bool) {
    let settings = server.folder().join("beside.toml");
    fs::write(&settings, server.settings().to_toml()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
    let output = command.env_clear().args(arguments).arg("--config").arg(settings).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (said, output.status.success())
}

/// What the file held is worth nothing afterwards: no token, no session, no copy of the database.
#[tokio::test]
async fn a_file_that_somebody_may_know_is_replaced_whole() {
    let mut guarded = Guarded::new().await;
    let old_token = session_of_an_older_program(&guarded).await;
    let begun = guarded.ticket().await;
    let before = sealed(&guarded).await;
    let (said, ok) = run(&guarded.server, &["rotate-token-key", "--at-once"]);
    assert!(ok && said.contains("every device signs in again"), "{said}");
    assert_ne!(sealed(&guarded).await, before, "sealed anew");
    guarded.server = guarded.server.start_again().await;

    let answer = guarded.server.get("/v1/devices", &guarded.session).await;
    assert_eq!(answer.code(), ErrorCode::TokenExpired);
    for refresh_token in [guarded.session.refresh_token.clone(), Some(old_token)] {
        let refresh = Refresh { refresh_token, request_id: None };
        let answer = guarded.server.post_json("/v1/sessions/refresh", &refresh).await;
        assert_eq!(answer.code(), ErrorCode::SessionEnded);
    }
    let code = code_at(&guarded.app, 1);
    let answer = guarded.show(&begun, Factor::Totp(copy(&code))).await;
    assert_eq!(answer.code(), ErrorCode::NoLongerValid, "begun before");
    let answer = guarded.show(&guarded.ticket().await, Factor::Totp(code)).await;
    assert_eq!(answer.status, 200, "the app goes on: {answer:?}");
    let again = guarded.server.get("/v1/devices", &answer.json()).await;
    assert_eq!(again.json::<Devices>().devices.len(), 2, "as the device that it was, beside the other one");
}

/// Its refresh token, which no key has made.
async fn session_of_an_older_program(guarded: &Guarded) -> Token {
    let (token, now_ms) = ([5; 32], now_s() * 1000);
    let store = guarded.server.look_into_store().await;
    let claim = store.login(&guarded.person.email).await.unwrap().unwrap().claim;
    let session = NewSession {
        session_id: SessionId::new(Id::new([6; 16]).unwrap()),
        refresh_hash: Digest::of(&[&token]),
        expires_ms: now_ms + 1_000_000,
        method: Method::LoginPassword,
        is_present: true,
    };
    let device_id = DeviceId::new([7; 16]).unwrap();
    store.create_session(claim, device_id, session, |_| Ok(None), now_ms).await.unwrap();
    store.close().await;
    Token::new(BASE64URL_NOPAD.encode(&token))
}

async fn sealed(guarded: &Guarded) -> SealedTotp {
    let store = guarded.server.look_into_store().await;
    let sealed = store.totp(guarded.person.account_id).await.unwrap().unwrap();
    store.close().await;
    sealed
}
