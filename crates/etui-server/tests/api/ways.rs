//! The ways to sign in to one's own account.

use etui_api::{
    ErrorCode,
    session::{LoginProof, Refresh, Session, SignIn},
    ways::{NewLoginPassword, Switch, Ways},
};
use etui_chain::DeviceId;
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, Person, TestServer, send};

async fn put(server: &TestServer, path: &str, session: &Session, value: &impl serde::Serialize) -> Answer {
    let request = server.request(Method::PUT, path).bearer_auth(session.access_token.expose());
    send(request.json(value)).await
}

#[tokio::test]
async fn a_new_account_has_its_login_password_alone() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let ways: Ways = server.get("/v1/account/ways", &session).await.json();
    let expected = Ways {
        email: person.email,
        login_password: true,
        links: false,
        identities: vec![],
        passkeys: vec![],
        totp: false,
        recovery_codes: 0,
        approve_devices: false,
    };
    assert_eq!(ways, expected);
}

/// Vaultwarden CVE-2026-43911: what was signed in before a change of credentials is signed out, refresh tokens included.
#[tokio::test]
async fn another_login_password_ends_all_other_sessions() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let copied = server.sign_up(&person).await;
    let sign_in = SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let session: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let new = NewLoginPassword { login_proof: LoginProof::new([77; 32]) };
    assert_eq!(put(&server, "/v1/account/login-password", &session, &new).await.status, 204);
    assert_eq!(server.get("/v1/devices", &session).await.status, 200, "who changed it goes on");
    assert_eq!(server.get("/v1/devices", &copied).await.code(), ErrorCode::SessionEnded);
    let refresh = Refresh { refresh_token: copied.refresh_token.clone(), request_id: None };
    let answer = server.post_json("/v1/sessions/refresh", &refresh).await;
    assert_eq!(answer.code(), ErrorCode::SessionEnded);
    assert_eq!(server.post_json("/v1/sessions", &sign_in).await.code(), ErrorCode::SignInFailed);
    let sign_in = SignIn { login_proof: LoginProof::new([77; 32]), ..sign_in };
    assert_eq!(server.post_json("/v1/sessions", &sign_in).await.status, 200);
}

/// Somebody who has got hold of a session begins a change and holds it back until they have been thrown out.
#[tokio::test]
async fn who_holds_a_request_back_has_not_the_last_word() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let owner = server.sign_up(&person).await;
    let sign_in = SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let stolen: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let new = NewLoginPassword { login_proof: LoginProof::new([77; 32]) };
    let held = HeldBack::begin(&server, "PUT /v1/account/login-password", &stolen, &new).await;
    let thrown_out = server.delete(&format!("/v1/devices/{}", sign_in.device_id), &owner).await;
    assert_eq!(thrown_out.status, 204, "{thrown_out:?}");
    let answer = held.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("session_ended"), "{answer}");
    assert_eq!(server.get("/v1/devices", &owner).await.status, 200, "the owner goes on");
    assert_eq!(
        server.post_json("/v1/sessions", &person.sign_in()).await.status,
        200,
        "with the same password"
    );
}

/// A request whose head the server has looked at, and whose body it waits for.
struct HeldBack {
    connection: TcpStream,
    body: Vec<u8>,
}

impl HeldBack {
    /// `asked`: method and path.
    async fn begin(
        server: &TestServer,
        asked: &str,
        session: &Session,
        value: &impl serde::Serialize,
    ) -> Self {
        let body = serde_json::to_vec(value).unwrap();
        let address = server.url("");
        let host = address.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "{asked} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            session.access_token.expose(),
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        // It comes when the body is asked for: whoever asks has been looked up by then (RFC 9110, section 10.1.1).
        let mut go_on = [0; 25];
        connection.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { connection, body }
    }

    async fn finish(mut self) -> String {
        self.connection.write_all(&self.body).await.unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn the_last_way_stays() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let answer = server.delete("/v1/account/login-password", &session).await;
    assert_eq!(answer.code(), ErrorCode::LastWay);
    assert_eq!(server.post_json("/v1/sessions", &person.sign_in()).await.status, 200);
}

#[tokio::test]
async fn links_and_the_approval_of_devices_are_the_holders_choice() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    assert_eq!(put(&server, "/v1/account/links", &session, &Switch { on: false }).await.status, 204);
    assert_eq!(put(&server, "/v1/account/device-approval", &session, &Switch { on: true }).await.status, 204);
    let ways: Ways = server.get("/v1/account/ways", &session).await.json();
    assert_eq!((ways.links, ways.approve_devices), (false, true));

    let sign_in = SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let waiting: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    for path in ["/v1/keysets", "/v1/account/ways", "/v1/states"] {
        assert_eq!(server.get(path, &waiting).await.code(), ErrorCode::DeviceNotApproved, "{path}");
    }
    let off = put(&server, "/v1/account/device-approval", &waiting, &Switch { on: false }).await;
    assert_eq!(off.code(), ErrorCode::DeviceNotApproved, "nobody approves themselves");
}
