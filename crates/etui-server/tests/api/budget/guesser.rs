//! Whoever guesses: knows what does not limit them, and wastes no try.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use etui_api::{
    ErrorCode,
    browser::{DeviceCode, HandOver, NewDeviceCode},
    privacy::DataExport,
    session::{Factor, LoginProof, SecondFactor, Session, SignIn, Token},
    ways::{Ceremony, TotpConfirmation, TotpSetup},
};
use etui_chain::DeviceId;
use etui_server::one_time;
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde::Serialize;

use super::table::{Example, Guess};
use crate::{
    letters::printed,
    support::{Answer, Person, Seen, TestBrowser, TestServer, send},
};

/// What a ticket, or a page, has.
const TRIES: u8 = 5;
/// Too short to be one.
const WRONG_TOTP: &str = "12345";
const WRONG_RECOVERY_CODE: &str = "aaaa-aaaa-aaaa-aaaa";
/// No device waits with it.
const WRONG_USER_CODE: &str = "BCDF-GHJK";

/// A server behind a proxy that it trusts.
pub(super) struct Scene {
    server: TestServer,
    database: DatabaseConnection,
    people: AtomicU8,
}

impl Scene {
    pub(super) async fn set() -> Self {
        let trusted = vec!["127.0.0.0/8".parse().unwrap()];
        let server = TestServer::start_with(|settings| settings.trusted_proxies = trusted).await;
        let file = server.folder().join("etui.db");
        let database = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
        Self { server, database, people: AtomicU8::new(1) }
    }

    /// Has time pass for whatever is counted: its rows hold points in time, and nothing else.
    pub(super) async fn pass(&self, time: Duration) {
        const UPDATE: &str =
            "UPDATE attempt SET forgiven_ms = MAX(forgiven_ms - $1, 0), next_ms = MAX(next_ms - $1, 0)";
        let time_ms = i64::try_from(time.as_millis()).unwrap();
        let backend = self.database.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, UPDATE, [time_ms.into()]);
        assert!(self.database.execute_raw(statement).await.unwrap().rows_affected() > 0);
    }

    /// A secret as the server gives it.
    pub(super) async fn draw(&self, example: Example) -> Token {
        let (person, session) = self.somebody().await;
        let server = &self.server;
        match example {
            Example::DeviceCode => {
                let asked = NewDeviceCode { device_id: person.device_id };
                server.post_json("/v1/device-codes", &asked).await.json::<DeviceCode>().device_code
            }
            Example::Download => {
                server.post_as("/v1/account/exports", &session, &()).await.json::<DataExport>().secret
            }
            Example::OneTime => one_time::draw().unwrap().0,
            Example::Passkey => {
                server
                    .post_json("/v1/sign-ins/passkeys", &serde_json::json!({}))
                    .await
                    .json::<Ceremony>()
                    .ticket
            }
            Example::RefreshToken => session.refresh_token.unwrap(),
            Example::SecondFactor => {
                self.guard(&session).await;
                server.post_json("/v1/sessions", &person.sign_in()).await.problem().ticket.unwrap()
            }
            Example::TotpSetup => {
                server.post_as("/v1/account/totp", &session, &()).await.json::<TotpSetup>().ticket
            }
        }
    }

    async fn somebody(&self) -> (Person, Session) {
        let person = Person::new(self.people.fetch_add(1, Ordering::Relaxed));
        let session = self.server.sign_up(&person).await;
        (person, session)
    }

    /// Has an account ask for a second factor.
    async fn guard(&self, session: &Session) {
        let setup: TotpSetup = self.server.post_as("/v1/account/totp", session, &()).await.json();
        let app = totp_rs::Totp::from_url(setup.url.expose()).unwrap();
        let code = Token::new(app.generate_current().to_string());
        let confirmation = TotpConfirmation { ticket: setup.ticket, code };
        let answer = self.server.post_as("/v1/account/totp/confirm", session, &confirmation).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Guesses at an account of its own, from addresses of its own.
pub(super) struct Guesser<'a> {
    scene: &'a Scene,
    number: u8,
    person: Person,
    session: Session,
    guarded: bool,
    browser: TestBrowser,
    guesses: u32,
    /// What the second factor is shown with, and how often it still may be.
    ticket: Option<(Token, u8)>,
    /// The page for it, and how often it still may be sent.
    page: Option<(Seen, u8)>,
    /// How many codes the page session still takes.
    codes: u8,
}

impl<'a> Guesser<'a> {
    pub(super) async fn at_a_new_account(scene: &'a Scene) -> Self {
        let (person, session) = scene.somebody().await;
        let number = scene.people.load(Ordering::Relaxed);
        Self {
            scene,
            number,
            person,
            session,
            guarded: false,
            browser: TestBrowser::new(),
            guesses: 0,
            ticket: None,
            page: None,
            codes: 0,
        }
    }

    /// Guesses at the account from one of the addresses: whether the guess was looked at.
    pub(super) async fn guess(&mut self, guess: Guess, address: u8) -> bool {
        let address = format!("10.{}.0.{address}", self.number);
        match guess {
            Guess::LoginPassword => {
                let email = self.person.email.clone();
                self.login_password(email, &address).await
            }
            Guess::Totp => self.second_factor(Factor::Totp(token(WRONG_TOTP)), &address).await,
            Guess::RecoveryCode => {
                self.second_factor(Factor::RecoveryCode(token(WRONG_RECOVERY_CODE)), &address).await
            }
            Guess::PageSecondFactor => self.page_second_factor(&address).await,
            Guess::UserCode | Guess::UserCodeUnseen => panic!("it is at no account"),
        }
    }

    /// Guesses at something else each time, from one address.
    pub(super) async fn guess_anew(&mut self, guess: Guess) -> bool {
        let address = format!("10.{}.0.1", self.number);
        self.guesses += 1;
        match guess {
            Guess::LoginPassword => {
                self.login_password(format!("nobody{}@example.org", self.guesses), &address).await
            }
            Guess::UserCode => self.user_code("/device/look", &address).await,
            Guess::UserCodeUnseen => self.user_code("/device/decide", &address).await,
            Guess::Totp | Guess::RecoveryCode | Guess::PageSecondFactor => panic!("it is at an account"),
        }
    }

    async fn login_password(&self, email: String, address: &str) -> bool {
        let sign_in = SignIn {
            email,
            login_proof: LoginProof::new([77; 32]),
            device_id: DeviceId::new([99; 16]).unwrap(),
        };
        looked_at(self.post("/v1/sessions", &sign_in, address).await.code(), ErrorCode::SignInFailed)
    }

    async fn second_factor(&mut self, factor: Factor, address: &str) -> bool {
        let (ticket, tries) = match self.ticket.take() {
            Some((ticket, tries @ 1..)) => (ticket, tries),
            _ => (self.first_factor(address).await, TRIES),
        };
        let shown = SecondFactor { ticket: ticket.clone(), factor };
        let answer = self.post("/v1/sessions/second-factor", &shown, address).await;
        let looked_at = looked_at(answer.code(), ErrorCode::WrongCode);
        self.ticket = Some((ticket, tries - u8::from(looked_at)));
        looked_at
    }

    /// Whoever guesses a second factor knows the first.
    async fn first_factor(&mut self, address: &str) -> Token {
        self.guard().await;
        let sign_in = SignIn { device_id: DeviceId::new([99; 16]).unwrap(), ..self.person.sign_in() };
        self.post("/v1/sessions", &sign_in, address).await.problem().ticket.unwrap()
    }

    async fn page_second_factor(&mut self, address: &str) -> bool {
        let (page, tries) = match self.page.take() {
            Some((page, tries @ 1..)) => (page, tries),
            _ => (self.first_factor_on_the_page(address).await, TRIES),
        };
        self.browser.is_at(address);
        let fields = [("code", WRONG_RECOVERY_CODE)];
        let answer = self.browser.submit(&page, "/sign-in/second-factor", &fields).await;
        let looked_at = looked_at_page(&answer);
        self.page = Some((page, tries - u8::from(looked_at)));
        looked_at
    }

    async fn first_factor_on_the_page(&mut self, address: &str) -> Seen {
        self.guard().await;
        let link = printed(&self.scene.server, &self.person.email).await;
        let link = format!("{}/sign-in/links/{}", self.scene.server.public_url(), link.expose());
        self.browser.is_at(address);
        let page = self.browser.open(&link).await;
        self.browser.submit(&page, "/sign-in/links/", &[]).await
    }

    async fn user_code(&mut self, path: &str, address: &str) -> bool {
        self.browser.is_at(address);
        if self.codes == 0 {
            self.open_pages().await;
            self.codes = TRIES;
        }
        let fields = [("user_code", WRONG_USER_CODE), ("decision", "allow")];
        let address = format!("{}{path}", self.scene.server.public_url());
        let looked_at = looked_at_page(&self.browser.send(&address, &fields).await);
        self.codes -= u8::from(looked_at);
        looked_at
    }

    async fn open_pages(&mut self) {
        let handed = self.scene.server.post_as("/v1/hand-overs", &self.session, &()).await;
        let page = self.browser.open(handed.json::<HandOver>().url.expose()).await;
        let opened = self.browser.submit(&page, "/hand-over", &[]).await;
        assert_eq!(opened.url.path(), "/account", "{}", opened.text);
    }

    async fn guard(&mut self) {
        if !self.guarded {
            self.scene.guard(&self.session).await;
            self.guarded = true;
        }
    }

    async fn post(&self, path: &str, json: &impl Serialize, address: &str) -> Answer {
        let request = self.scene.server.request(Method::POST, path).json(json);
        send(request.header("x-forwarded-for", address)).await
    }
}

fn looked_at(code: ErrorCode, wrong: ErrorCode) -> bool {
    assert!([wrong, ErrorCode::TooManyRequests].contains(&code), "{code}");
    code == wrong
}

fn looked_at_page(answer: &Seen) -> bool {
    assert!([401, 429].contains(&answer.status), "{}: {}", answer.status, answer.text);
    answer.status == 401
}

fn token(text: &str) -> Token {
    Token::new(text.to_owned())
}
