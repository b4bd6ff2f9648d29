//! One-time passwords and recovery codes as the second step of signing in.

use etui_api::{
    ErrorCode,
    session::{Factor, Method, SecondFactor, Session, Token},
    ways::{RecoveryCodes, TotpConfirmation, TotpSetup, Ways},
};
use etui_chain::DeviceId;
use totp_rs::Totp;

use crate::support::{Person, TestServer};

mod keys;
pub(crate) mod pages;

/// A person whose account asks for a second factor.
struct Guarded {
    server: TestServer,
    person: Person,
    session: Session,
    app: Totp,
    codes: Vec<Token>,
}

const STEP_S: u64 = 30;

impl Guarded {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let person = Person::new(1);
        let session = server.sign_up(&person).await;
        let (app, codes) = pages::guard(&server, &session).await;
        Self { server, person, session, app, codes }
    }

    /// The right first factor.
    async fn ticket(&self) -> Token {
        let answer = self.server.post_json("/v1/sessions", &self.person.sign_in()).await;
        let problem = answer.problem();
        assert_eq!(problem.code, ErrorCode::SecondFactorRequired);
        assert_eq!(problem.methods.unwrap(), [Method::Totp, Method::RecoveryCode]);
        problem.ticket.unwrap()
    }

    async fn show(&self, ticket: &Token, factor: Factor) -> crate::support::Answer {
        let shown = SecondFactor { ticket: ticket.clone(), factor };
        self.server.post_json("/v1/sessions/second-factor", &shown).await
    }
}

/// What the app shows so many steps from now. One step ahead still counts, so that a test need not wait for it.
fn code_at(app: &Totp, steps: u64) -> Token {
    Token::new(app.generate(now_s() + steps * STEP_S).to_string())
}

fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn copy(token: &Token) -> Token {
    token.clone()
}

#[tokio::test]
async fn signing_in_takes_both_factors() {
    let guarded = Guarded::new().await;
    let ticket = guarded.ticket().await;
    let answer = guarded.show(&ticket, Factor::Totp(code_at(&guarded.app, 1))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    assert_eq!(guarded.server.get("/v1/devices", &session).await.status, 200);
    let again = guarded.show(&ticket, Factor::RecoveryCode(copy(&guarded.codes[0]))).await;
    assert_eq!(again.code(), ErrorCode::NoLongerValid, "a ticket signs in once");
}

#[tokio::test]
async fn a_code_that_was_used_is_wrong_and_so_is_one_before_it() {
    let guarded = Guarded::new().await;
    let ticket = guarded.ticket().await;
    let confirmed_with = guarded.show(&ticket, Factor::Totp(code_at(&guarded.app, 0))).await;
    // The step may have passed meanwhile: then this one is new, and the one before it is not.
    if confirmed_with.status != 200 {
        assert_eq!(confirmed_with.code(), ErrorCode::WrongCode);
    }
    let ticket = guarded.ticket().await;
    let next = code_at(&guarded.app, 1);
    assert_eq!(guarded.show(&ticket, Factor::Totp(copy(&next))).await.status, 200);
    for used in [next, code_at(&guarded.app, 0)] {
        let ticket = guarded.ticket().await;
        assert_eq!(guarded.show(&ticket, Factor::Totp(used)).await.code(), ErrorCode::WrongCode);
    }
}

#[tokio::test]
async fn of_many_who_show_one_code_at_once_one_signs_in() {
    let guarded = Guarded::new().await;
    let mut tickets = Vec::new();
    // As many as may fail before anybody has to wait.
    for _ in 0..5 {
        tickets.push(guarded.ticket().await);
    }
    let code = code_at(&guarded.app, 1);
    let shown = tickets.iter().map(|ticket| guarded.show(ticket, Factor::Totp(copy(&code))));
    let answers = futures_util::future::join_all(shown).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    // And of many with one ticket and different factors.
    let guarded = Guarded::new().await;
    let ticket = guarded.ticket().await;
    let shown = guarded.codes[..5].iter().map(|code| guarded.show(&ticket, Factor::RecoveryCode(copy(code))));
    let answers = futures_util::future::join_all(shown).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn a_ticket_has_five_tries() {
    let guarded = Guarded::new().await;
    let ticket = guarded.ticket().await;
    for wrong in ["000000", "12345", "", "not a code", "999999"] {
        let answer = guarded.show(&ticket, Factor::Totp(Token::new(wrong.to_owned()))).await;
        assert_eq!(answer.code(), ErrorCode::WrongCode, "{wrong}");
    }
    let refused = guarded.server.refused(&guarded.session, 5).await;
    assert_eq!(refused, vec![("show_second_factor".to_owned(), Some(guarded.person.device_id)); 5]);
    let right = guarded.show(&ticket, Factor::Totp(code_at(&guarded.app, 1))).await;
    assert_eq!(right.code(), ErrorCode::NoLongerValid);
    let other = guarded.show(&Token::new("A".repeat(43)), Factor::Totp(code_at(&guarded.app, 1))).await;
    assert_eq!(other.code(), ErrorCode::NoLongerValid, "one that was never given");
}

#[tokio::test]
async fn a_recovery_code_works_once_and_only_until_there_are_new_ones() {
    let guarded = Guarded::new().await;
    let [first, second] = [copy(&guarded.codes[0]), copy(&guarded.codes[1])];
    let typed = Token::new(first.expose().to_uppercase().replace('-', " "));
    let session: Session = guarded.show(&guarded.ticket().await, Factor::RecoveryCode(typed)).await.json();
    let again = guarded.show(&guarded.ticket().await, Factor::RecoveryCode(first)).await;
    assert_eq!(again.code(), ErrorCode::WrongCode);
    let ways: Ways = guarded.server.get("/v1/account/ways", &session).await.json();
    assert_eq!((ways.totp, ways.recovery_codes), (true, 9));

    let new: RecoveryCodes = guarded.server.post_as("/v1/account/recovery-codes", &session, &()).await.json();
    let old = guarded.show(&guarded.ticket().await, Factor::RecoveryCode(second)).await;
    assert_eq!(old.code(), ErrorCode::WrongCode);
    let new = guarded.show(&guarded.ticket().await, Factor::RecoveryCode(copy(&new.codes[9]))).await;
    assert_eq!(new.status, 200);
}

/// Vaultwarden CVE-2026-27801: nothing protected can be done with one factor of two.
#[tokio::test]
async fn half_a_sign_in_changes_nothing() {
    let guarded = Guarded::new().await;
    let ticket = guarded.ticket().await;
    // A ticket is no token.
    for path in ["/v1/account/totp", "/v1/account/recovery-codes", "/v1/account/passkeys/begin"] {
        let request = guarded.server.request(reqwest::Method::POST, path).bearer_auth(ticket.expose());
        assert_eq!(crate::support::send(request).await.code(), ErrorCode::Unauthenticated, "{path}");
    }
    let request = guarded.server.request(reqwest::Method::DELETE, "/v1/account/totp");
    let answer = crate::support::send(request.bearer_auth(ticket.expose())).await;
    assert_eq!(answer.code(), ErrorCode::Unauthenticated);
    let ways: Ways = guarded.server.get("/v1/account/ways", &guarded.session).await.json();
    assert!(ways.totp);
}

#[tokio::test]
async fn setting_it_up_or_taking_it_away_ends_all_other_sessions() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let other = server.sign_up(&person).await;
    let sign_in =
        etui_api::session::SignIn { device_id: DeviceId::new([9; 16]).unwrap(), ..person.sign_in() };
    let session: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let setup: TotpSetup = server.post_as("/v1/account/totp", &session, &()).await.json();
    assert_eq!(server.get("/v1/devices", &other).await.status, 200, "nothing has changed yet");
    let app = Totp::from_url(setup.url.expose()).unwrap();
    let wrong = TotpConfirmation { ticket: copy(&setup.ticket), code: Token::new("000000".to_owned()) };
    let answer = server.post_as("/v1/account/totp/confirm", &session, &wrong).await;
    assert_eq!(answer.code(), ErrorCode::WrongCode);
    assert_eq!(server.post_json("/v1/sessions", &sign_in).await.status, 200, "not confirmed, not asked for");
    let session: Session = server.post_json("/v1/sessions", &sign_in).await.json();
    let confirmation = TotpConfirmation { ticket: setup.ticket, code: code_at(&app, 0) };
    let answer = server.post_as("/v1/account/totp/confirm", &session, &confirmation).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.get("/v1/devices", &other).await.code(), ErrorCode::SessionEnded);
    assert_eq!(server.delete("/v1/account/totp", &session).await.status, 204);
    assert_eq!(server.post_json("/v1/sessions", &sign_in).await.status, 200);
    assert_eq!(server.delete("/v1/account/totp", &session).await.code(), ErrorCode::NotFound);
    let codes = server.post_as("/v1/account/recovery-codes", &session, &()).await;
    assert_eq!(codes.code(), ErrorCode::NotFound, "there is nothing to recover from");
}
