//! Passkeys, with an authenticator that can lie. That real browsers agree is shown with one elsewhere.

use etui_api::{
    ErrorCode,
    session::{Factor, PasskeyAnswer, PasskeySignIn, SecondFactor, Session, Token},
    ways::{Ceremony, NewPasskey, Passkey, PasskeyName, TotpConfirmation, TotpSetup, Ways},
};
use etui_chain::DeviceId;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Authenticator, Lie, Person, TestServer, send};

/// A person with a passkey.
struct Keyed {
    server: TestServer,
    person: Person,
    session: Session,
    authenticator: Authenticator,
    passkey: Passkey,
}

impl Keyed {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let person = Person::new(1);
        let session = server.sign_up(&person).await;
        let mut authenticator = Authenticator::new(1);
        let answer = add(&server, &session, &mut authenticator, Lie::None).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let passkey = answer.json();
        Self { server, person, session, authenticator, passkey }
    }

    async fn signed(&mut self, lie: Lie) -> PasskeyAnswer {
        let ceremony: Ceremony = self.server.post_json("/v1/sign-ins/passkeys", &json!({})).await.json();
        let credential = self.authenticator.get(&ceremony, &origin(&self.server), lie);
        PasskeyAnswer { ticket: ceremony.ticket, credential }
    }

    async fn sign_in(&mut self, lie: Lie) -> Answer {
        let answer = self.signed(lie).await;
        self.present(&answer).await
    }

    async fn present(&self, answer: &PasskeyAnswer) -> Answer {
        let answer = PasskeyAnswer { ticket: answer.ticket.clone(), credential: answer.credential.clone() };
        let sign_in = PasskeySignIn { answer, device_id: DeviceId::new([9; 16]).unwrap() };
        self.server.post_json("/v1/sessions/passkey", &sign_in).await
    }

    async fn ways(&self) -> Ways {
        self.server.get("/v1/account/ways", &self.session).await.json()
    }
}

pub(crate) fn origin(server: &TestServer) -> String {
    server.url("").replace("127.0.0.1", "localhost")
}

pub(crate) async fn add(
    server: &TestServer,
    session: &Session,
    authenticator: &mut Authenticator,
    lie: Lie,
) -> Answer {
    let ceremony: Ceremony = server.post_as("/v1/account/passkeys/begin", session, &()).await.json();
    let credential = authenticator.create(&ceremony, &origin(server), lie);
    let new = NewPasskey { ticket: ceremony.ticket, name: "Key ring".to_owned(), credential };
    server.post_as("/v1/account/passkeys/finish", session, &new).await
}

#[tokio::test]
async fn a_passkey_signs_in_without_an_address() {
    let mut keyed = Keyed::new().await;
    assert_eq!(keyed.passkey.name, "Key ring");
    let answer = keyed.sign_in(Lie::None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    assert_eq!(session.account_id, keyed.person.account_id);
    let [passkey] = &keyed.ways().await.passkeys[..] else { panic!("one") };
    assert_eq!(passkey.id, keyed.passkey.id);
    assert!(passkey.used_ms.is_some());
}

/// Vaultwarden CVE-2026-31835: what is kept of a passkey changes only after its signature was verified.
#[tokio::test]
async fn a_bad_assertion_is_refused_and_changes_nothing() {
    let mut keyed = Keyed::new().await;
    assert_eq!(keyed.sign_in(Lie::None).await.status, 200);
    let before = keyed.ways().await;
    for lie in
        [Lie::Origin, Lie::Challenge, Lie::Unverified, Lie::Signature, Lie::Site, Lie::Handle, Lie::Counter]
    {
        assert_eq!(keyed.sign_in(lie).await.code(), ErrorCode::PasskeyRefused, "{lie:?}");
        assert_eq!(keyed.ways().await, before, "{lie:?}");
    }
    let refused = keyed.server.refused(&keyed.session, 6).await;
    // Whose it would be is not known of one that names somebody else.
    assert_eq!(refused, vec![("sign_in".to_owned(), None); 6]);
    assert_eq!(keyed.sign_in(Lie::None).await.status, 200, "the counter is the one of the last right answer");
}

#[tokio::test]
async fn a_challenge_counts_once_whether_it_was_answered_rightly_or_not() {
    let mut keyed = Keyed::new().await;
    let answer = keyed.signed(Lie::None).await;
    assert_eq!(keyed.present(&answer).await.status, 200);
    assert_eq!(keyed.present(&answer).await.code(), ErrorCode::NoLongerValid);
    let wrong = keyed.signed(Lie::Signature).await;
    assert_eq!(keyed.present(&wrong).await.code(), ErrorCode::PasskeyRefused);
    assert_eq!(keyed.present(&wrong).await.code(), ErrorCode::NoLongerValid);
    let replayed =
        PasskeyAnswer { ticket: keyed.signed(Lie::None).await.ticket, credential: answer.credential };
    assert_eq!(keyed.present(&replayed).await.code(), ErrorCode::PasskeyRefused, "for another challenge");
}

#[tokio::test]
async fn a_passkey_that_was_made_wrongly_is_not_added() {
    let server = TestServer::start().await;
    let session = server.sign_up(&Person::new(1)).await;
    for lie in [Lie::Origin, Lie::Challenge, Lie::Unverified, Lie::Site] {
        let answer = add(&server, &session, &mut Authenticator::new(1), lie).await;
        assert_eq!(answer.code(), ErrorCode::PasskeyRefused, "{lie:?}");
    }
    let ways: Ways = server.get("/v1/account/ways", &session).await.json();
    assert_eq!(ways.passkeys, []);
}

#[tokio::test]
async fn a_passkey_belongs_to_one_account() {
    let keyed = Keyed::new().await;
    let other = keyed.server.sign_up(&Person::new(2)).await;
    // One that says it is another account's from the beginning.
    let answer = add(&keyed.server, &other, &mut Authenticator::new(1), Lie::None).await;
    assert_eq!(answer.code(), ErrorCode::Taken);
    // And a ceremony that somebody else began.
    let ceremony: Ceremony = keyed.server.post_as("/v1/account/passkeys/begin", &other, &()).await.json();
    let credential = Authenticator::new(2).create(&ceremony, &origin(&keyed.server), Lie::None);
    let new = NewPasskey { ticket: ceremony.ticket, name: "Mine".to_owned(), credential };
    let answer = keyed.server.post_as("/v1/account/passkeys/finish", &keyed.session, &new).await;
    assert_eq!(answer.code(), ErrorCode::NoLongerValid);
    // What one account has, another cannot name.
    let path = format!("/v1/account/passkeys/{}", keyed.passkey.id);
    assert_eq!(keyed.server.delete(&path, &other).await.code(), ErrorCode::NotFound);
    assert_eq!(keyed.ways().await.passkeys.len(), 1);
}

#[tokio::test]
async fn a_passkey_is_renamed_and_removed() {
    let mut keyed = Keyed::new().await;
    let path = format!("/v1/account/passkeys/{}", keyed.passkey.id);
    let rename = async |name: &str| {
        let request =
            keyed.server.request(Method::PATCH, &path).bearer_auth(keyed.session.access_token.expose());
        send(request.json(&PasskeyName { name: name.to_owned() })).await
    };
    assert_eq!(rename("Laptop").await.status, 204);
    assert_eq!(rename(" ").await.code(), ErrorCode::BadRequest);
    assert_eq!(keyed.ways().await.passkeys[0].name, "Laptop");
    // With it the login password is not the last way.
    assert_eq!(keyed.server.delete("/v1/account/login-password", &keyed.session).await.status, 204);
    assert_eq!(keyed.server.delete(&path, &keyed.session).await.code(), ErrorCode::LastWay);
    assert_eq!(keyed.sign_in(Lie::None).await.status, 200);

    let mut keyed = Keyed::new().await;
    let path = format!("/v1/account/passkeys/{}", keyed.passkey.id);
    assert_eq!(keyed.server.delete(&path, &keyed.session).await.status, 204);
    assert_eq!(keyed.sign_in(Lie::None).await.code(), ErrorCode::PasskeyRefused);
    assert_eq!(keyed.server.delete(&path, &keyed.session).await.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_and_needs_none() {
    let mut keyed = Keyed::new().await;
    let setup: TotpSetup = keyed.server.post_as("/v1/account/totp", &keyed.session, &()).await.json();
    let app = totp_rs::Totp::from_url(setup.url.expose()).unwrap();
    let code = Token::new(app.generate_current().to_string());
    let confirmation = TotpConfirmation { ticket: setup.ticket, code };
    let answer = keyed.server.post_as("/v1/account/totp/confirm", &keyed.session, &confirmation).await;
    assert_eq!(answer.status, 200);

    let problem = keyed.server.post_json("/v1/sessions", &keyed.person.sign_in()).await.problem();
    let passkey = etui_api::session::Method::Passkey;
    assert!(problem.methods.unwrap().contains(&passkey));
    let ticket = problem.ticket.unwrap();
    let wrong = Factor::Passkey(keyed.signed(Lie::Signature).await);
    let shown = SecondFactor { ticket: ticket.clone(), factor: wrong };
    let answer = keyed.server.post_json("/v1/sessions/second-factor", &shown).await;
    assert_eq!(answer.code(), ErrorCode::PasskeyRefused);
    let refused = keyed.server.refused(&keyed.session, 1).await;
    assert_eq!(refused, [("show_second_factor".to_owned(), None)]);
    let factor = Factor::Passkey(keyed.signed(Lie::None).await);
    let answer = keyed.server.post_json("/v1/sessions/second-factor", &SecondFactor { ticket, factor }).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let alone = keyed.sign_in(Lie::None).await;
    assert_eq!(alone.status, 200, "two factors in one: {alone:?}");
}

#[tokio::test]
async fn another_accounts_passkey_is_no_second_factor() {
    let mut keyed = Keyed::new().await;
    let other = Person::new(2);
    let session = keyed.server.sign_up(&other).await;
    let setup: TotpSetup = keyed.server.post_as("/v1/account/totp", &session, &()).await.json();
    let app = totp_rs::Totp::from_url(setup.url.expose()).unwrap();
    let code = Token::new(app.generate_current().to_string());
    let confirmation = TotpConfirmation { ticket: setup.ticket, code };
    keyed.server.post_as("/v1/account/totp/confirm", &session, &confirmation).await;
    let problem = keyed.server.post_json("/v1/sessions", &other.sign_in()).await.problem();
    let factor = Factor::Passkey(keyed.signed(Lie::None).await);
    let shown = SecondFactor { ticket: problem.ticket.unwrap(), factor };
    let answer = keyed.server.post_json("/v1/sessions/second-factor", &shown).await;
    assert_eq!(answer.code(), ErrorCode::WrongCode);
}

#[tokio::test]
async fn a_server_without_a_name_offers_no_passkeys() {
    let server =
        TestServer::start_with(|settings| settings.public_url = Some("https://192.0.2.1".to_owned())).await;
    let answer = server.post_json("/v1/sign-ins/passkeys", &json!({})).await;
    assert_eq!(answer.code(), ErrorCode::NotOffered);
}

#[tokio::test]
async fn asking_for_passkeys_is_limited_and_costs_nobody_who_shows_one() {
    let mut keyed = Keyed::new().await;
    assert_eq!(keyed.sign_in(Lie::None).await.status, 200);
    // As many as are free, and one more has to be waited for behind it.
    assert!(keyed.server.tries_left().await >= 257);
    assert_eq!(keyed.server.get("/v1/devices", &keyed.session).await.status, 200);
}

/// A page of another site has a browser send a form, or no body at all, but no JSON.
#[tokio::test]
async fn a_page_of_another_site_asks_for_no_passkeys() {
    let server = TestServer::start().await;
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded"] {
        let request = server.request(Method::POST, "/v1/sign-ins/passkeys");
        let answer = send(request.header("content-type", content_type).body("{}")).await;
        assert_eq!(answer.code(), ErrorCode::UnsupportedMediaType, "{content_type}");
    }
}
