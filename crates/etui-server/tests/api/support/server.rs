//! A server in a temporary folder, and requests to it.

use std::{net::SocketAddr, path::Path};

use data_encoding::BASE64URL_NOPAD;
use etui_api::{
    ErrorCode, Problem,
    admin::AdminSession,
    frame::{CONTENT_TYPE, Frame, FrameReader},
    privacy::AuditEvents,
    session::{Session, Token},
};
use etui_chain::{AccountId, DeviceId, Digest};
use etui_server::{serve::Server, settings::Settings};
use etui_store::{Invitation, Role, Store};
use reqwest::{Client, Method, RequestBuilder, Response};
use sea_orm::ConnectionTrait as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    database,
    person::{Person, body, commit_frames},
};

/// A running server and its folder.
pub(crate) struct TestServer {
    server: Server,
    scheme: &'static str,
    client: Client,
    settings: Settings,
    folder: tempfile::TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = database::settings(folder.path());
        adjust(&mut settings);
        Self::start_in(folder, settings).await
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store of the server, from outside.
    pub(crate) async fn look_into_store(&self) -> Store {
        Store::look(&self.settings.store().unwrap()).await.unwrap()
    }

    /// Changes what is in the database, as time would have.
    pub(crate) async fn execute(&self, statement: &str) {
        let database = database::connect(&self.settings).await;
        let done = database.execute_unprepared(statement).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }

    /// Every row that names an account.
    pub(crate) async fn rows_of(&self, account_id: AccountId) -> Vec<String> {
        database::rows_with(&self.settings, account_id.as_bytes()).await
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.server.metrics_address().expect("the settings ask for metrics")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.server.address().port())
    }

    /// The address that people use.
    pub(crate) fn public_url(&self) -> &str {
        self.server.url()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str, session: &Session) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(session.access_token.expose())).await
    }

    pub(crate) async fn delete(&self, path: &str, session: &Session) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(session.access_token.expose())).await
    }

    pub(crate) async fn post_json(&self, path: &str, value: &impl Serialize) -> Answer {
        send(self.request(Method::POST, path).json(value)).await
    }

    pub(crate) async fn post_as(&self, path: &str, session: &Session, value: &impl Serialize) -> Answer {
        let request = self.request(Method::POST, path).bearer_auth(session.access_token.expose());
        send(request.json(value)).await
    }

    /// With a bearer token, and with JSON where there is any.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: &Token, json: Option<Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(token.expose());
        send(match json {
            Some(json) => request.json(&json),
            None => request,
        })
        .await
    }

    /// A token for administration, for whoever has this session.
    pub(crate) async fn administer(&self, session: &Session) -> Token {
        let answer = self.ask(Method::POST, "/v1/sessions/current/admin", &session.access_token, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json::<AdminSession>().access_token
    }

    pub(crate) async fn post_frames(&self, path: &str, session: &Session, frames: &[Frame]) -> Answer {
        let request = self.request(Method::POST, path).bearer_auth(session.access_token.expose());
        send(frames_body(request, frames)).await
    }

    pub(crate) async fn sign_up(&self, person: &Person) -> Session {
        let request = self.request(Method::POST, "/v1/accounts");
        let answer = send(frames_body(request, &person.sign_up_frames())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    /// The same for somebody who was invited by a letter to their address, and so is known to read what is sent there.
    pub(crate) async fn sign_up_by_letter(&self, person: &Person) -> Session {
        let secret = *person.account_id.as_bytes();
        let secret = [secret, secret].concat();
        let store = self.look_into_store().await;
        let invitation = Invitation {
            secret_hash: Digest::of(&[&secret]),
            email: Some(person.email.clone()),
            role: Role::Person,
            plan: None,
            mailed: true,
            expires_ms: u64::MAX >> 1,
        };
        store.invite(&store.operator(), &invitation, 0).await.unwrap();
        store.close().await;
        let secret = Token::new(BASE64URL_NOPAD.encode(&secret));
        let frames = person.sign_up_frames_with(|header| header.invitation = Some(secret));
        let answer = send(frames_body(self.request(Method::POST, "/v1/accounts"), &frames)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    /// Pushes a new entry and goes on from there.
    pub(crate) async fn push_entry(&self, person: &mut Person, session: &Session, number: u8) {
        let (commit, records) = person.entry(number);
        let path = format!("/v1/vaults/{}/commits", person.vault_id);
        let answer = self.post_frames(&path, session, &commit_frames(&commit, &records)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        person.accept(&commit);
    }

    /// What strangers were refused, and with which device, as soon as so many are noted: that is done beside the answers.
    pub(crate) async fn refused(&self, session: &Session, count: usize) -> Vec<(String, Option<DeviceId>)> {
        loop {
            let page: AuditEvents = self.get("/v1/account/events", session).await.json();
            let refused = page.events.into_iter().filter(|event| event.outcome == "refused");
            let refused = refused.filter(|event| event.actor == "stranger");
            let refused: Vec<_> = refused.map(|event| (event.action, event.device_id)).collect();
            if refused.len() >= count {
                return refused;
            }
        }
    }

    /// What the holder did, and with which device, newest first.
    pub(crate) async fn done_by_the_holder(
        &self,
        session: &Session,
    ) -> Vec<(String, String, Option<DeviceId>)> {
        let page: AuditEvents = self.get("/v1/account/events", session).await.json();
        let done = page.events.into_iter().filter(|event| event.actor == "holder");
        done.map(|event| (event.action, event.outcome, event.device_id)).collect()
    }

    /// How many more tries at codes from here are looked at before one has to wait, not counting any that is forgiven meanwhile.
    pub(crate) async fn tries_left(&self) -> usize {
        for number in 0..1000 {
            let answer = self.post_json("/v1/sign-ins/passkeys", &serde_json::json!({})).await;
            if answer.status != 200 {
                assert_eq!(answer.code(), ErrorCode::TooManyRequests);
                return number;
            }
        }
        panic!("a thousand tries were looked at");
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await.unwrap();
    }

    /// The same server after it was stopped, at another port.
    pub(crate) async fn start_again(self) -> Self {
        let Self { server, settings, folder, .. } = self;
        server.stop().await.unwrap();
        Self::start_in(folder, settings).await
    }

    async fn start_in(folder: tempfile::TempDir, settings: Settings) -> Self {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let server = Server::start(&settings).await.unwrap();
        Self { server, scheme, client: client(), settings, folder }
    }
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON without what differs from run to run or fills pages.
    pub(crate) fn lasting_json(&self) -> Value {
        let mut value = self.json();
        redact(&mut value);
        value
    }

    pub(crate) fn frames(&self) -> Vec<Frame> {
        assert_eq!(self.headers["content-type"], CONTENT_TYPE);
        FrameReader::read_all(&self.body).unwrap()
    }

    /// The problem, which every failure must be.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status);
        assert_eq!(problem.request_id.as_deref(), Some(self.headers["x-request-id"].to_str().unwrap()));
        problem
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.problem().code
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| match name.as_str() {
            "request_id" | "record" | "signed_in_ms" | "last_seen_ms" => *value = Value::from("[…]"),
            _ => redact(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Sends and reads the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

/// Reads the whole of an answer.
pub(crate) async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

/// A request with frames as its body.
pub(crate) fn frames_body(request: RequestBuilder, frames: &[Frame]) -> RequestBuilder {
    request.header("content-type", CONTENT_TYPE).body(body(frames))
}

/// A client that follows nothing and trusts no environment.
pub(crate) fn client() -> Client {
    // Building a client asks for a TLS provider even if it never speaks TLS; a second installation is no harm.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let certificate = include_bytes!("../certificate/chain.pem");
    let certificate = reqwest::Certificate::from_pem(certificate).unwrap();
    Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap()
}
