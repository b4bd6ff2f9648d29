//! Passkeys on the pages of the server, in Chromium with its virtual authenticator.

use etui_api::{browser::HandOver, session::Session};
use etui_services::browser;

use crate::support::{Person, TestServer};

/// Makes a passkey on the account's page, signs in with it without an address and as the second factor, renames and removes
/// it; an answer for another origin, one that comes again and one of a removed passkey are refused. The script says at which
/// step it failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_from_its_making_to_its_end() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session: Session = server.sign_up(&person).await;
    let hand_over: HandOver = server.post_as("/v1/hand-overs", &session, &()).await.json();
    let url = server.url("").replace("127.0.0.1", "localhost");
    let sign_in = serde_json::to_string(&person.sign_in()).unwrap();
    let variables = [
        ("SERVER", url),
        ("HAND_OVER", hand_over.url.expose().to_owned()),
        ("EMAIL", person.email),
        ("SIGN_IN", sign_in),
    ];
    let said = tokio::task::spawn_blocking(move || {
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser::run(include_str!("real_browser.mjs"), &variables)
    });
    assert_eq!(said.await.unwrap().unwrap().lines().last(), Some("done"));
}
