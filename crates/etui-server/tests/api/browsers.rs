//! Sessions that a browser keeps in a cookie which no script can read.

use etui_api::{
    ErrorCode,
    session::{Refresh, Session, Token},
};
use reqwest::{Method, RequestBuilder};

use crate::support::{Answer, Person, TestServer, send};

const WITHOUT_TOKEN: Refresh = Refresh { refresh_token: None, request_id: None };

/// The one cookie of an answer: its name and value, and how it is to be kept.
fn cookie(answer: &Answer) -> (String, String) {
    let line = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

async fn signed_in(server: &TestServer) -> (Session, String) {
    let person = Person::new(1);
    server.sign_up(&person).await;
    let request = server.request(Method::POST, "/v1/sessions").json(&person.sign_in());
    let answer = send(request.header("etui-keep", "cookie")).await;
    assert_eq!(answer.status, 200);
    let (pair, attributes) = cookie(&answer);
    assert!(pair.starts_with("__Host-etui-session="), "{pair}");
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=7776000");
    let session: Session = answer.json();
    assert!(session.refresh_token.is_none(), "no script sees it");
    (session, pair)
}

fn refresh(server: &TestServer, cookie: &str) -> RequestBuilder {
    server.request(Method::POST, "/v1/sessions/refresh").header("cookie", cookie).json(&WITHOUT_TOKEN)
}

#[tokio::test]
async fn a_cookie_keeps_the_session_of_a_browser() {
    let server = TestServer::start().await;
    let (_, first) = signed_in(&server).await;
    let answer = send(refresh(&server, &first).header("sec-fetch-site", "same-origin")).await;
    let (second, _) = cookie(&answer);
    assert_ne!(first, second);
    let session: Session = answer.json();
    assert_eq!(server.get("/v1/devices", &session).await.status, 200);
    // An old browser says only where the page is from.
    let origin = server.url("").replace("127.0.0.1", "localhost");
    let answer = send(refresh(&server, &second).header("origin", origin)).await;
    let (third, _) = cookie(&answer);

    let request = server.request(Method::DELETE, "/v1/sessions/current").header("cookie", &third);
    let request = request.header("sec-fetch-site", "same-origin");
    let answer = send(request.bearer_auth(answer.json::<Session>().access_token.expose())).await;
    assert_eq!(cookie(&answer).1, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    let ended = send(refresh(&server, &third).header("sec-fetch-site", "same-origin")).await;
    assert_eq!(ended.code(), ErrorCode::SessionEnded);
}

#[tokio::test]
async fn no_other_site_can_use_the_cookie() {
    let server = TestServer::start().await;
    let (_, cookie) = signed_in(&server).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("x-nothing", "no browser at all"),
    ] {
        let answer = send(refresh(&server, &cookie).header(name, value)).await;
        assert_eq!(answer.code(), ErrorCode::Unauthenticated, "{name}: {value}");
    }
    // What other sites can send without asking first is no JSON.
    let form = server.request(Method::POST, "/v1/sessions/refresh").header("cookie", &cookie).body("{}");
    let answer =
        send(form.header("content-type", "text/plain").header("sec-fetch-site", "same-origin")).await;
    assert_eq!(answer.code(), ErrorCode::UnsupportedMediaType);
    // And a cookie is no access token.
    let request = server.request(Method::GET, "/v1/devices").header("cookie", &cookie);
    assert_eq!(
        send(request.header("sec-fetch-site", "same-origin")).await.code(),
        ErrorCode::Unauthenticated
    );
    let answer = send(refresh(&server, &cookie).header("sec-fetch-site", "same-origin")).await;
    assert_eq!(answer.status, 200, "none of it has used the token up");
}

#[tokio::test]
async fn a_program_that_brings_its_token_gets_no_cookie() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    let request_id = Some(Token::new("a request of this program".to_owned()));
    let refresh = Refresh { refresh_token: session.refresh_token, request_id };
    let answer = server.post_json("/v1/sessions/refresh", &refresh).await;
    assert!(!answer.headers.contains_key("set-cookie"));
    let again = server.post_json("/v1/sessions/refresh", &refresh).await;
    assert_eq!(
        answer.json::<Session>().refresh_token,
        again.json::<Session>().refresh_token,
        "a lost answer is given again"
    );
}
