//! The pages of the server in Chromium, with its virtual authenticator. Every page is looked over for what keeps people out
//! (`axe-core`); with `SCREENSHOTS` set to a folder there are pictures of all of them. A script says at which step it failed.

use etui_api::{browser::HandOver, session::Session};
use etui_services::{Smtp, browser};

use crate::{
    letters,
    providers::Place,
    support::{Person, TestServer},
};

const KIT: &str = include_str!("real_browser/kit.mjs");

/// Makes a passkey on the account's page, signs in with it without an address and as the second factor, renames and removes
/// it; an answer for another origin, one that comes again and one of a removed passkey are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_from_its_making_to_its_end() {
    let server = TestServer::start().await;
    tell(&server, include_str!("real_browser/passkey.mjs"), &[]).await;
}

/// After a provider and after a link; with a code, a recovery code and a passkey; with the keyboard and without script; going
/// back, loading anew and pressing twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_on_every_way_and_every_page() {
    let smtp = Smtp::start().unwrap();
    let place = Place::with(1, |settings| settings.mail = letters::through(&smtp)).await;
    let variables = [("LETTERS", smtp.messages_url())];
    tell(&place.server, include_str!("real_browser/second_factor.mjs"), &variables).await;
}

/// Somebody who is signed in on a device.
async fn tell(server: &TestServer, story: &str, more: &[(&'static str, String)]) {
    let person = Person::new(1);
    let session: Session = server.sign_up_by_letter(&person).await;
    let hand_over: HandOver = server.post_as("/v1/hand-overs", &session, &()).await.json();
    let url = server.url("").replace("127.0.0.1", "localhost");
    let mut variables = vec![
        ("SERVER", url),
        ("HAND_OVER", hand_over.url.expose().to_owned()),
        ("SIGN_IN", serde_json::to_string(&person.sign_in()).unwrap()),
        ("EMAIL", person.email),
    ];
    variables.extend(more.iter().cloned());
    let script = format!("{story}\n{KIT}");
    let said = tokio::task::spawn_blocking(move || {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser::run(&script, &variables)
    });
    assert_eq!(said.await.unwrap().unwrap().lines().last(), Some("done"));
}
