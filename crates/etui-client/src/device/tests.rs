//! A device and a server that answers when the test says so, or never.

use std::time::Duration;

use etui_api::{
    frame::{Frame, FrameWriter},
    session::{Session, Token},
    sync::{PullHeader, StatesHeader, encode_header},
};
use etui_chain::StateBody;
use etui_crypto::LoginPassword;
use etui_sync::StateFrames;
use etui_vault::{Entry, EntryType};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{Way, account::testing, api::Patience};

const SOON: Duration = Duration::from_millis(20);

/// A device in a folder of its own, and where it finds its server.
struct Stage {
    device: Device,
    server: TcpListener,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with_patience(Patience::default()).await
    }

    async fn with_patience(patience: Patience) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let api = Api::with_patience(&url, patience).unwrap();
        let device = testing::device(&Home::at(folder.path().to_owned()), api);
        Self { device, server, folder }
    }

    async fn add(&self, title: &str) -> Result<Vec<ObjectId>, ClientError> {
        self.device.add(vec![Entry::new(EntryType::Login, title, 1)], None).await
    }

    /// The next question, which has to begin so.
    async fn asked(&self, beginning: &str) -> TcpStream {
        let (mut stream, _) = self.server.accept().await.unwrap();
        let mut question = Vec::new();
        while !question.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut question).await.unwrap(), 0);
        }
        let question = String::from_utf8_lossy(&question);
        assert!(question.starts_with(beginning), "{question}");
        stream
    }

    fn session(&self) -> Session {
        let token = |text: &str| Token::new(text.to_owned());
        Session {
            account_id: self.device.info().account_id,
            access_token: token("access"),
            expires_in_s: 900,
            refresh_token: Some(token("the next")),
        }
    }

    /// Answers the request for an access token.
    async fn gives_a_token(&self) {
        let session = self.session();
        let stream = self.asked("POST /v1/sessions/refresh ").await;
        answer(stream, "200 OK", &serde_json::to_vec(&session).unwrap()).await;
    }

    /// Answers an exchange in which there is nothing to exchange.
    async fn has_nothing_new(&self) {
        let (states, changes) = {
            let inner = self.device.inner.borrow();
            let (state, vault_id) = (inner.engine.state(), inner.default_vault().unwrap());
            let head = inner.engine.head(&vault_id);
            let states = encode_header(&StatesHeader { newest: state.version });
            let header = PullHeader { state_version: state.version, state_hash: state.hash(), head };
            (states, encode_header(&header))
        };
        for (path, header) in [("GET /v1/states?", states), ("GET /v1/vaults/", changes)] {
            let mut frames = FrameWriter::new();
            frames.push(&Frame::Header(header));
            answer(self.asked(path).await, "200 OK", &frames.finish()).await;
        }
    }

    fn is_a_device(&self) -> bool {
        ["vault.db", "device.json"].iter().any(|name| self.folder.path().join(name).exists())
    }
}

async fn answer(mut stream: TcpStream, status: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
}

#[tokio::test]
async fn what_is_saved_while_a_device_leaves_is_refused_and_not_lost() {
    let stage = Stage::new().await;
    let server = async {
        stage.gives_a_token().await;
        let stream = stage.asked("DELETE /v1/sessions/current ").await;
        // The server thinks about it, and the person types on.
        assert!(matches!(stage.add("Typed meanwhile").await, Err(ClientError::Leaving)));
        assert!(matches!(stage.device.log_out(true).await, Err(ClientError::Leaving)));
        answer(stream, "204 No Content", b"").await;
    };
    let (left, ()) = tokio::join!(stage.device.log_out(false), server);
    left.unwrap();
    assert!(!stage.is_a_device());
    assert!(matches!(stage.add("Afterwards").await, Err(ClientError::Leaving)), "there is no place for it");
}

#[tokio::test]
async fn a_device_that_does_not_leave_after_all_goes_on() {
    let stage = Stage::new().await;
    stage.add("Not sent").await.unwrap();
    assert!(matches!(stage.device.log_out(false).await, Err(ClientError::Unsent(1))));
    stage.add("Nor this").await.unwrap();
    // Whoever asked has gone before the server answered.
    let asked = async {
        stage.gives_a_token().await;
        stage.asked("DELETE /v1/sessions/current ").await
    };
    tokio::select! {
        _ = stage.device.log_out(true) => panic!("the server has not answered"),
        _ = asked => {}
    }
    stage.add("Nor this one").await.unwrap();
    assert_eq!(stage.device.info().unsent, 3);
    assert!(stage.is_a_device());
}

#[tokio::test]
async fn leaving_does_not_wait_for_a_server_that_does_not_answer() {
    let stage = Stage::with_patience(Patience { leaving: SOON, ..Patience::default() }).await;
    stage.device.log_out(false).await.unwrap();
    assert!(!stage.is_a_device());
}

#[tokio::test]
async fn signing_in_and_signing_out_do_not_wait_for_ever() {
    let stage = Stage::with_patience(Patience { small_answer: SOON, ..Patience::default() }).await;
    let way = Way::LoginPassword(LoginPassword::new("a login password").unwrap());
    let signed_in = stage.device.sign_in_afresh(&way, None).await;
    assert!(matches!(signed_in, Err(ClientError::Offline { doing: "signing in", .. })));

    stage.device.api.keep(&stage.session());
    let signed_out = stage.device.api.sign_out().await;
    assert!(matches!(signed_out, Err(ClientError::Offline { doing: "signing out", .. })));
    let news = stage.device.api.news().await;
    assert!(matches!(news, Err(ClientError::Offline { doing: "following the server's news", .. })));
}

#[tokio::test]
async fn a_device_whose_news_fall_silent_asks_again() {
    let stage = Stage::with_patience(Patience { silence: SOON, pause: SOON, ..Patience::default() }).await;
    let server = async {
        stage.gives_a_token().await;
        let mut open = Vec::new();
        for _ in 0..2 {
            stage.has_nothing_new().await;
            let mut stream = stage.asked("GET /v1/events ").await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // It stays open, and nothing comes.
            open.push(stream);
        }
    };
    tokio::select! {
        () = stage.device.watch() => unreachable!("it goes on for ever"),
        () = server => {}
    }
}

#[tokio::test]
async fn news_that_fall_silent_are_over() {
    let stage = Stage::with_patience(Patience { silence: SOON, ..Patience::default() }).await;
    let server = async {
        stage.gives_a_token().await;
        let mut stream = stage.asked("GET /v1/events ").await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        stream.write_all(format!("{head}: alive\n\n").as_bytes()).await.unwrap();
        // It stays open, and nothing comes any more.
        stream
    };
    let (news, _open) = tokio::join!(stage.device.api.news(), server);
    let mut news = news.unwrap();
    assert!(news.next().await, "a sign of life");
    assert!(!news.next().await);
}

#[tokio::test]
async fn a_vault_that_is_listed_no_more_stays_readable() {
    let stage = Stage::new().await;
    let entry = stage.add("Kept").await.unwrap()[0];
    {
        let mut inner = stage.device.inner.borrow_mut();
        let mut body = StateBody::clone(inner.engine.state());
        (body.version, body.previous) = (body.version + 1, inner.engine.state().hash());
        body.vaults.clear();
        let unlisting = inner.keys.keyset.identity().sign_state(body);
        let frames = StateFrames { states: vec![unlisting], named_records: Vec::new() };
        let step = inner.engine.accept_states(frames).unwrap();
        inner.take(step).unwrap();
    }
    let Stage { device, folder, .. } = stage;
    drop(device);
    let device = Device::unlock(&Home::at(folder.path().to_owned()), &testing::password()).await.unwrap();
    assert_eq!(device.entry(entry).unwrap().title(), "Kept");
}
