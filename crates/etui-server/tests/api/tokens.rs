//! Access tokens that are not what they should be.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use etui_api::{
    ErrorCode,
    session::{Session, Token},
};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, send};

#[tokio::test]
async fn only_a_genuine_token_that_is_not_over_is_taken() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    let genuine = session.access_token.expose().to_owned();
    let mut parts = genuine.split('.').map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap());
    let header: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    let keys: Value = send(server.request(reqwest::Method::GET, "/.well-known/jwks.json")).await.json();
    let kid = &keys["keys"][0]["kid"];
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid }));

    // The server's own key, as whoever can read its folder would have it.
    let pkcs8 = std::fs::read(server.folder().join("token.key")).unwrap();
    let own = SigningKey::from_bytes(pkcs8[16..].try_into().unwrap());
    let other = SigningKey::from_bytes(&[1; 32]);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let with = |changes: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let over = with(json!({ "iat": now_s - 700, "nbf": now_s - 700, "exp": now_s - 100 }));

    let cases = [
        ("genuine", sign(&header, &claims, &own), None),
        ("over", sign(&header, &over, &own), Some(ErrorCode::TokenExpired)),
        ("over and forged", sign(&header, &over, &other), Some(ErrorCode::Unauthenticated)),
        ("forged", sign(&header, &claims, &other), Some(ErrorCode::Unauthenticated)),
        (
            "exp as a string",
            sign(&header, &with(json!({ "exp": format!("{}", now_s + 60) })), &own),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "no algorithm",
            format!("{}.", unsigned(&json!({ "typ": "at+jwt", "alg": "none" }), &claims)),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "another algorithm",
            sign(&json!({ "typ": "at+jwt", "alg": "HS256" }), &claims, &own),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "another type",
            sign(&json!({ "typ": "JWT", "alg": "EdDSA" }), &claims, &own),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "another account",
            sign(&header, &with(json!({ "sub": "ab".repeat(16) })), &own),
            Some(ErrorCode::SessionEnded),
        ),
        (
            "another session",
            sign(&header, &with(json!({ "sid": "ab".repeat(16) })), &own),
            Some(ErrorCode::SessionEnded),
        ),
        (
            "an unknown key",
            sign(&json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "another" }), &claims, &other),
            Some(ErrorCode::TokenExpired),
        ),
        ("no expiry", sign(&header, &without("exp"), &own), Some(ErrorCode::Unauthenticated)),
        ("no scope", sign(&header, &without("scope"), &own), Some(ErrorCode::Unauthenticated)),
        (
            "another audience",
            sign(&header, &with(json!({ "aud": "somebody" })), &own),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "another issuer",
            sign(&header, &with(json!({ "iss": "somebody" })), &own),
            Some(ErrorCode::Unauthenticated),
        ),
        (
            "not yet",
            sign(&header, &with(json!({ "iat": now_s + 60, "nbf": now_s + 60, "exp": now_s + 120 })), &own),
            Some(ErrorCode::TokenExpired),
        ),
        (
            "for too long",
            sign(&header, &with(json!({ "exp": now_s + 86_400 })), &own),
            Some(ErrorCode::Unauthenticated),
        ),
        ("nonsense", "nonsense".to_owned(), Some(ErrorCode::Unauthenticated)),
    ];
    for (name, token, expected) in cases {
        let token = Session { access_token: Token::new(token), ..copy(&session) };
        let answer = server.get("/v1/devices", &token).await;
        let code = (answer.status != 200).then(|| answer.code());
        assert_eq!(code, expected, "{name}");
        if code.is_some() {
            assert_eq!(answer.status, 401);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
}

#[tokio::test]
async fn without_a_bearer_token_nobody_speaks() {
    let server = TestServer::start().await;
    let request = || server.request(reqwest::Method::GET, "/v1/devices");
    for request in
        [request(), request().basic_auth("ada", Some("secret")), request().header("authorization", "Bearer")]
    {
        assert_eq!(send(request).await.code(), ErrorCode::Unauthenticated);
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

fn sign(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let message = unsigned(header, claims);
    let signature = key.sign(message.as_bytes()).to_bytes();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn copy(session: &Session) -> Session {
    Session {
        account_id: session.account_id,
        access_token: session.access_token.clone(),
        expires_in_s: session.expires_in_s,
        refresh_token: session.refresh_token.clone(),
    }
}
