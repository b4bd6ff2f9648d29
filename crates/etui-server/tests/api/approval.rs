//! Where new devices are approved: who may turn a lost one away, and who gets nothing.

use etui_api::{
    ErrorCode,
    account::Devices,
    session::{Factor, SecondFactor, Session, SignIn, Token},
};
use etui_chain::DeviceId;
use reqwest::Method;
use serde_json::json;

use crate::{
    letters::Mailing,
    providers::Place,
    second_factor::pages::{guard, show_code},
    support::{Person, Seen, TestBrowser, TestServer, send},
};

const TURN_AWAY: &str = "/account/devices/end";

/// An account whose new devices are approved, that has one device and is linked to a provider, where they are alice.
struct Strict {
    place: Place,
    person: Person,
    session: Session,
}

impl Strict {
    async fn new() -> Self {
        let place = Place::with_providers(1).await;
        let (person, session, _) = place.linked(1, "alice").await;
        approve_devices(&place.server, &session).await;
        Self { place, person, session }
    }

    fn server(&self) -> &TestServer {
        &self.place.server
    }

    fn new_device(&self) -> SignIn {
        SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..self.person.sign_in() }
    }

    /// With the login password alone.
    async fn sign_in(&self) -> Session {
        let answer = self.server().post_json("/v1/sessions", &self.new_device()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// With the login password and a recovery code.
    async fn sign_in_with(&self, code: &Token) -> Session {
        let ticket =
            self.server().post_json("/v1/sessions", &self.new_device()).await.problem().ticket.unwrap();
        let shown = SecondFactor { ticket, factor: Factor::RecoveryCode(code.clone()) };
        let answer = self.server().post_json("/v1/sessions/second-factor", &shown).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    async fn waits(&self, session: &Session) -> bool {
        let answer = self.server().get("/v1/devices", session).await;
        answer.status == 403 && answer.code() == ErrorCode::DeviceNotApproved
    }
}

pub(crate) async fn approve_devices(server: &TestServer, session: &Session) {
    let on = Some(json!({ "on": true }));
    let answer = server.ask(Method::PUT, "/v1/account/device-approval", &session.access_token, on).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

/// Presses the button that signs a device out.
async fn turn_away(browser: &mut TestBrowser, page: &Seen, device_id: DeviceId) -> Seen {
    let short: String = device_id.to_string().chars().take(8).collect();
    let only = page.text.split("<fieldset>").find(|part| part.contains(&format!("Sign out {short}")));
    let only = only.unwrap_or_else(|| panic!("no {short} in {}", page.text)).to_owned();
    let form = Seen { url: page.url.clone(), status: page.status, text: only };
    browser.submit(&form, TURN_AWAY, &[]).await
}

#[tokio::test]
async fn whoever_shows_two_factors_turns_a_lost_device_away_and_the_new_one_comes_in() {
    let strict = Strict::new().await;
    let (_, codes) = guard(strict.server(), &strict.session).await;
    let waiting = strict.sign_in_with(&codes[0]).await;
    assert!(strict.waits(&waiting).await);

    let mut browser = TestBrowser::new();
    let asked = strict.place.sign_in(&mut browser, "a", "alice").await;
    let page = show_code(&mut browser, &asked, &codes[1]).await;
    assert!(page.text.contains("Waits to be approved"), "{}", page.text);
    let page = turn_away(&mut browser, &page, strict.person.device_id).await;
    assert_eq!((page.status, page.url.path()), (200, "/account"), "{}", page.text);
    let lost = strict.server().get("/v1/devices", &strict.session).await;
    assert_eq!(lost.code(), ErrorCode::SessionEnded);
    assert!(strict.waits(&waiting).await, "it signs in again first");

    let arrived = strict.sign_in_with(&codes[2]).await;
    let devices: Devices = strict.server().get("/v1/devices", &arrived).await.json();
    assert!(devices.devices.iter().any(|device| device.current && !device.awaits_approval), "{devices:?}");
    let again = strict.server().post_json("/v1/sessions", &strict.person.sign_in()).await;
    assert_eq!(again.code(), ErrorCode::SecondFactorRequired, "the lost one is a new device again");
}

/// Else whoever has the mailbox, or the account at a provider, adds a passkey, which ends the sessions of all devices that could
/// approve: and the next one would not wait.
#[tokio::test]
async fn one_factor_turns_nobody_away_and_changes_nothing() {
    let strict = Strict::new().await;
    let waiting = strict.sign_in().await;
    let mut browser = TestBrowser::new();
    let page = strict.place.sign_in(&mut browser, "a", "alice").await;
    assert!(page.text.contains("one factor is not enough"), "{}", page.text);
    let device_id = strict.person.device_id.to_string();
    assert!(!page.text.contains(&device_id[..8]) && !page.text.contains("Unlink"), "{}", page.text);
    let id = "0".repeat(31) + "1";
    for (path, fields) in [
        (TURN_AWAY, vec![("device_id", device_id.as_str())]),
        ("/account/providers/a", vec![]),
        ("/account/link", vec![("ticket", "none")]),
        ("/account/unlink", vec![("issuer", "a"), ("subject", "alice")]),
        ("/account/passkeys/begin", vec![]),
        ("/account/passkeys", vec![("name", "mine"), ("passkey_ticket", "none"), ("credential", "{}")]),
        ("/account/passkeys/rename", vec![("id", id.as_str()), ("name", "mine")]),
        ("/account/passkeys/remove", vec![("id", id.as_str())]),
    ] {
        let refused = browser.send(&strict.place.address(path), &fields).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        assert!(refused.text.contains("Another device has to approve"), "{path}: {}", refused.text);
    }
    assert_eq!(strict.server().get("/v1/devices", &strict.session).await.status, 200);
    assert!(strict.waits(&waiting).await && strict.waits(&strict.sign_in().await).await);
}

#[tokio::test]
async fn the_login_password_alone_opens_no_page() {
    let strict = Strict::new().await;
    let waiting = strict.sign_in().await;
    let hand_over = strict.server().request(Method::POST, "/v1/hand-overs");
    let refused = send(hand_over.bearer_auth(waiting.access_token.expose())).await;
    assert_eq!(refused.code(), ErrorCode::DeviceNotApproved);
    let lost = format!("/v1/devices/{}", strict.person.device_id);
    assert_eq!(strict.server().delete(&lost, &waiting).await.code(), ErrorCode::DeviceNotApproved);
}

#[tokio::test]
async fn what_a_device_has_opened_ends_with_its_session() {
    let strict = Strict::new().await;
    let mut browser = TestBrowser::new();
    let page = strict.place.hand_over(&mut browser, &strict.session).await;
    let page = turn_away(&mut browser, &page, strict.person.device_id).await;
    assert_eq!(page.url.path(), "/sign-in", "it has signed itself out: {}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_holder_is_told_by_a_letter() {
    let mailing = Mailing::start().await;
    let person = Person::new(1);
    let session = mailing.server.sign_up(&person).await;
    let request = mailing.server.request(Method::POST, "/v1/hand-overs");
    let handed: etui_api::browser::HandOver =
        send(request.bearer_auth(session.access_token.expose())).await.json();
    let mut browser = TestBrowser::new();
    let page = browser.open(handed.url.expose()).await;
    let page = browser.submit(&page, "/hand-over", &[]).await;
    turn_away(&mut browser, &page, person.device_id).await;
    let letter = mailing.letter(1);
    assert_eq!(letter.subject, "A device was signed out of Etui");
    assert!(letter.text.contains(&person.device_id.to_string()), "{}", letter.text);
}
