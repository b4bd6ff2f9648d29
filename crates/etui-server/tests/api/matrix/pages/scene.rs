//! A server with providers, on which a browser is in each of the states that one can be in.

use std::sync::atomic::{AtomicU8, Ordering};

use etui_api::{
    browser::{DeviceCode, HandOver, NewDeviceCode},
    session::{Session, Token},
    ways::{Ceremony, Passkey},
};
use etui_chain::DeviceId;
use serde_json::json;

use crate::{
    approval::approve_devices,
    letters::printed,
    passkeys,
    providers::Place,
    second_factor::pages::guard,
    support::{Authenticator, Body, Lie, Person as Account, SentFrom, TestBrowser},
};

const PAGE_COOKIE: &str = "__Host-etui-page";
const HALF_WAY_COOKIE: &str = "__Host-etui-half-way";
const MADE_UP: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Which browser asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// One that was never here.
    Nobody,
    /// With cookies that no server set.
    Garbage,
    /// One that has signed out of the pages, with the cookie from before.
    Ended,
    /// Its time on the pages is over.
    Expired,
    /// How the account is signed in to has changed elsewhere since.
    Superseded,
    /// The device that has opened the pages was signed out.
    Lost,
    /// A second factor is missing.
    Half,
    /// By one factor, where new devices wait for the approval of another.
    OneFactor,
    /// The account is being deleted.
    Leaving,
    /// The account is disabled.
    Disabled,
    /// Signed in at a provider, without an account here.
    Newcomer,
    /// Signed in to another account.
    Stranger,
    /// The right browser, but something else than a page of this server has made it ask.
    Forged(SentFrom),
    /// The right one.
    Right,
}

impl Asker {
    pub(super) const ALL: [Self; 18] = [
        Self::Nobody,
        Self::Garbage,
        Self::Ended,
        Self::Expired,
        Self::Superseded,
        Self::Lost,
        Self::Half,
        Self::OneFactor,
        Self::Leaving,
        Self::Disabled,
        Self::Newcomer,
        Self::Stranger,
        Self::Forged(SentFrom::Unsaid),
        Self::Forged(SentFrom::Site("cross-site")),
        Self::Forged(SentFrom::Site("same-site")),
        Self::Forged(SentFrom::Origin("https://evil.example")),
        Self::Forged(SentFrom::Origin("null")),
        Self::Right,
    ];

    /// Whether it has signed in on the pages, as somebody who may at least look around.
    pub(super) const fn visits(self) -> bool {
        matches!(self, Self::OneFactor | Self::Leaving | Self::Newcomer | Self::Stranger)
    }
}

/// Somebody with an account that has everything which can be tried on: a device, an identity at a provider, a passkey. And a
/// browser.
pub(super) struct Person {
    pub(super) account: Account,
    session: Session,
    pub(super) browser: TestBrowser,
    issuer: String,
    subject: String,
    authenticator: Authenticator,
    passkey_id: String,
    codes: Vec<Token>,
}

/// A browser that asks.
pub(super) struct Asking {
    pub(super) browser: TestBrowser,
    /// Whose account is, or was, open in it.
    pub(super) person: Option<Person>,
}

/// The server and whoever is there.
pub(super) struct Scene {
    pub(super) place: Place,
    people: AtomicU8,
}

impl Scene {
    pub(super) async fn set() -> Self {
        Self { place: Place::with_providers(2).await, people: AtomicU8::new(1) }
    }

    /// Somebody whose account is open in their browser.
    pub(super) async fn person(&self) -> Person {
        let (server, number) = (&self.place.server, self.people.fetch_add(1, Ordering::Relaxed));
        let subject = format!("who-{number}-is");
        let (account, session, mut browser) = self.place.linked(number, &subject).await;
        let mut authenticator = Authenticator::new(number);
        let passkey = passkeys::add(server, &session, &mut authenticator, Lie::None).await;
        // A change has closed the pages.
        let page = self.place.hand_over(&mut browser, &session).await;
        let issuer = page.hidden("/account/unlink", "issuer");
        let passkey_id = passkey.json::<Passkey>().id;
        let codes = Vec::new();
        Person { account, session, browser, issuer, subject, authenticator, passkey_id, codes }
    }

    /// Somebody whose browser lacks the second factor.
    pub(super) async fn half_way(&self) -> Person {
        let mut person = self.person().await;
        (_, person.codes) = guard(&self.place.server, &person.session).await;
        self.sign_in(&mut person).await;
        person
    }

    /// A browser in such a state, and whoever has an account there.
    pub(super) async fn asking(&self, asker: Asker) -> Asking {
        let person = match asker {
            Asker::Nobody | Asker::Garbage | Asker::Newcomer => {
                return Asking { browser: self.browser_of_nobody(asker).await, person: None };
            }
            Asker::Half => self.half_way().await,
            _ => {
                let mut person = self.person().await;
                self.bring_into_state(&mut person, asker).await;
                person
            }
        };
        Asking { browser: person.browser.clone(), person: Some(person) }
    }

    async fn browser_of_nobody(&self, asker: Asker) -> TestBrowser {
        let mut browser = TestBrowser::new();
        match asker {
            Asker::Garbage => {
                browser.has_cookie(self.place.server.public_url(), PAGE_COOKIE, MADE_UP);
                browser.has_cookie(self.place.server.public_url(), HALF_WAY_COOKIE, MADE_UP);
            }
            Asker::Newcomer => {
                let page = self.place.sign_in(&mut browser, "a", "newcomer").await;
                assert!(page.text.contains("No account yet"), "{}", page.text);
            }
            _ => {}
        }
        browser
    }

    async fn bring_into_state(&self, person: &mut Person, asker: Asker) {
        let server = &self.place.server;
        let email = &person.account.email;
        match asker {
            Asker::Ended => {
                let mut signing_out = person.browser.clone();
                let page = signing_out.open(&self.place.address("/account")).await;
                signing_out.submit(&page, "/sign-out", &[]).await;
            }
            Asker::Expired => server.execute(&of(email, "pending SET expires_ms = 1")).await,
            Asker::Superseded => {
                self.sign_in(person).await;
                assert_eq!(server.delete("/v1/sessions/others", &person.session).await.status, 204);
            }
            Asker::Lost => {
                assert_eq!(server.delete("/v1/sessions/current", &person.session).await.status, 204);
            }
            Asker::OneFactor => {
                approve_devices(server, &person.session).await;
                self.sign_in(person).await;
            }
            Asker::Leaving => {
                assert_eq!(server.delete("/v1/account", &person.session).await.status, 200);
                self.sign_in(person).await;
            }
            Asker::Disabled => server.execute(&of(email, "account SET disabled_ms = 1")).await,
            _ => {}
        }
    }

    /// In a new browser, at the provider.
    async fn sign_in(&self, person: &mut Person) {
        person.browser = TestBrowser::new();
        self.place.sign_in(&mut person.browser, "a", &person.subject).await;
    }

    /// What stands for such a name, of this person.
    pub(super) async fn value(&self, name: &str, person: &mut Person) -> String {
        let server = &self.place.server;
        match name {
            "{nobody}" => format!("nobody{}@example.org", self.people.fetch_add(1, Ordering::Relaxed)),
            "{device_id}" => person.account.device_id.to_string(),
            "{passkey_id}" => person.passkey_id.clone(),
            "{issuer}" => person.issuer.clone(),
            "{subject}" => person.subject.clone(),
            "{code}" => person.codes[0].expose().to_owned(),
            "{printed}" => printed(server, &person.account.email).await.expose().to_owned(),
            "{hand_over}" => {
                let answer = server.post_as("/v1/hand-overs", &person.session, &()).await;
                let url = answer.json::<HandOver>().url;
                url.expose().split_once("ticket=").unwrap().1.to_owned()
            }
            "{user_code}" => {
                let asked = NewDeviceCode { device_id: DeviceId::new([9; 16]).unwrap() };
                server.post_json("/v1/device-codes", &asked).await.json::<DeviceCode>().user_code
            }
            "{state}" => self.depart_to_link(person).await,
            "{link_ticket}" => self.come_back_to_link(person).await,
            plain => plain.to_owned(),
        }
    }

    /// What an authenticator answers, as a form sends it: a ticket and a credential.
    pub(super) async fn passkey(&self, name: &str, person: &mut Person) -> Option<[String; 2]> {
        let (server, origin) = (&self.place.server, passkeys::origin(&self.place.server));
        let (ceremony, credential) = match name {
            "{assertion}" => {
                let ceremony: Ceremony = server.post_json("/v1/sign-ins/passkeys", &json!({})).await.json();
                let credential = person.authenticator.get(&ceremony, &origin, Lie::None);
                (ceremony, credential)
            }
            "{new_passkey}" => {
                let address = self.place.address("/account/passkeys/begin");
                let begun =
                    person.browser.ask(&address, Body::EmptyJson, SentFrom::Site("same-origin")).await;
                let ceremony: Ceremony = serde_json::from_str(&begun.text).unwrap();
                let number = self.people.fetch_add(1, Ordering::Relaxed);
                let credential = Authenticator::new(number).create(&ceremony, &origin, Lie::None);
                (ceremony, credential)
            }
            _ => return None,
        };
        Some([ceremony.ticket.expose().to_owned(), credential.to_string()])
    }

    /// Goes to the other provider to link it: what the provider brings back.
    async fn depart_to_link(&self, person: &Person) -> String {
        let mut browser = person.browser.clone();
        browser.stop_at(&self.place.issuers[1]);
        let page = browser.open(&self.place.address("/account")).await;
        browser.submit(&page, "/account/providers/b", &[]).await.parameter("state")
    }

    /// And comes back from there: the ticket of the question that is asked then.
    async fn come_back_to_link(&self, person: &Person) -> String {
        let mut browser = person.browser.clone();
        let page = browser.open(&self.place.address("/account")).await;
        let page = browser.submit(&page, "/account/providers/b", &[]).await;
        let page = browser.sign_in_at_provider(page, &person.subject).await;
        page.hidden("/account/link", "ticket")
    }
}

impl Person {
    /// What nobody else may be told.
    pub(super) fn canaries(&self) -> [String; 5] {
        let Account { account_id, device_id, email, .. } = &self.account;
        let short = device_id.to_string().chars().take(8).collect();
        [account_id.to_string(), email.clone(), short, self.subject.clone(), self.passkey_id.clone()]
    }
}

fn of(email: &str, set: &str) -> String {
    format!("UPDATE {set} WHERE account_id = (SELECT account_id FROM account WHERE email = '{email}')")
}
