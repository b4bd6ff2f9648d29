//! The page for a second factor, after a provider and after a link.

use etui_api::{
    session::{Session, Token},
    ways::{RecoveryCodes, TotpConfirmation, TotpSetup},
};
use totp_rs::Totp;

use super::code_at;
use crate::{
    letters::{self, Mailing},
    providers::Place,
    support::{Person, Seen, TestBrowser, TestServer},
};

/// Turns the second factor on: the app that shows codes, and recovery codes.
pub(crate) async fn guard(server: &TestServer, session: &Session) -> (Totp, Vec<Token>) {
    let setup: TotpSetup = server.post_as("/v1/account/totp", session, &()).await.json();
    let app = Totp::from_url(setup.url.expose()).unwrap();
    let confirmation = TotpConfirmation { ticket: setup.ticket, code: code_at(&app, 0) };
    let answer = server.post_as("/v1/account/totp/confirm", session, &confirmation).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (app, answer.json::<RecoveryCodes>().codes)
}

/// Types a code into the page that asks for it.
pub(crate) async fn show_code(browser: &mut TestBrowser, page: &Seen, code: &Token) -> Seen {
    assert_eq!((page.status, page.url.path()), (200, "/sign-in/second-factor"), "{}", page.text);
    browser.submit(page, "/sign-in/second-factor", &[("code", code.expose())]).await
}

/// A person whose account is linked to a provider, where they are alice, and asks for a second factor.
struct Guarded {
    place: Place,
    person: Person,
    session: Session,
    app: Totp,
    codes: Vec<Token>,
}

impl Guarded {
    async fn new() -> Self {
        let place = Place::with_providers(1).await;
        let (person, session, _) = place.linked(1, "alice").await;
        let (app, codes) = guard(&place.server, &session).await;
        Self { place, person, session, app, codes }
    }

    /// The first factor, and what is asked then.
    async fn half_way(&self, browser: &mut TestBrowser) -> Seen {
        self.place.sign_in(browser, "a", "alice").await
    }

    /// Whose account this browser has open.
    async fn account(&self, browser: &mut TestBrowser) -> Seen {
        browser.open(&self.place.address("/account")).await
    }
}

#[tokio::test]
async fn a_page_asks_for_the_second_factor_and_opens_nothing_before() {
    let guarded = Guarded::new().await;
    let mut browser = TestBrowser::new();
    let asked = guarded.half_way(&mut browser).await;
    assert!(!asked.text.contains("Use a passkey instead"), "there is none: {}", asked.text);
    assert_eq!(guarded.account(&mut browser).await.url.path(), "/sign-in", "half is nothing");
    let again = browser.open(asked.url.as_str()).await;
    let wrong = show_code(&mut browser, &again, &Token::new("000000".to_owned())).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("That code is not right"), "{}", wrong.text);
    let lured = browser.submit_from_elsewhere(asked.url.as_str(), &[("code", "000000")]).await;
    assert_eq!(lured.status, 400, "from somebody else's page: {}", lured.text);
    let right = browser
        .submit(&wrong, "/sign-in/second-factor", &[("code", code_at(&guarded.app, 1).expose())])
        .await;
    assert_eq!((right.status, right.url.path()), (200, "/account"));
    assert!(right.text.contains(&guarded.person.email), "{}", right.text);
}

#[tokio::test]
async fn whoever_comes_back_or_sends_the_form_twice_is_where_it_leads_to() {
    let guarded = Guarded::new().await;
    let mut browser = TestBrowser::new();
    let asked = guarded.half_way(&mut browser).await;
    show_code(&mut browser, &asked, &guarded.codes[0]).await;
    let back = browser.open(asked.url.as_str()).await;
    assert_eq!((back.status, back.url.path()), (200, "/account"), "{}", back.text);
    let twice = browser.submit(&asked, "/sign-in/second-factor", &[("code", "000000")]).await;
    assert_eq!((twice.status, twice.url.path()), (200, "/account"), "{}", twice.text);
    let page = browser.submit(&twice, "/sign-out", &[]).await;
    assert_eq!(page.url.path(), "/sign-in");
    let over = browser.open(asked.url.as_str()).await;
    assert_eq!(over.status, 410, "it signs nobody in again: {}", over.text);
}

#[tokio::test]
async fn a_recovery_code_on_the_page_counts_once() {
    let guarded = Guarded::new().await;
    let typed = Token::new(guarded.codes[0].expose().to_uppercase().replace('-', " "));
    for (status, path) in [(200, "/account"), (401, "/sign-in/second-factor")] {
        let mut browser = TestBrowser::new();
        let asked = guarded.half_way(&mut browser).await;
        let page = show_code(&mut browser, &asked, &typed).await;
        assert_eq!((page.status, page.url.path()), (status, path), "{}", page.text);
    }
}

#[tokio::test]
async fn a_page_says_that_codes_cannot_be_checked_and_takes_a_recovery_code() {
    let guarded = Guarded::new().await;
    // As if it was sealed under another key.
    guarded.place.server.execute("UPDATE totp SET secret = account_id").await;
    let mut browser = TestBrowser::new();
    let asked = guarded.half_way(&mut browser).await;
    assert!(asked.text.contains("cannot check its codes any more"), "{}", asked.text);
    let again = show_code(&mut browser, &asked, &code_at(&guarded.app, 1)).await;
    assert!(again.text.contains("cannot check its codes any more"), "{}", again.text);
    let arrived = show_code(&mut browser, &again, &guarded.codes[0]).await;
    assert_eq!((arrived.status, arrived.url.path()), (200, "/account"), "{}", arrived.text);
}

#[tokio::test]
async fn a_page_takes_five_codes_and_has_ten_minutes() {
    let guarded = Guarded::new().await;
    let mut browser = TestBrowser::new();
    let asked = guarded.half_way(&mut browser).await;
    for _ in 0..5 {
        let wrong = show_code(&mut browser, &asked, &Token::new("000000".to_owned())).await;
        assert_eq!(wrong.status, 401, "{}", wrong.text);
    }
    let right = show_code(&mut browser, &asked, &guarded.codes[0]).await;
    assert_eq!(right.status, 410, "{}", right.text);

    let mut browser = TestBrowser::new();
    let asked = guarded.half_way(&mut browser).await;
    guarded
        .place
        .server
        .execute("UPDATE pending SET expires_ms = 1 WHERE purpose = 'page_second_factor'")
        .await;
    let late = show_code(&mut browser, &asked, &guarded.codes[0]).await;
    assert_eq!(late.status, 410, "{}", late.text);
    assert_eq!(browser.open(asked.url.as_str()).await.status, 410);
    assert_eq!(guarded.account(&mut browser).await.url.path(), "/sign-in");
}

#[tokio::test]
async fn another_browser_does_not_go_on_with_it() {
    let guarded = Guarded::new().await;
    let asked = guarded.half_way(&mut TestBrowser::new()).await;
    let mut other = TestBrowser::new();
    assert_eq!(other.open(asked.url.as_str()).await.url.path(), "/sign-in");
    assert_eq!(show_code(&mut other, &asked, &guarded.codes[0]).await.status, 410);
    assert_eq!(guarded.account(&mut other).await.url.path(), "/sign-in");
}

/// The device has shown it when it signed in.
#[tokio::test]
async fn a_device_opens_the_page_without_being_asked_again() {
    let guarded = Guarded::new().await;
    let page = guarded.place.hand_over(&mut TestBrowser::new(), &guarded.session).await;
    assert_eq!((page.status, page.url.path()), (200, "/account"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_takes_a_second_factor_too_and_leads_on() {
    let mailing = Mailing::start().await;
    let person = Person::new(1);
    let session = mailing.server.sign_up_by_letter(&person).await;
    let (app, _) = guard(&mailing.server, &session).await;
    let mut browser = TestBrowser::new();
    // The letter before is about the second factor.
    let link = letters::browsers::ask(&mailing, &mut browser, &person.email, 2).await;
    let page = browser.open(&letters::browsers::link(&link)).await;
    let asked = browser.submit(&page, "/sign-in/links/", &[]).await;
    let arrived = show_code(&mut browser, &asked, &code_at(&app, 1)).await;
    assert_eq!((arrived.status, arrived.url.path()), (200, "/device"), "where it wanted to go");
    let again = browser.open(&letters::browsers::link(&link)).await;
    assert_eq!(TestBrowser::new().submit(&again, "/sign-in/links/", &[]).await.status, 410, "it works once");
}
