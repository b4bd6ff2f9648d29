//! A server that never comes to an end.

use etui_chain::Refusal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Says this over and over, to whatever it is asked, until nobody listens any more.
async fn goes_on(server: TcpListener, status: &str, piece: &[u8]) {
    let (mut stream, _) = server.accept().await.unwrap();
    let mut question = Vec::new();
    while !question.windows(4).any(|window| window == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut question).await.unwrap(), 0);
    }
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    while repeat(&mut stream, piece).await.is_ok() {}
}

async fn repeat(stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    stream.write_all(&piece.repeat(1000)).await
}

async fn client() -> (Api, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = Api::new(&format!("http://{}", server.local_addr().unwrap())).unwrap();
    *api.access_token.borrow_mut() = Some(Token::new("access".to_owned()));
    (api, server)
}

#[tokio::test]
async fn an_endless_document_is_refused() {
    let (api, server) = client().await;
    let (devices, ()) = tokio::join!(api.devices(), goes_on(server, "200 OK", b" "));
    assert_eq!(devices.unwrap_err().refusal(), Some(Refusal::Limit));
}

#[tokio::test]
async fn an_endless_problem_is_refused() {
    let (api, server) = client().await;
    let (devices, ()) = tokio::join!(api.devices(), goes_on(server, "500 Internal Server Error", b" "));
    assert_eq!(devices.unwrap_err().refusal(), Some(Refusal::Limit));
}

#[tokio::test]
async fn an_endless_page_of_a_gateway_is_no_answer_of_the_server() {
    let (api, server) = client().await;
    let (devices, ()) = tokio::join!(api.devices(), goes_on(server, "502 Bad Gateway", b"<p>"));
    assert!(matches!(devices, Err(ClientError::Offline { .. })));
}

#[tokio::test]
async fn endless_frames_are_refused_and_no_more_of_them_is_kept_than_may_be() {
    let mut frame = Vec::new();
    Frame::Record([7_u8; 36]).encode_into(&mut frame);
    let (api, server) = client().await;
    let mut evidence = Evidence::default();
    let mut frames = 0;
    let asked = api.each_frame("/", "asking", 1 << 20, &mut evidence, |_| {
        frames += 1;
        Ok(ControlFlow::Continue(()))
    });
    let (asked, ()) = tokio::join!(asked, goes_on(server, "200 OK", &frame));
    assert_eq!(asked.unwrap_err().refusal(), Some(Refusal::Limit));
    let counted = frame.len() + 64;
    assert!(frames <= (1 << 20) / counted, "{frames} frames");
    assert!(evidence.length_bytes() > 0, "its beginning is kept for a person to look at");
}
