//! Signing up.

use etui_api::{ErrorCode, account::Keysets, frame::Frame, session::Session};
use etui_server::settings::SignUpPolicy;
use reqwest::Method;

use crate::support::{Person, TestServer, body, frames_body, send};

#[tokio::test]
async fn who_signs_up_is_signed_in() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    assert_eq!(session.account_id, person.account_id);
    assert_eq!(session.expires_in_s, 600);
    let answer = server.get("/v1/keysets", &session).await;
    insta::assert_json_snapshot!(answer.lasting_json());
    let keysets: Keysets = answer.json();
    assert_eq!(keysets.keysets[0].record, person.named_records[0]);
    let devices = server.get("/v1/devices", &session).await;
    insta::assert_json_snapshot!(devices.lasting_json());
}

#[tokio::test]
async fn an_address_or_an_id_is_taken_once() {
    let server = TestServer::start().await;
    let first = Person::new(1);
    server.sign_up(&first).await;
    let mut same_address = Person::new(2);
    same_address.email = " PERSON1@example.org ".to_owned();
    let mut same_id = Person::new(1);
    same_id.email = "somebody@example.org".to_owned();
    for person in [same_address, same_id] {
        let answer =
            send(frames_body(server.request(Method::POST, "/v1/accounts"), &person.sign_up_frames())).await;
        assert_eq!(answer.code(), ErrorCode::AccountExists);
    }
}

#[tokio::test]
async fn a_cut_a_shuffled_and_an_unsigned_sign_up_leave_nothing() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let request = || server.request(Method::POST, "/v1/accounts");
    let frames = person.sign_up_frames();

    let whole = body(&frames);
    let cut =
        request().header("content-type", "application/cbor-seq").body(whole[..whole.len() - 7].to_vec());
    assert_eq!(send(cut).await.problem().refusal.as_deref(), Some("truncated"));

    let mut shuffled = frames.clone();
    shuffled.swap(1, 2);
    assert_eq!(send(frames_body(request(), &shuffled)).await.problem().refusal.as_deref(), Some("format"));

    let mut unsigned = frames.clone();
    let Frame::State(state) = &mut unsigned[1] else { panic!("the second frame is the state") };
    *state.last_mut().unwrap() ^= 1;
    let refusal = send(frames_body(request(), &unsigned)).await.problem().refusal;
    assert_eq!(refusal.as_deref(), Some("state_signature"));

    let answer: Session = server.sign_up(&person).await;
    assert_eq!(answer.account_id, person.account_id, "the address is still free");
}

#[tokio::test]
async fn sign_up_is_for_whoever_sits_here_unless_said() {
    let person = Person::new(1);
    let cases = [
        (SignUpPolicy::Automatic, None, false, true),
        (SignUpPolicy::Automatic, None, true, false),
        (SignUpPolicy::Automatic, Some("https://etui.example.org"), false, false),
        (SignUpPolicy::Closed, None, false, false),
        (SignUpPolicy::Open, Some("https://etui.example.org"), true, true),
    ];
    for (policy, public_url, forwarded, taken) in cases {
        let server = TestServer::start_with(|options| {
            options.sign_up = policy;
            options.public_url = public_url.map(str::to_owned);
        })
        .await;
        let mut request = server.request(Method::POST, "/v1/accounts");
        if forwarded {
            request = request.header("x-forwarded-for", "203.0.113.9");
        }
        let answer = send(frames_body(request, &person.sign_up_frames())).await;
        assert_eq!(answer.status, if taken { 201 } else { 403 }, "{policy:?} {public_url:?} {forwarded}");
        if !taken {
            assert_eq!(answer.code(), ErrorCode::SignUpClosed);
        }
    }
}
