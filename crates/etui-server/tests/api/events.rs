//! News as it happens.

use std::time::Duration;

use etui_api::session::Session;
use futures_util::StreamExt as _;
use reqwest::Method;

use crate::support::{Person, TestServer};

/// The stream of events, read line by line.
struct Events {
    response: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Events {
    async fn follow(server: &TestServer, session: &Session) -> Self {
        let request = server.request(Method::GET, "/v1/events").bearer_auth(session.access_token.expose());
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next event that is more than a comment; `None` at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if !event.starts_with(':') {
                    return Some(event);
                }
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.response.next()).await.unwrap();
            self.text.push_str(core::str::from_utf8(&piece?.ok()?).unwrap());
        }
    }
}

#[tokio::test]
async fn a_push_is_news_and_says_no_more_than_pull() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    let mut events = Events::follow(&server, &session).await;
    server.push_entry(&mut person, &session, 1).await;
    insta::assert_snapshot!(events.next().await.unwrap(), @r#"
    event: vault
    data: {"kind":"vault","vault_id":"03010707070707070707070707070707","seq":2}
    "#);
}

#[tokio::test]
async fn news_end_with_the_session() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    let sign_in = etui_api::session::SignIn {
        device_id: etui_chain::DeviceId::new([9; 16]).unwrap(),
        ..person.sign_in()
    };
    let other: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let mut events = Events::follow(&server, &other).await;
    assert_eq!(server.delete("/v1/sessions/current", &other).await.status, 204);
    server.push_entry(&mut person, &session, 1).await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_server_that_stops_ends_the_stream_and_does_not_wait_for_it() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    let mut events = Events::follow(&server, &session).await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), server.stop());
    let (stopped, last) = tokio::join!(stopped, events.next());
    assert!(stopped.is_ok());
    assert_eq!(last, None);
}
