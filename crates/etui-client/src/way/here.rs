//! By a browser on this computer: it comes back to a port of 127.0.0.1 where this device listens (RFC 8252).
//!
//! What it brings is worth nothing without the verifier, which never leaves this process but for the server (RFC 7636), and
//! counts only if it comes from the server that was asked (RFC 9207) and answers this question (`state`).

use std::{net::Ipv4Addr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use etui_api::session::{Session, Token};
use etui_chain::{DeviceId, Digest};
use etui_crypto::RandomSource as _;
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use zeroize::Zeroizing;

use super::{Guide, Visit};
use crate::{ClientError, OsRandom, SecondFactor, api::Api};

/// How long the person may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// A browser that has connected sends at once.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
const MAX_REQUEST_BYTES: usize = 8 << 10;

const DONE: &str = "This device is let in. You can close this page.";
const REFUSED: &str = "This device is not let in. You can close this page.";
const NOT_ASKED: &str = "Nobody asked for this.";

/// Asks a browser to let this device in, and signs in with what it brings.
pub(super) async fn sign_in(
    api: &Api,
    device_id: DeviceId,
    second_factor: Option<&SecondFactor>,
    guide: &Guide,
) -> Result<Session, ClientError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(ClientError::Listening)?;
    let port = listener.local_addr().map_err(ClientError::Listening)?.port();
    let question =
        Question { verifier: random_text(), state: random_text(), server: api.server().to_owned() };
    let gone = guide(&Visit { url: question.url(port, device_id), user_code: None, device_id });
    let code = tokio::select! {
        answer = timeout(PATIENCE, question.answer(&listener)) => answer.map_err(|_| ClientError::NotLetIn)??,
        () = gone => return Err(ClientError::NotLetIn),
    };
    api.sign_in_with_code(code, question.verifier, device_id, second_factor).await
}

struct Question {
    verifier: Token,
    state: Token,
    server: String,
}

/// What a request to this device turned out to be.
enum Heard {
    Code(Token),
    Refused,
    OtherIssuer(String),
    NotAsked,
}

impl Question {
    fn url(&self, port: u16, device_id: DeviceId) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Digest::of(&[self.verifier.expose().as_bytes()]).as_bytes());
        format!(
            "{}/authorize?port={port}&code_challenge={challenge}&code_challenge_method=S256&state={}\
             &device_id={device_id}",
            self.server,
            self.state.expose()
        )
    }

    /// Listens until the browser comes; whatever else comes is turned away.
    async fn answer(&self, listener: &TcpListener) -> Result<Token, ClientError> {
        loop {
            let (mut stream, _) = listener.accept().await.map_err(ClientError::Listening)?;
            let Some(target) = request_target(&mut stream).await else { continue };
            let heard = self.heard(&target);
            let (status, text) = match &heard {
                Heard::Code(_) => ("200 OK", DONE),
                Heard::Refused | Heard::OtherIssuer(_) => ("200 OK", REFUSED),
                Heard::NotAsked => ("404 Not Found", NOT_ASKED),
            };
            respond(&mut stream, status, text).await;
            match heard {
                Heard::Code(code) => return Ok(code),
                Heard::Refused => return Err(ClientError::NotLetIn),
                Heard::OtherIssuer(said) => {
                    return Err(ClientError::OtherIssuer { said, asked: self.server.clone() });
                }
                Heard::NotAsked => {}
            }
        }
    }

    fn heard(&self, target: &str) -> Heard {
        let Ok(url) = Url::parse(&format!("http://127.0.0.1{target}")) else { return Heard::NotAsked };
        let value = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value);
        if url.path() != "/" || value("state").as_deref() != Some(self.state.expose()) {
            return Heard::NotAsked;
        }
        match (value("iss"), value("code")) {
            (Some(issuer), _) if issuer != self.server => Heard::OtherIssuer(issuer.into_owned()),
            (Some(_), Some(code)) => Heard::Code(Token::new(code.into_owned())),
            _ => Heard::Refused,
        }
    }
}

/// What a `GET` asks for; none if it is no such request, or comes too slowly.
async fn request_target(stream: &mut TcpStream) -> Option<String> {
    let head = timeout(REQUEST_PATIENCE, request_head(stream)).await.ok()??;
    let line = head.lines().next()?;
    line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1").map(str::to_owned)
}

async fn request_head(stream: &mut TcpStream) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_REQUEST_BYTES));
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        if bytes.len() > MAX_REQUEST_BYTES {
            return None;
        }
    }
    String::from_utf8(bytes.to_vec()).ok().map(Zeroizing::new)
}

/// A browser that has gone away has read enough.
async fn respond(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Etui</title></head>\
         <body><main><p>{text}</p></main></body></html>"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
         content-security-policy: default-src 'none'; frame-ancestors 'none'\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// 256 bits that nobody can guess.
fn random_text() -> Token {
    let mut bytes = Zeroizing::new([0; 32]);
    OsRandom.fill(&mut *bytes);
    Token::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        let text = |text: &str| Token::new(text.to_owned());
        Question { verifier: text("verifier"), state: text("state"), server: "https://a.example".to_owned() }
    }

    fn said(target: &str) -> String {
        match question().heard(target) {
            Heard::Code(code) => format!("code {}", code.expose()),
            Heard::Refused => "refused".to_owned(),
            Heard::OtherIssuer(issuer) => format!("other {issuer}"),
            Heard::NotAsked => "not asked".to_owned(),
        }
    }

    #[test]
    fn only_the_answer_to_this_question_of_this_server_counts() {
        let iss = "iss=https%3A%2F%2Fa.example";
        assert_eq!(said(&format!("/?code=c&state=state&{iss}")), "code c");
        assert_eq!(said(&format!("/?error=access_denied&state=state&{iss}")), "refused");
        assert_eq!(said("/?code=c&state=state"), "refused", "whose answer it is must be said");
        let other = "/?code=c&state=state&iss=https%3A%2F%2Fb.example";
        assert_eq!(said(other), "other https://b.example");
        for target in
            ["/", "/favicon.ico", "/?code=c&state=other", "/x?code=c&state=state", "http://evil/", "*"]
        {
            assert_eq!(said(target), "not asked", "{target}");
        }
    }

    #[test]
    fn the_address_names_the_challenge_and_never_the_verifier() {
        let url = question().url(7, DeviceId::new([9; 16]).unwrap());
        assert!(url.starts_with("https://a.example/authorize?port=7&code_challenge="), "{url}");
        assert!(!url.contains("verifier"), "{url}");
    }
}
