//! A device and a server that answers when the test says so, or never.

use etui_api::session::{Session, Token};
use etui_vault::{Entry, EntryType};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::account::testing;

/// A device in a folder of its own, and where it finds its server.
struct Stage {
    device: Device,
    server: TcpListener,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::new(&format!("http://{}", server.local_addr().unwrap())).unwrap();
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

    /// Answers the request for an access token.
    async fn gives_a_token(&self) {
        let token = |text: &str| Token::new(text.to_owned());
        let session = Session {
            account_id: self.device.info().account_id,
            access_token: token("access"),
            expires_in_s: 900,
            refresh_token: token("the next"),
        };
        let stream = self.asked("POST /v1/sessions/refresh ").await;
        answer(stream, "200 OK", &serde_json::to_string(&session).unwrap()).await;
    }

    fn is_a_device(&self) -> bool {
        ["vault.db", "device.json"].iter().any(|name| self.folder.path().join(name).exists())
    }
}

async fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
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
        answer(stream, "204 No Content", "").await;
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
