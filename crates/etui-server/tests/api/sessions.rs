//! Signing in, refreshing, signing out.

use etui_api::{
    ErrorCode,
    account::Devices,
    session::{LoginProof, Refresh, Session, SignIn, Token},
};
use etui_chain::DeviceId;
use reqwest::Method;

use crate::support::{Person, TestServer};

#[tokio::test]
async fn the_right_proof_opens_a_session_on_a_new_device() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    let sign_in = SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let answer = server.post_json("/v1/sessions", &sign_in).await;
    assert_eq!(answer.status, 200);
    let session: Session = answer.json();
    let devices: Devices = server.get("/v1/devices", &session).await.json();
    let listed: Vec<_> = devices.devices.iter().map(|device| (device.listed, device.current)).collect();
    assert_eq!(listed.iter().filter(|entry| **entry == (false, true)).count(), 1, "{listed:?}");
}

#[tokio::test]
async fn a_wrong_proof_and_an_unknown_address_look_the_same() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    let wrong = SignIn { login_proof: LoginProof::new([77; 32]), ..person.sign_in() };
    let unknown = SignIn { email: "nobody@example.org".to_owned(), ..person.sign_in() };
    let impossible = SignIn { email: "no address".to_owned(), ..person.sign_in() };
    let mut bodies = Vec::new();
    for sign_in in [wrong, unknown, impossible] {
        let answer = server.post_json("/v1/sessions", &sign_in).await;
        let mut problem = answer.problem();
        assert_eq!(problem.code, ErrorCode::SignInFailed);
        problem.request_id = None;
        bodies.push(serde_json::to_string(&problem).unwrap());
        let names: Vec<_> = answer.headers.keys().cloned().collect();
        bodies.push(format!("{names:?}"));
    }
    assert_eq!(bodies[..2], bodies[2..4]);
    assert_eq!(bodies[..2], bodies[4..]);
    insta::assert_snapshot!(bodies[0]);
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_the_session_for_both() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    for back in 1..=2 {
        let first: Session = server.post_json("/v1/sessions", &person.sign_in()).await.json();
        let answer = server.post_json("/v1/sessions/refresh", &refresh(&first, None)).await;
        assert_eq!(answer.status, 200);
        let second: Session = answer.json();
        assert_eq!(server.get("/v1/devices", &second).await.status, 200);

        let third: Session = server.post_json("/v1/sessions/refresh", &refresh(&second, None)).await.json();
        let copied = [&second, &first][back - 1];
        let again = server.post_json("/v1/sessions/refresh", &refresh(copied, None)).await;
        assert_eq!(again.code(), ErrorCode::SessionEnded);
        assert_eq!(server.get("/v1/devices", &third).await.code(), ErrorCode::SessionEnded);
        let newest = server.post_json("/v1/sessions/refresh", &refresh(&third, None)).await;
        assert_eq!(newest.code(), ErrorCode::SessionEnded);
    }
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_may_be_repeated() {
    let server = TestServer::start().await;
    let first = server.sign_up(&Person::new(1)).await;
    let request = refresh(&first, Some("a request with an id of its own"));
    let lost: Session = server.post_json("/v1/sessions/refresh", &request).await.json();
    let again: Session = server.post_json("/v1/sessions/refresh", &request).await.json();
    assert_eq!(again.refresh_token, lost.refresh_token, "there is one successor");
    assert_eq!(server.get("/v1/devices", &again).await.status, 200);
    let next: Session = server.post_json("/v1/sessions/refresh", &refresh(&again, None)).await.json();
    let late = server.post_json("/v1/sessions/refresh", &request).await;
    assert_eq!(late.code(), ErrorCode::SessionEnded, "its successor was used, so the answer was not lost");
    assert_eq!(server.get("/v1/devices", &next).await.code(), ErrorCode::SessionEnded);
}

#[tokio::test]
async fn who_has_the_token_and_not_the_request_ends_the_session() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    for (used, copied) in [
        (Some("a request with an id of its own"), Some("another request with another id")),
        (Some("a request with an id of its own"), None),
        // One that could be guessed counts for nothing.
        (Some("1"), Some("1")),
        (None, None),
    ] {
        let first: Session = server.post_json("/v1/sessions", &person.sign_in()).await.json();
        let second: Session = server.post_json("/v1/sessions/refresh", &refresh(&first, used)).await.json();
        let answer = server.post_json("/v1/sessions/refresh", &refresh(&first, copied)).await;
        assert_eq!(answer.code(), ErrorCode::SessionEnded, "{used:?} {copied:?}");
        assert_eq!(server.get("/v1/devices", &second).await.code(), ErrorCode::SessionEnded);
    }
}

#[tokio::test]
async fn who_signs_out_is_out_at_once() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    assert_eq!(server.delete("/v1/sessions/current", &session).await.status, 204);
    assert_eq!(server.get("/v1/devices", &session).await.code(), ErrorCode::SessionEnded);
}

#[tokio::test]
async fn a_device_can_be_signed_out_from_another() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let first = server.sign_up(&person).await;
    let other = DeviceId::new([9; 16]).unwrap();
    let sign_in = SignIn { device_id: other, ..person.sign_in() };
    let second: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let path = format!("/v1/devices/{other}");
    assert_eq!(server.delete(&path, &first).await.status, 204);
    assert_eq!(server.get("/v1/devices", &second).await.code(), ErrorCode::SessionEnded);
    assert_eq!(server.delete(&path, &first).await.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn everybody_else_is_signed_out_at_once() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let first = server.sign_up(&person).await;
    let sign_in = SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let second: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    assert_eq!(server.delete("/v1/sessions/others", &first).await.status, 204);
    assert_eq!(server.get("/v1/devices", &second).await.code(), ErrorCode::SessionEnded);
    let refreshed = server.post_json("/v1/sessions/refresh", &refresh(&second, None)).await;
    assert_eq!(refreshed.code(), ErrorCode::SessionEnded);
    assert_eq!(server.get("/v1/devices", &first).await.status, 200);
}

#[tokio::test]
async fn a_new_device_is_given_nothing_until_another_approves_it() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let first = server.sign_up(&person).await;
    let on = Some(serde_json::json!({ "on": true }));
    let switched = server.ask(Method::PUT, "/v1/account/device-approval", &first.access_token, on).await;
    assert_eq!(switched.status, 204);
    let device_id = DeviceId::new([9; 16]).unwrap();
    let sign_in = SignIn { device_id, ..person.sign_in() };
    let second: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    for path in ["/v1/keysets", "/v1/states", "/v1/devices", "/v1/events"] {
        assert_eq!(server.get(path, &second).await.code(), ErrorCode::DeviceNotApproved, "{path}");
    }
    let approve = format!("/v1/devices/{device_id}/approve");
    let itself = server.ask(Method::POST, &approve, &second.access_token, None).await;
    assert_eq!(itself.code(), ErrorCode::DeviceNotApproved);
    let devices: Devices = server.get("/v1/devices", &first).await.json();
    let waits = devices.devices.iter().filter(|device| device.awaits_approval);
    assert_eq!(waits.map(|device| device.device_id).collect::<Vec<_>>(), [device_id]);

    // It renews its tokens meanwhile, and waits on.
    let second: Session = server.post_json("/v1/sessions/refresh", &refresh(&second, None)).await.json();
    assert_eq!(server.get("/v1/keysets", &second).await.code(), ErrorCode::DeviceNotApproved);
    assert_eq!(server.ask(Method::POST, &approve, &first.access_token, None).await.status, 204);
    assert_eq!(server.get("/v1/keysets", &second).await.status, 200);
    let again = server.ask(Method::POST, &approve, &first.access_token, None).await;
    assert_eq!(again.code(), ErrorCode::NotFound, "nobody waits");
}

fn refresh(session: &Session, request_id: Option<&str>) -> Refresh {
    let request_id = request_id.map(|id| Token::new(id.to_owned()));
    Refresh { refresh_token: session.refresh_token.clone(), request_id }
}
