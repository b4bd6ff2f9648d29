//! Signing in at a provider of OpenID Connect, a real one: who gets in, and who does not.

use etui_api::{ErrorCode, browser::HandOver, session::Session};
use etui_server::settings::{ProviderSettings, Settings};
use etui_services::{
    Provider, ProviderAddress,
    provider::{CLIENT_ID, CLIENT_SECRET},
};
use reqwest::Method;

use crate::support::{Person, Seen, TestBrowser, TestServer, send};

/// A server with providers, named `a`, `b` and so on.
pub(crate) struct Place {
    pub(crate) server: TestServer,
    /// Where each provider is.
    pub(crate) issuers: Vec<String>,
    providers: Vec<Provider>,
    #[expect(dead_code, reason = "it is there for as long as this is")]
    secrets: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn with_providers(count: usize) -> Self {
        Self::with(count, |_| ()).await
    }

    /// The same with other settings besides.
    pub(crate) async fn with(count: usize, adjust: impl FnOnce(&mut Settings)) -> Self {
        let (mut place, addresses) = Self::without_their_start(count, adjust).await;
        let callback = format!("{}/sign-in/provider/callback", place.server.public_url());
        place.providers = addresses.into_iter().map(|address| address.start(&[&callback]).unwrap()).collect();
        place
    }

    /// The server runs, and its providers do not yet.
    async fn without_their_start(
        count: usize,
        adjust: impl FnOnce(&mut Settings),
    ) -> (Self, Vec<ProviderAddress>) {
        let addresses: Vec<_> = (0..count).map(|_| ProviderAddress::free().unwrap()).collect();
        let secrets = tempfile::tempdir().unwrap();
        let secret = secrets.path().join("secret");
        std::fs::write(&secret, CLIENT_SECRET).unwrap();
        let issuers: Vec<_> = addresses.iter().map(ProviderAddress::issuer).collect();
        let settings = issuers.iter().zip('a'..).map(|(issuer, name)| ProviderSettings {
            name: name.to_string(),
            title: format!("Provider {name}"),
            issuer: issuer.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret_file: secret.clone(),
            scopes: vec!["email".to_owned()],
        });
        let settings: Vec<_> = settings.collect();
        let server = TestServer::start_with(|options| {
            options.providers = settings;
            adjust(options);
        })
        .await;
        (Self { server, issuers, providers: Vec::new(), secrets }, addresses)
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.server.public_url())
    }

    /// Goes to a provider from the page to sign in on.
    async fn depart(&self, browser: &mut TestBrowser, provider: &str) -> Seen {
        let page = browser.open(&self.address("/sign-in")).await;
        browser.submit(&page, &format!("/sign-in/provider/{provider}"), &[]).await
    }

    /// Signs in at a provider, from the page to sign in on.
    pub(crate) async fn sign_in(&self, browser: &mut TestBrowser, provider: &str, name: &str) -> Seen {
        let page = self.depart(browser, provider).await;
        browser.sign_in_at_provider(page, name).await
    }

    /// Comes back from a provider and stops in front of the server's door.
    async fn come_back(&self, browser: &mut TestBrowser, provider: &str, name: &str) -> Seen {
        browser.stop_at(&self.address("/sign-in/provider/callback"));
        let seen = self.sign_in(browser, provider, name).await;
        browser.stop_nowhere();
        seen
    }

    /// Opens the account of a session in a browser.
    pub(crate) async fn hand_over(&self, browser: &mut TestBrowser, session: &Session) -> Seen {
        let request = self.server.request(Method::POST, "/v1/hand-overs");
        let answer = send(request.bearer_auth(session.access_token.expose())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let handed: HandOver = answer.json();
        let page = browser.open(handed.url.expose()).await;
        browser.submit(&page, "/hand-over", &[]).await
    }

    /// Somebody whose account is linked to the first provider, where they have that name, and the browser that their account is
    /// open in.
    pub(crate) async fn linked(&self, number: u8, name: &str) -> (Person, Session, TestBrowser) {
        let person = Person::new(number);
        let session = self.server.sign_up(&person).await;
        let mut browser = TestBrowser::new();
        self.hand_over(&mut browser, &session).await;
        self.link(&mut browser, "a", name).await;
        (person, session, browser)
    }

    pub(crate) async fn link(&self, browser: &mut TestBrowser, provider: &str, name: &str) -> Seen {
        let page = browser.open(&self.address("/account")).await;
        let page = browser.submit(&page, &format!("/account/providers/{provider}"), &[]).await;
        let page = browser.sign_in_at_provider(page, name).await;
        browser.submit(&page, "/account/link", &[]).await
    }
}

#[tokio::test]
async fn a_linked_provider_signs_in_and_one_that_is_unlinked_does_not() {
    let place = Place::with_providers(1).await;
    let person = Person::new(1);
    let session = place.server.sign_up(&person).await;
    let mut browser = TestBrowser::new();
    let page = place.hand_over(&mut browser, &session).await;
    assert!(page.text.contains(&person.email), "{}", page.text);
    let page = place.link(&mut browser, "a", "alice").await;
    assert!(page.text.contains("Unlink Provider a"), "{}", page.text);
    assert_eq!(
        place.server.get("/v1/devices", &session).await.status,
        200,
        "the session that linked goes on"
    );

    let mut other = TestBrowser::new();
    let page = place.sign_in(&mut other, "a", "alice").await;
    assert_eq!((page.status, page.url.path()), (200, "/account"));
    assert!(page.text.contains(&person.email), "{}", page.text);

    let page = browser.open(&place.address("/account")).await;
    let page = browser.submit(&page, "/account/unlink", &[]).await;
    assert!(!page.text.contains("Unlink"), "{}", page.text);
    let page = place.sign_in(&mut TestBrowser::new(), "a", "alice").await;
    assert!(!page.text.contains(&person.email), "{}", page.text);
    let page = other.open(&place.address("/account")).await;
    assert_eq!(page.url.path(), "/sign-in", "a change ends what others had begun");
}

/// Signing in here makes somebody present, so that knowing the browser is not enough.
#[tokio::test]
async fn a_provider_asks_again_though_it_knows_the_browser() {
    let place = Place::with_providers(1).await;
    let mut browser = TestBrowser::new();
    let page = place.sign_in(&mut browser, "a", "alice").await;
    browser.submit(&page, "/sign-out", &[]).await;
    browser.stop_at(&place.issuers[0]);
    let departed = place.depart(&mut browser, "a").await;
    assert_eq!([departed.parameter("prompt"), departed.parameter("max_age")], ["login", "0"]);
    browser.stop_nowhere();
    let page = place.sign_in(&mut browser, "a", "alice").await;
    assert_eq!((page.status, page.url.path()), (200, "/account"), "it asked: {}", page.text);
}

#[tokio::test]
async fn whoever_signs_in_at_a_provider_has_not_failed() {
    let place = Place::with_providers(1).await;
    let session = place.server.sign_up(&Person::new(1)).await;
    let mut browser = TestBrowser::new();
    place.hand_over(&mut browser, &session).await;
    place.link(&mut browser, "a", "alice").await;
    let page = place.sign_in(&mut TestBrowser::new(), "a", "alice").await;
    assert_eq!((page.status, page.url.path()), (200, "/account"), "{}", page.text);
    assert!(place.server.tries_left().await >= 257, "as many as are free, and one behind them");
}

#[tokio::test]
async fn nothing_is_linked_before_its_holder_has_read_what() {
    let place = Place::with_providers(1).await;
    let [person, other] = [Person::new(1), Person::new(2)];
    let session = place.server.sign_up(&person).await;
    let mut browser = TestBrowser::new();
    place.hand_over(&mut browser, &session).await;
    let page = browser.open(&place.address("/account")).await;
    let page = browser.submit(&page, "/account/providers/a", &[]).await;
    let asked = browser.sign_in_at_provider(page, "victim-true").await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    for said in ["Link <strong>", "at Provider a", &person.email] {
        assert!(asked.text.contains(said), "{said}: {}", asked.text);
    }
    let page = browser.open(&place.address("/account")).await;
    assert!(!page.text.contains("Unlink"), "nothing is linked yet: {}", page.text);

    let session = place.server.sign_up(&other).await;
    let mut mallory = TestBrowser::new();
    place.hand_over(&mut mallory, &session).await;
    let page = mallory.submit(&asked, "/account/link", &[]).await;
    assert_eq!(page.status, 410, "it is another account's: {}", page.text);
    let page = mallory.open(&place.address("/account")).await;
    assert!(!page.text.contains("Unlink"), "{}", page.text);
}

#[tokio::test]
async fn linking_ends_every_session_but_the_own() {
    let place = Place::with_providers(1).await;
    let person = Person::new(1);
    let session = place.server.sign_up(&person).await;
    let mut sign_in = person.sign_in();
    sign_in.device_id = etui_chain::DeviceId::new([9; 16]).unwrap();
    let other: Session = place.server.post_json("/v1/sessions", &sign_in).await.json();
    let mut browser = TestBrowser::new();
    place.hand_over(&mut browser, &session).await;
    place.link(&mut browser, "a", "alice").await;
    assert_eq!(place.server.get("/v1/devices", &other).await.code(), ErrorCode::SessionEnded);
    assert_eq!(place.server.get("/v1/devices", &session).await.status, 200);
}

/// CVE-2026-47158: an attacker who has begun to sign in gives the victim the answer of the provider.
#[tokio::test]
async fn what_a_provider_answers_counts_once_and_only_in_the_browser_that_asked() {
    let place = Place::with_providers(1).await;
    let person = Person::new(1);
    let session = place.server.sign_up(&person).await;
    let mut owner = TestBrowser::new();
    place.hand_over(&mut owner, &session).await;
    place.link(&mut owner, "a", "alice").await;

    let mut browser = TestBrowser::new();
    let back = place.come_back(&mut browser, "a", "alice").await;
    let mut victims = [TestBrowser::new(), owner];
    victims[0].open(&place.address("/sign-in")).await;
    for victim in &mut victims {
        let page = victim.open(back.url.as_str()).await;
        assert_eq!(page.status, 400, "{}", page.text);
        assert!(page.text.contains("not begun in this browser"), "{}", page.text);
    }
    let without_state = back.url.as_str().replace(&back.parameter("state"), "nonsense");
    assert_eq!(browser.open(&without_state).await.status, 400);
    let page = browser.open(back.url.as_str()).await;
    assert!(page.text.contains(&person.email), "others have not used it up: {}", page.text);
    assert_eq!(browser.open(back.url.as_str()).await.status, 410, "it counts once");
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_refused() {
    let place = Place::with_providers(1).await;
    let mut browsers = [TestBrowser::new(), TestBrowser::new()];
    let [alice, mallory] = &mut browsers;
    let of_alice = place.come_back(alice, "a", "alice").await;
    let of_mallory = place.come_back(mallory, "a", "bob").await;
    let injected =
        of_mallory.url.as_str().replace(&of_mallory.parameter("code"), &of_alice.parameter("code"));
    let page = mallory.open(&injected).await;
    assert_eq!(page.status, 401, "the code does not go with the verifier: {}", page.text);
}

#[tokio::test]
async fn an_answer_of_one_provider_is_none_of_another() {
    let place = Place::with_providers(2).await;
    let mut browser = TestBrowser::new();
    let back = place.come_back(&mut browser, "a", "alice").await;
    let encoded = |issuer: &str| issuer.replace(':', "%3A").replace('/', "%2F");
    let other = back.url.as_str().replace(&encoded(&place.issuers[0]), &encoded(&place.issuers[1]));
    assert_ne!(other, back.url.as_str());
    let page = browser.open(&other).await;
    assert_eq!(page.status, 400, "{}", page.text);

    let back = place.come_back(&mut browser, "b", "alice").await;
    let nobody = back.url.as_str().split("&iss=").next().unwrap().to_owned();
    let page = browser.open(&nobody).await;
    assert_eq!(page.status, 400, "the provider says that it always names itself: {}", page.text);
}

/// CVE-2026-47164: a provider says that somebody has the victim's address.
#[tokio::test]
async fn an_address_neither_signs_in_nor_links() {
    let place = Place::with_providers(1).await;
    let victim = Person::new(1);
    let session = place.server.sign_up(&victim).await;
    let mut owner = TestBrowser::new();
    for name in ["victim-false", "victim-string", "victim-missing", "victim-true"] {
        let mut browser = TestBrowser::new();
        let page = place.sign_in(&mut browser, "a", name).await;
        if name == "victim-true" {
            assert_eq!(page.status, 403, "{}", page.text);
            assert!(page.text.contains("sign in in the usual way"), "{}", page.text);
        } else {
            assert_eq!((page.status, page.url.path()), (200, "/account"), "{name}: {}", page.text);
            assert!(page.text.contains("etui signup --browser"), "{name}: {}", page.text);
            assert!(
                !page.text.contains(&victim.email),
                "{name}: it is not said that there is such an account"
            );
        }
        assert!(!page.text.contains("Ways to sign in"), "{name}");
        let page = browser.open(&place.address("/account")).await;
        assert!(!page.text.contains("Ways to sign in"), "{name}");
    }
    let refused = place.server.refused(&session, 1).await;
    assert_eq!(refused, [("sign_in".to_owned(), None)], "the one whose address is vouched for");
    let page = place.hand_over(&mut owner, &session).await;
    assert!(!page.text.contains("Unlink"), "nothing was linked: {}", page.text);
    let page = place.link(&mut owner, "a", "victim-true").await;
    assert!(page.text.contains("Unlink Provider a"), "its holder can: {}", page.text);
}

#[tokio::test]
async fn what_does_not_verify_signs_nobody_in_and_a_new_key_does() {
    let place = Place::with_providers(1).await;
    let wrong =
        ["wrong-nonce", "wrong-audience", "wrong-issuer", "wrong-time", "wrong-key", "wrong-algorithm"];
    for name in wrong {
        let page = place.sign_in(&mut TestBrowser::new(), "a", name).await;
        assert_eq!(page.status, 401, "{name}: {}", page.text);
        assert!(page.text.contains("did not confirm who you are"), "{name}: {}", page.text);
    }
    for _ in 0..2 {
        let page = place.sign_in(&mut TestBrowser::new(), "a", "rotated").await;
        assert_eq!((page.status, page.url.path()), (200, "/account"), "{}", page.text);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nothing_from_starting() {
    let (place, mut addresses) = Place::without_their_start(1, |_| ()).await;
    let mut browser = TestBrowser::new();
    let page = place.depart(&mut browser, "a").await;
    assert_eq!(page.status, 503, "{}", page.text);
    let callback = place.address("/sign-in/provider/callback");
    let _provider = addresses.remove(0).start(&[&callback]).unwrap();
    let page = place.sign_in(&mut browser, "a", "alice").await;
    assert_eq!((page.status, page.url.path()), (200, "/account"), "{}", page.text);
}

#[tokio::test]
async fn whoever_gives_up_at_the_provider_is_told() {
    let place = Place::with_providers(1).await;
    let mut browser = TestBrowser::new();
    let page = place.depart(&mut browser, "a").await;
    let abort = format!("{}/abort", page.url);
    let page = browser.open(&abort).await;
    assert_eq!((page.status, page.url.path()), (401, "/sign-in/provider/callback"), "{}", page.text);
}

#[tokio::test]
async fn a_page_of_somebody_else_changes_nothing() {
    let place = Place::with_providers(1).await;
    let session = place.server.sign_up(&Person::new(1)).await;
    let mut browser = TestBrowser::new();
    place.hand_over(&mut browser, &session).await;
    for (path, fields) in [
        ("/sign-in/provider/a", vec![("next", "/account")]),
        ("/account/providers/a", vec![]),
        ("/account/link", vec![("ticket", "x")]),
        ("/account/unlink", vec![("issuer", "a"), ("subject", "b")]),
        ("/sign-out", vec![]),
        ("/device/look", vec![("user_code", "BCDF-GHJK")]),
        ("/device/decide", vec![("user_code", "BCDF-GHJK"), ("decision", "allow")]),
        ("/authorize", vec![("decision", "allow"), ("asked", "/authorize")]),
        ("/hand-over", vec![("ticket", "x")]),
    ] {
        let page = browser.submit_from_elsewhere(&place.address(path), &fields).await;
        assert_eq!(page.status, 400, "{path}: {}", page.text);
        assert!(page.text.contains("came from another site"), "{path}: {}", page.text);
    }
    let page = browser.open(&place.address("/account")).await;
    assert!(page.text.contains("Ways to sign in"));
}

#[tokio::test]
async fn the_page_to_sign_in_on_leads_nowhere_else() {
    let place = Place::with_providers(1).await;
    let session = place.server.sign_up(&Person::new(1)).await;
    let mut browser = TestBrowser::new();
    place.hand_over(&mut browser, &session).await;
    for next in ["https://evil.example/", "//evil.example", "/v1/devices"] {
        let page = browser.open(&place.address(&format!("/sign-in?next={next}"))).await;
        assert_eq!(page.url.as_str(), place.address("/account"));
    }
}
