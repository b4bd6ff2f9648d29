//! Guessing: what a guesser meets, and what the owner does meanwhile.

use etui_api::{
    ErrorCode,
    session::{LoginProof, SignIn},
};
use etui_chain::DeviceId;
use futures_util::future::join_all;

use crate::support::{Person, TestServer};

/// Guesses until the server looks at no more: what it answered, and for how long it looks at none.
async fn guess(server: &TestServer, email: &str) -> (Vec<ErrorCode>, String) {
    let mut codes = Vec::new();
    for number in 1..100 {
        let guess = SignIn {
            email: email.to_owned(),
            login_proof: LoginProof::new([number; 32]),
            device_id: DeviceId::new([number; 16]).unwrap(),
        };
        let answer = server.post_json("/v1/sessions", &guess).await;
        codes.push(answer.code());
        if codes.last() == Some(&ErrorCode::TooManyRequests) {
            return (codes, answer.headers["retry-after"].to_str().unwrap().to_owned());
        }
    }
    panic!("a hundred guesses were looked at");
}

#[tokio::test]
async fn a_guesser_is_slowed_down_and_the_owner_is_not() {
    let server = TestServer::start().await;
    let person = Person::new(200);
    server.sign_up(&person).await;
    let (codes, wait_s) = guess(&server, &person.email).await;
    assert_eq!(codes.len(), 12, "ten are free, and one more has to be waited for behind it");
    assert!(codes[..11].iter().all(|code| *code == ErrorCode::SignInFailed));
    assert!(["14", "15"].contains(&wait_s.as_str()), "{wait_s}");

    let new_device = SignIn { device_id: DeviceId::new([222; 16]).unwrap(), ..person.sign_in() };
    let slowed = server.post_json("/v1/sessions", &new_device).await;
    assert_eq!(slowed.code(), ErrorCode::TooManyRequests, "a new device waits, for seconds");
    let known = server.post_json("/v1/sessions", &person.sign_in()).await;
    assert_eq!(known.status, 200, "a known one does not");
}

#[tokio::test]
async fn an_address_that_nobody_has_is_limited_like_any_other() {
    let server = TestServer::start().await;
    let person = Person::new(200);
    server.sign_up(&person).await;
    let somebody = guess(&server, &person.email).await;
    // However it is written.
    assert_eq!(guess(&server, &person.email.to_uppercase()).await.0.len(), 1);
    let nobody = guess(&server, "nobody@example.org").await;
    assert_eq!(somebody.0, nobody.0);
    let impossible = guess(&server, "no address").await;
    assert_eq!(somebody.0, impossible.0);
}

#[tokio::test]
async fn whoever_finds_the_server_busy_has_not_failed() {
    let server = TestServer::start().await;
    let person = Person::new(200);
    server.sign_up(&person).await;
    // More at once than of one account are hashed or wait.
    let at_once = (0..10).map(|_| async { server.post_json("/v1/sessions", &person.sign_in()).await.status });
    let answered = join_all(at_once).await;
    assert!(answered.iter().all(|status| [200, 429].contains(status)), "{answered:?}");
    let wrong = || SignIn { login_proof: LoginProof::new([1; 32]), ..person.sign_in() };
    for number in 0..10 {
        let answer = server.post_json("/v1/sessions", &wrong()).await;
        assert_eq!(answer.code(), ErrorCode::SignInFailed, "{number}: all that are free are left");
    }
}
