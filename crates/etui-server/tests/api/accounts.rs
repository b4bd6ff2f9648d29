//! Signing up.

use etui_api::{
    ErrorCode,
    account::Keysets,
    frame::Frame,
    session::{Session, Token},
};
use etui_chain::Digest;
use etui_server::settings::SignUpPolicy;
use etui_store::{Invitation, Role};
use reqwest::Method;
use serde_json::Value;

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
    let invited = Some(ErrorCode::InvitationRequired);
    let cases = [
        (SignUpPolicy::Automatic, None, false, "open", None),
        (SignUpPolicy::Automatic, None, true, "invite", invited),
        (SignUpPolicy::Automatic, Some("https://etui.example.org"), false, "invite", invited),
        (SignUpPolicy::Invite, None, false, "invite", invited),
        (SignUpPolicy::Closed, None, false, "closed", Some(ErrorCode::SignUpClosed)),
        (SignUpPolicy::Open, Some("https://etui.example.org"), true, "open", None),
    ];
    for (policy, public_url, forwarded, mode, refused) in cases {
        let server = TestServer::start_with(|options| {
            options.sign_up = policy;
            options.public_url = public_url.map(str::to_owned);
        })
        .await;
        let request = |method, path| {
            let request = server.request(method, path);
            if forwarded { request.header("x-forwarded-for", "203.0.113.9") } else { request }
        };
        let about: Value = send(request(Method::GET, "/v1/server")).await.json();
        assert_eq!(about["sign_up"], mode, "{policy:?} {public_url:?} {forwarded}");
        assert_eq!(about["methods"], serde_json::json!(["login_password", "passkey"]));
        let answer = send(frames_body(request(Method::POST, "/v1/accounts"), &person.sign_up_frames())).await;
        match refused {
            None => assert_eq!(answer.status, 201, "{policy:?} {public_url:?} {forwarded}"),
            Some(code) => assert_eq!(answer.code(), code, "{policy:?} {public_url:?} {forwarded}"),
        }
    }
}

#[tokio::test]
async fn an_invitation_counts_once_for_its_address_and_until_it_is_over() {
    let server = TestServer::start_with(|options| options.sign_up = SignUpPolicy::Invite).await;
    let store = server.look_into_store().await;
    let invite = async |number: u8, email: Option<&str>, expires_ms: u64| {
        let secret_hash = Digest::of(&[&[number; 32]]);
        let email = email.map(str::to_owned);
        let invitation =
            Invitation { secret_hash, email, role: Role::Person, plan: None, mailed: false, expires_ms };
        store.invite(&store.operator(), &invitation, 0).await.unwrap();
    };
    let sign_up = async |person: &Person, secret: [u8; 32]| {
        let secret = Token::new(data_encoding::BASE64URL_NOPAD.encode(&secret));
        let frames = person.sign_up_frames_with(|header| header.invitation = Some(secret));
        send(frames_body(server.request(Method::POST, "/v1/accounts"), &frames)).await
    };
    invite(1, None, u64::MAX >> 1).await;
    invite(2, Some("person2@example.org"), u64::MAX >> 1).await;
    invite(3, None, 1).await;

    let [one, two, three] = [1, 2, 3].map(Person::new);
    assert_eq!(sign_up(&one, [9; 32]).await.code(), ErrorCode::InvitationRequired, "there is none such");
    assert_eq!(sign_up(&one, [3; 32]).await.code(), ErrorCode::InvitationRequired, "it is over");
    assert_eq!(sign_up(&one, [2; 32]).await.code(), ErrorCode::InvitationRequired, "it is another one's");
    assert_eq!(sign_up(&one, [1; 32]).await.status, 201);
    assert_eq!(sign_up(&three, [1; 32]).await.code(), ErrorCode::InvitationRequired, "it was followed");
    // Nobody without an invitation learns who has an account here.
    assert_eq!(sign_up(&one, [9; 32]).await.code(), ErrorCode::InvitationRequired);
    assert_eq!(sign_up(&two, [2; 32]).await.status, 201);
    store.close().await;
}
