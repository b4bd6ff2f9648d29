//! Letting programs in through a browser.

use data_encoding::BASE64URL_NOPAD;
use etui_api::{
    ErrorCode,
    account::{Devices, SignUp},
    browser::{CodeSignIn, DeviceCode, DeviceCodeSignIn, NewDeviceCode},
    frame::Frame,
    session::{Session, Token},
    sync::encode_header,
};
use etui_chain::DeviceId;
use reqwest::Method;
use sha2::{Digest as _, Sha256};

use crate::{
    providers::Place,
    second_factor,
    support::{Answer, Person, Seen, TestBrowser, frames_body, send},
};

const PROGRAM: &str = "http://127.0.0.1:9/";
const VERIFIER: &str = "a-verifier-that-has-at-least-forty-three-characters";

fn device_id() -> DeviceId {
    DeviceId::new([9; 16]).unwrap()
}

impl Place {
    /// Goes where a program sends its person, and on to the page that asks.
    async fn ask(&self, browser: &mut TestBrowser) -> Seen {
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
        let asked = format!(
            "/authorize?port=9&code_challenge={challenge}&code_challenge_method=S256&state=abc&device_id={}",
            device_id()
        );
        browser.stop_at(PROGRAM);
        browser.open(&self.address(&asked)).await
    }

    async fn exchange(&self, code: &str, verifier: &str, device_id: DeviceId) -> Answer {
        let [code, verifier] = [code, verifier].map(|text| Token::new(text.to_owned()));
        let sign_in = CodeSignIn { code, verifier, device_id };
        self.server.post_json("/v1/sessions/code", &sign_in).await
    }

    async fn begin(&self) -> DeviceCode {
        let asked = NewDeviceCode { device_id: device_id() };
        let answer = self.server.post_json("/v1/device-codes", &asked).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    async fn poll(&self, device_code: &Token) -> Answer {
        let asked = DeviceCodeSignIn { device_code: device_code.clone() };
        self.server.post_json("/v1/sessions/device-code", &asked).await
    }

    /// Types a code into the page for it.
    async fn type_code(&self, browser: &mut TestBrowser, code: &str) -> Seen {
        let page = browser.open(&self.address("/device")).await;
        assert!(page.text.contains("Type only a code that your own device shows"), "{}", page.text);
        browser.submit(&page, "/device/look", &[("user_code", code)]).await
    }

    async fn signed_in(&self) -> (Person, Session, TestBrowser) {
        let person = Person::new(1);
        let session = self.server.sign_up(&person).await;
        let mut browser = TestBrowser::new();
        self.hand_over(&mut browser, &session).await;
        (person, session, browser)
    }

    async fn sign_up_with(&self, person: &Person, ticket: &Token) -> Answer {
        let header = SignUp {
            email: person.email.clone(),
            login_proof: None,
            device_id: person.device_id,
            invitation: None,
            ticket: Some(ticket.clone()),
        };
        let mut frames = person.sign_up_frames();
        frames[0] = Frame::Header(encode_header(&header));
        send(frames_body(self.server.request(Method::POST, "/v1/accounts"), &frames)).await
    }
}

#[tokio::test]
async fn a_program_on_the_same_computer_is_let_in_once() {
    let place = Place::with_providers(0).await;
    let (person, _, mut browser) = place.signed_in().await;
    let page = place.ask(&mut browser).await;
    assert!(page.text.contains(&person.email), "{}", page.text);
    let back = browser.submit(&page, "/authorize", &[("decision", "allow")]).await;
    assert!(back.url.as_str().starts_with(PROGRAM), "{}", back.url);
    assert_eq!(back.parameter("state"), "abc");
    assert_eq!(back.parameter("iss"), place.server.public_url());
    let code = back.parameter("code");
    let answer = place.exchange(&code, VERIFIER, device_id()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    let devices: Devices = place.server.get("/v1/devices", &session).await.json();
    assert!(devices.devices.iter().any(|device| device.current && device.device_id == device_id()));
    let done = place.server.done_by_the_holder(&session).await;
    let expected =
        [("new_device", Some(device_id())), ("let_device_in", Some(device_id())), ("open_pages", None)]
            .map(|(action, device_id)| (action.to_owned(), "done".to_owned(), device_id));
    assert_eq!(done[..3], expected);
    assert_eq!(place.exchange(&code, VERIFIER, device_id()).await.code(), ErrorCode::NoLongerValid);
}

#[tokio::test]
async fn a_code_counts_for_its_program_and_its_device_alone() {
    let place = Place::with_providers(0).await;
    let (_, _, mut browser) = place.signed_in().await;
    let other_verifier = "another-verifier-that-has-as-many-characters-as-that";
    let other_device = DeviceId::new([8; 16]).unwrap();
    for (verifier, device_id) in [(other_verifier, device_id()), (VERIFIER, other_device), ("", device_id())]
    {
        let page = place.ask(&mut browser).await;
        let back = browser.submit(&page, "/authorize", &[("decision", "allow")]).await;
        let answer = place.exchange(&back.parameter("code"), verifier, device_id).await;
        assert_eq!(answer.code(), ErrorCode::NoLongerValid);
    }
    let page = place.ask(&mut browser).await;
    let back = browser.submit(&page, "/authorize", &[("decision", "refuse")]).await;
    assert_eq!(back.parameter("error"), "access_denied");
    assert!(!back.url.query().unwrap().contains("code="));
}

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_first_and_goes_on() {
    let place = Place::with_providers(1).await;
    let (person, _, mut browser) = place.signed_in().await;
    place.link(&mut browser, "a", "alice").await;
    let mut browser = TestBrowser::new();
    let page = place.ask(&mut browser).await;
    assert_eq!(page.url.path(), "/sign-in");
    let page = browser.submit(&page, "/sign-in/provider/a", &[]).await;
    let page = browser.sign_in_at_provider(page, "alice").await;
    assert_eq!(page.url.path(), "/authorize");
    assert!(page.text.contains(&person.email), "{}", page.text);
    let back = browser.submit(&page, "/authorize", &[("decision", "allow")]).await;
    let answer = place.exchange(&back.parameter("code"), VERIFIER, device_id()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_a_program_asks_wrongly_is_not_asked_of_anybody() {
    let place = Place::with_providers(0).await;
    let (_, _, mut browser) = place.signed_in().await;
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
    let right = format!(
        "port=9&code_challenge={challenge}&code_challenge_method=S256&state=abc&device_id={}",
        device_id()
    );
    for (what, instead) in [
        ("port=9", "port=evil.example"),
        ("port=9", "port=0"),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        (challenge.as_str(), "short"),
        ("state=abc", "state=%22%3E"),
        ("state=abc&", ""),
    ] {
        let asked = right.replace(what, instead);
        let page = browser.open(&place.address(&format!("/authorize?{asked}"))).await;
        assert_eq!(page.status, 400, "{asked}");
    }
}

#[tokio::test]
async fn a_device_without_a_browser_waits_until_it_is_let_in() {
    let place = Place::with_providers(0).await;
    let (person, _, mut browser) = place.signed_in().await;
    let begun = place.begin().await;
    assert_eq!(begun.verification_url, place.address("/device"));
    let answer = place.poll(&begun.device_code).await;
    assert_eq!(answer.code(), ErrorCode::AuthorizationPending);
    assert_eq!(answer.headers["retry-after"], begun.interval_s.to_string().as_str());

    let typed = begun.user_code.to_lowercase().replace('-', " ");
    let page = place.type_code(&mut browser, &typed).await;
    assert!(
        page.text.contains(&person.email) && page.text.contains(&device_id().to_string()),
        "{}",
        page.text
    );
    assert_eq!(
        place.poll(&begun.device_code).await.code(),
        ErrorCode::AuthorizationPending,
        "looking lets nobody in"
    );
    let page = browser.submit(&page, "/device/decide", &[("decision", "allow")]).await;
    assert!(page.text.contains("is let in"), "{}", page.text);

    let answer = place.poll(&begun.device_code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    let done = place.server.done_by_the_holder(&session).await;
    assert_eq!(done[1], ("let_device_in".to_owned(), "done".to_owned(), Some(device_id())), "{done:?}");
    assert_eq!(place.poll(&begun.device_code).await.code(), ErrorCode::NoLongerValid, "one session");
    let page = place.type_code(&mut browser, &begun.user_code).await;
    assert_eq!(page.status, 401, "the code is used up: {}", page.text);
}

/// A browser that is found open, at a provider that knows it: dangerous things take somebody who is there.
#[tokio::test]
async fn whom_a_provider_has_not_just_asked_changes_nothing_and_neither_does_a_program_let_in() {
    let place = Place::with_providers(1).await;
    let asked =
        [("alice", true), ("signed-in-before", false), ("signed-in-later", false), ("says-no-time", false)];
    for ((name, is_present), number) in asked.into_iter().zip(1..) {
        let (person, _, _) = place.linked(number, name).await;
        let mut browser = TestBrowser::new();
        let page = place.sign_in(&mut browser, "a", name).await;
        assert_eq!((page.status, page.url.path()), (200, "/account"), "{name}: {}", page.text);
        assert!(page.text.contains(&person.email), "{name}: {}", page.text);
        let said = page.text.contains("did not say that it has asked you to sign in just now");
        assert_eq!((said, page.text.contains("Ways to sign in")), (!is_present, is_present), "{name}");
        let begun = place.begin().await;
        let page = place.type_code(&mut browser, &begun.user_code).await;
        browser.submit(&page, "/device/decide", &[("decision", "allow")]).await;
        let let_in: Session = place.poll(&begun.device_code).await.json();
        assert_eq!(place.server.get("/v1/devices", &let_in).await.status, 200, "{name}");
        let answer = place.server.post_as("/v1/account/totp", &let_in, &()).await;
        let code = (answer.status != 200).then(|| answer.code());
        assert_eq!(code, (!is_present).then_some(ErrorCode::FreshSignInRequired), "{name}");

        let unlink = [("issuer", place.issuers[0].as_str()), ("subject", name)];
        let page = browser.send(&place.address("/account/unlink"), &unlink).await;
        assert_eq!(page.status, if is_present { 200 } else { 403 }, "{name}: {}", page.text);
    }
}

#[tokio::test]
async fn whoever_shows_a_second_factor_is_there_even_if_the_provider_asked_nothing() {
    let place = Place::with_providers(1).await;
    let (_, session, _) = place.linked(1, "signed-in-before").await;
    let (_, codes) = second_factor::pages::guard(&place.server, &session).await;
    let mut browser = TestBrowser::new();
    let asked = place.sign_in(&mut browser, "a", "signed-in-before").await;
    let page = second_factor::pages::show_code(&mut browser, &asked, &codes[0]).await;
    assert!(page.text.contains("Ways to sign in"), "{}", page.text);
}

#[tokio::test]
async fn a_device_that_is_refused_gets_nothing() {
    let place = Place::with_providers(0).await;
    let (_, session, mut browser) = place.signed_in().await;
    let begun = place.begin().await;
    let page = place.type_code(&mut browser, &begun.user_code).await;
    browser.submit(&page, "/device/decide", &[("decision", "refuse")]).await;
    let done = place.server.done_by_the_holder(&session).await;
    // A device that was never one of the account has no name in its log but the pseudonym.
    assert_eq!(done[0], ("let_device_in".to_owned(), "refused".to_owned(), None));
    assert_eq!(place.poll(&begun.device_code).await.code(), ErrorCode::AccessDenied);
    assert_eq!(place.poll(&begun.device_code).await.code(), ErrorCode::NoLongerValid);
}

#[tokio::test]
async fn after_five_codes_a_page_takes_none_any_more() {
    let place = Place::with_providers(0).await;
    let (_, session, mut browser) = place.signed_in().await;
    let begun = place.begin().await;
    for _ in 0..5 {
        assert_eq!(place.type_code(&mut browser, "BBBB-BBBB").await.status, 401);
    }
    let page = place.type_code(&mut browser, &begun.user_code).await;
    assert_eq!(page.status, 429, "{}", page.text);
    place.hand_over(&mut browser, &session).await;
    let page = place.type_code(&mut browser, &begun.user_code).await;
    assert_eq!(page.status, 200, "whoever signs in anew may go on: {}", page.text);
}

#[tokio::test]
async fn a_change_of_credentials_ends_what_was_let_in_and_not_fetched() {
    let place = Place::with_providers(1).await;
    let (_, _, mut browser) = place.signed_in().await;
    let begun = place.begin().await;
    let page = place.type_code(&mut browser, &begun.user_code).await;
    browser.submit(&page, "/device/decide", &[("decision", "allow")]).await;
    let page = place.ask(&mut browser).await;
    let back = browser.submit(&page, "/authorize", &[("decision", "allow")]).await;
    place.link(&mut browser, "a", "alice").await;
    assert_eq!(place.poll(&begun.device_code).await.code(), ErrorCode::NoLongerValid);
    let answer = place.exchange(&back.parameter("code"), VERIFIER, device_id()).await;
    assert_eq!(answer.code(), ErrorCode::NoLongerValid);
}

#[tokio::test]
async fn whoever_has_no_account_makes_one_with_a_ticket_and_keeps_the_last_way_in() {
    let place = Place::with_providers(1).await;
    let person = Person::new(2);
    let mut browser = TestBrowser::new();
    let page = place.ask(&mut browser).await;
    let page = browser.submit(&page, "/sign-in/provider/a", &[]).await;
    let page = browser.sign_in_at_provider(page, "alice").await;
    assert!(page.text.contains("yet to be made"), "{}", page.text);
    let back = browser.submit(&page, "/authorize", &[("decision", "allow")]).await;
    let answer = place.exchange(&back.parameter("code"), VERIFIER, device_id()).await;
    assert_eq!(answer.code(), ErrorCode::NoAccount);
    let ticket = answer.problem().ticket.unwrap();

    let made = place.sign_up_with(&person, &ticket).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(place.sign_up_with(&Person::new(3), &ticket).await.code(), ErrorCode::NoLongerValid);

    let mut browser = TestBrowser::new();
    let page = place.sign_in(&mut browser, "a", "alice").await;
    assert!(page.text.contains(&person.email), "{}", page.text);
    let page = browser.submit(&page, "/account/unlink", &[]).await;
    assert_eq!(page.status, 409, "{}", page.text);
    assert!(page.text.contains("last way"), "{}", page.text);
    let page = place.sign_in(&mut TestBrowser::new(), "a", "alice").await;
    assert!(page.text.contains(&person.email), "{}", page.text);
}

#[tokio::test]
async fn a_ticket_is_still_good_after_a_sign_up_that_failed() {
    let place = Place::with_providers(1).await;
    let taken = Person::new(2);
    place.server.sign_up(&taken).await;
    let mut browser = TestBrowser::new();
    place.sign_in(&mut browser, "a", "bob").await;
    let begun = place.begin().await;
    let page = place.type_code(&mut browser, &begun.user_code).await;
    browser.submit(&page, "/device/decide", &[("decision", "allow")]).await;
    let ticket = place.poll(&begun.device_code).await.problem().ticket.unwrap();
    assert_eq!(place.sign_up_with(&taken, &ticket).await.code(), ErrorCode::AccountExists);
    assert_eq!(place.sign_up_with(&Person::new(3), &ticket).await.status, 201);
}

#[tokio::test]
async fn a_hand_over_counts_once_and_only_after_somebody_has_agreed() {
    let place = Place::with_providers(0).await;
    let person = Person::new(1);
    let session = place.server.sign_up(&person).await;
    let request = place.server.request(Method::POST, "/v1/hand-overs");
    let answer = send(request.bearer_auth(session.access_token.expose())).await;
    let handed: etui_api::browser::HandOver = answer.json();
    let mut browser = TestBrowser::new();
    for _ in 0..2 {
        let page = browser.open(handed.url.expose()).await;
        assert!(page.text.contains(&person.email), "looking uses nothing up: {}", page.text);
    }
    assert_eq!(browser.open(&place.address("/account")).await.url.path(), "/sign-in");
    let page = browser.open(handed.url.expose()).await;
    let opened = browser.submit(&page, "/hand-over", &[]).await;
    assert_eq!(opened.url.path(), "/account");
    assert_eq!(TestBrowser::new().submit(&page, "/hand-over", &[]).await.status, 410);
    assert_eq!(browser.open(handed.url.expose()).await.status, 410);

    let copy = browser.clone();
    let page = browser.submit(&opened, "/sign-out", &[]).await;
    assert_eq!(page.url.path(), "/sign-in");
    for mut browser in [browser, copy] {
        assert_eq!(browser.open(&place.address("/account")).await.url.path(), "/sign-in");
    }
}
