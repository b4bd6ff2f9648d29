//! `POST /sign-in/second-factor`: what is asked after the first factor, where there is a second.

use std::{net::IpAddr, sync::Arc};

use axum::{extract::State, response::Response};
use etui_api::{
    ErrorCode,
    session::{Factor, Token},
};
use etui_chain::Digest;
use etui_store::Purpose;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Browser, Next, Page, PageError, PageForm, Proof, go_on, hidden,
    passkeys::{self, Answered},
    with_cookies,
};
use crate::{
    app::App,
    clock,
    parameters::Client,
    problem::ApiError,
    second_factor::{self, Ticket},
    sign_in::{self, PATIENCE, TRIES},
};

const TOTP_DIGITS: usize = 6;

/// What goes on with it, in the browser that showed the first.
#[derive(Serialize, Deserialize)]
struct HalfWay {
    browser: Digest,
    proof: Proof,
    next: Next,
}

#[derive(Deserialize)]
pub(super) struct Shown {
    ticket: Token,
    code: Token,
}

#[derive(Deserialize)]
pub(super) struct ShownPasskey {
    ticket: Token,
    #[serde(flatten)]
    answered: Answered,
}

/// Asks for it.
///
/// # Errors
/// The store's.
pub(super) async fn ask(
    app: &App,
    browser: &Browser,
    proof: Proof,
    next: &Next,
) -> Result<Response, PageError> {
    let (browser, cookie) = browser.or_new()?;
    let body = HalfWay { browser, proof, next: next.clone() };
    let purpose = Purpose::PageSecondFactor;
    let ticket = sign_in::begin(app, purpose, Some(proof.account_id), &body, TRIES, PATIENCE).await?;
    Ok(with_cookies(form(app, &ticket, StatusCode::OK, ""), cookie))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Client(client): Client,
    browser: Browser,
    PageForm(Shown { ticket, code }): PageForm<Shown>,
) -> Result<Response, PageError> {
    finish(&app, client, &browser, &ticket, factor(code)).await
}

pub(super) async fn show_passkey(
    State(app): State<Arc<App>>,
    Client(client): Client,
    browser: Browser,
    PageForm(ShownPasskey { ticket, answered }): PageForm<ShownPasskey>,
) -> Result<Response, PageError> {
    finish(&app, client, &browser, &ticket, Factor::Passkey(answered.read()?)).await
}

async fn finish(
    app: &App,
    client: IpAddr,
    browser: &Browser,
    ticket: &Token,
    factor: Factor,
) -> Result<Response, PageError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    let purpose = Purpose::PageSecondFactor;
    let pending = app.store.pending(secret_hash, purpose, clock::now_ms()).await?;
    let half_way: HalfWay = sign_in::body(&pending.ok_or_else(sign_in::no_longer_valid)?.body)?;
    if browser.hash() != Some(half_way.browser) {
        return Err(ApiError::because(ErrorCode::BadRequest, "This was not begun in this browser.").into());
    }
    let HalfWay { proof, next, .. } = half_way;
    let half = Ticket { secret_hash, purpose, account_id: proof.account_id };
    match second_factor::check(app, client, &half, None, factor).await {
        Ok(()) => go_on(app, browser, Proof { twice: true, ..proof }, &next).await,
        Err(error) if error.problem().code == ErrorCode::WrongCode => {
            let wrong = "<p role=\"alert\">That code is not right, or was used before.</p>";
            Ok(form(app, ticket, StatusCode::UNAUTHORIZED, wrong))
        }
        Err(error) => Err(error.into()),
    }
}

/// An authenticator app shows six digits; anything else can only be a recovery code.
fn factor(code: Token) -> Factor {
    let typed: String = code.expose().chars().filter(|it| !it.is_whitespace()).collect();
    if typed.len() == TOTP_DIGITS && typed.bytes().all(|it| it.is_ascii_digit()) {
        Factor::Totp(Token::new(typed))
    } else {
        Factor::RecoveryCode(code)
    }
}

fn form(app: &App, ticket: &Token, status: StatusCode, message: &str) -> Response {
    let content = format!(
        "{message}<form method=\"post\" action=\"/sign-in/second-factor\">{}<p><label for=\"code\">The code of your \
         authenticator app, or a recovery code</label><br><input id=\"code\" name=\"code\" \
         autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" required></p>\
         <p><button>Go on</button></p></form>{}",
        hidden("ticket", ticket.expose()),
        passkeys::offer_as_second_factor(app, ticket)
    );
    Page::with_passkeys("Second factor", &content).respond(status)
}
