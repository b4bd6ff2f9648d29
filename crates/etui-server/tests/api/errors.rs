//! Every failure is a problem document.

use etui_api::ErrorCode;
use reqwest::Method;

use crate::support::{Person, TestServer, frames_body, send};

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem_document() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    let token = session.access_token.expose();
    let get = |path| server.request(Method::GET, path);
    let sign_in = || server.request(Method::POST, "/v1/sessions").header("content-type", "application/json");
    let cases = [
        ("unknown path", get("/v1/nothing")),
        ("unknown method", server.request(Method::PATCH, "/v1/devices")),
        ("no token", get("/v1/devices")),
        ("no id", get("/v1/vaults/nonsense/changes").bearer_auth(token)),
        ("no number", get("/v1/states?after=later").bearer_auth(token)),
        ("no JSON", sign_in().body("{")),
        ("a secret in JSON of the wrong type", sign_in().body(r#"{"email":"a@b","login_proof":["CANARY"]}"#)),
        ("another content type", server.request(Method::POST, "/v1/sessions").body("email=ada")),
        ("too much JSON", sign_in().body(" ".repeat(17 << 10))),
        (
            "no frames",
            server
                .request(Method::POST, "/v1/states")
                .bearer_auth(token)
                .header("content-type", "application/cbor-seq")
                .body("nonsense"),
        ),
    ];
    let mut seen = Vec::new();
    for (name, request) in cases {
        let answer = send(request).await;
        let mut problem = answer.problem();
        problem.request_id = None;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        seen.push((name, serde_json::to_value(problem).unwrap()));
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn a_push_beyond_the_limit_is_stopped_on_the_way() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    // One frame that says it is larger than any may be; nothing of it needs to arrive.
    let request = server
        .request(Method::POST, "/v1/states")
        .bearer_auth(session.access_token.expose())
        .header("content-type", "application/cbor-seq")
        .body(vec![0x82, 1, 0x5a, 0xff, 0, 0, 0]);
    let answer = send(request).await;
    assert_eq!((answer.status, answer.code()), (413, ErrorCode::TooLarge));
}

/// DNS rebinding: a page whose name has become an address of this machine asks with that name.
#[tokio::test]
async fn a_server_at_home_answers_to_no_other_name() {
    let server = TestServer::start().await;
    let ask = async |server: &TestServer, path: &str, host: &str| {
        send(server.request(Method::GET, path).header("host", host)).await
    };
    for path in ["/", "/sign-in", "/v1/server", "/nonsense"] {
        for host in ["evil.example", "evil.example:8484", "localhost.evil.example", "192.0.2.1:8484"] {
            let answer = ask(&server, path, host).await;
            assert_eq!(answer.code(), ErrorCode::BadRequest, "{path} {host}");
            assert!(answer.problem().detail.unwrap().contains("--public-url"));
        }
    }
    for host in ["localhost", "localhost:8484", "127.0.0.1", "[::1]:8484"] {
        assert_eq!(ask(&server, "/v1/server", host).await.status, 200, "{host}");
    }
    let sign_up = server.request(Method::POST, "/v1/accounts").header("host", "evil.example:8484");
    let answer = send(frames_body(sign_up, &Person::new(1).sign_up_frames())).await;
    assert_eq!(answer.code(), ErrorCode::BadRequest);

    let named =
        TestServer::start_with(|settings| settings.public_url = Some("https://etui.example.org".to_owned()));
    assert_eq!(ask(&named.await, "/v1/server", "etui.example.org").await.status, 200);
}
