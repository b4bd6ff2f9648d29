//! `/sign-in/second-factor`: what is asked after the first factor, where there is a second.
//!
//! A cookie says how far this browser is: the page can be loaded anew and come back to, and no other browser goes on with it.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    response::Response,
};
use etui_api::{
    ErrorCode,
    session::{Factor, Token},
};
use etui_chain::AccountId;
use etui_store::Purpose;
use http::{HeaderValue, StatusCode, request::Parts};
use serde::{Deserialize, Serialize};

use super::{
    Next, Page, PageError, PageForm, PageQuery, Proof,
    access::Visit,
    go_on,
    passkeys::{self, Answered},
    see_other,
};
use crate::{
    app::App,
    clock,
    cookies::{self, SameSite},
    parameters::Client,
    problem::ApiError,
    second_factor::{self, Ticket},
    sign_in::{self, Factors, PATIENCE, TRIES},
    totp,
};

pub(super) const ADDRESS: &str = "/sign-in/second-factor";
/// By a redirect, so that going back does not send a code again.
const WRONG: &str = "/sign-in/second-factor?wrong=true";
const HALF_WAY_COOKIE: &str = "__Host-etui-half-way";
/// Longer than it counts, so that whoever comes too late is told.
const HALF_WAY_SECONDS: u64 = 3600;
const TOTP_DIGITS: usize = 6;
/// In place of what an app shows.
const UNREADABLE: &str = "<p role=\"alert\">This server has another key than when your authenticator app was set up, and cannot \
     check its codes any more. Use a recovery code or a passkey, and set the app up anew then. If you have neither, ask whoever \
     runs the server.</p>";

/// What goes on with it.
#[derive(Serialize, Deserialize)]
struct HalfWay {
    proof: Proof,
    next: Next,
}

/// What this browser has of it, whether or not it still counts.
pub(super) struct Shown(Option<Token>);

#[derive(Deserialize)]
pub(super) struct Before {
    /// Whether a wrong one was shown.
    #[serde(default)]
    wrong: bool,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    code: Token,
}

/// Asks for it.
///
/// # Errors
/// The store's.
pub(super) async fn ask(app: &App, proof: Proof, next: &Next) -> Result<Response, PageError> {
    let body = HalfWay { proof, next: next.clone() };
    let purpose = Purpose::PageSecondFactor;
    let ticket = sign_in::begin(app, purpose, Some(proof.claim), &body, TRIES, PATIENCE).await?;
    Ok(see_other(ADDRESS, [cookie(&ticket)]))
}

/// Whoever comes back here afterwards, or shows the same twice, is where it leads to.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Option<Visit>,
    Shown(ticket): Shown,
    PageQuery(Before { wrong }): PageQuery<Before>,
) -> Result<Response, PageError> {
    let Some(ticket) = ticket else { return Ok(see_other(&Next::Account.address(), [])) };
    match half_way(&app, &ticket).await {
        Ok((_, HalfWay { proof, .. })) => form(&app, proof.claim.account_id(), wrong).await,
        Err(_) if visit.is_some() => Ok(see_other(&Next::Account.address(), [])),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn check_code(
    State(app): State<Arc<App>>,
    Client(client): Client,
    visit: Option<Visit>,
    shown: Shown,
    PageForm(Typed { code }): PageForm<Typed>,
) -> Result<Response, PageError> {
    finish(&app, client, visit, shown, factor(code)).await
}

pub(super) async fn check_passkey(
    State(app): State<Arc<App>>,
    Client(client): Client,
    visit: Option<Visit>,
    shown: Shown,
    PageForm(answered): PageForm<Answered>,
) -> Result<Response, PageError> {
    finish(&app, client, visit, shown, Factor::Passkey(answered.read()?)).await
}

async fn finish(
    app: &App,
    client: IpAddr,
    visit: Option<Visit>,
    Shown(ticket): Shown,
    factor: Factor,
) -> Result<Response, PageError> {
    let ticket = ticket.ok_or_else(sign_in::no_longer_valid)?;
    let (half, HalfWay { proof, next }) = match half_way(app, &ticket).await {
        Err(_) if visit.is_some() => return Ok(see_other(&Next::Account.address(), [])),
        found => found?,
    };
    match second_factor::check(app, client, &half, None, factor).await {
        Ok(()) => go_on(app, Proof { shown: Factors::Two, ..proof }, &next).await,
        Err(error) if error.problem().code == ErrorCode::WrongCode => Ok(see_other(WRONG, [])),
        // The page says so.
        Err(error) if error.problem().code == ErrorCode::SecondFactorUnreadable => Ok(see_other(ADDRESS, [])),
        Err(error) => Err(error.into()),
    }
}

async fn half_way(app: &App, ticket: &Token) -> Result<(Ticket, HalfWay), ApiError> {
    let (secret_hash, purpose) = (sign_in::secret_hash(ticket)?, Purpose::PageSecondFactor);
    let pending = app.store.pending(secret_hash, purpose, clock::now_ms()).await?;
    let half_way: HalfWay = sign_in::body(&pending.ok_or_else(sign_in::no_longer_valid)?.body)?;
    Ok((Ticket { secret_hash, purpose, account_id: half_way.proof.claim.account_id() }, half_way))
}

/// Coming back from a provider is coming from another site; a form asks for [`super::SameOrigin`] besides.
fn cookie(ticket: &Token) -> HeaderValue {
    cookies::set(HALF_WAY_COOKIE, ticket.expose(), HALF_WAY_SECONDS, SameSite::Lax)
}

impl FromRequestParts<Arc<App>> for Shown {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(cookies::read(&parts.headers, HALF_WAY_COOKIE)))
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

async fn form(app: &App, account_id: AccountId, wrong: bool) -> Result<Response, PageError> {
    let (status, message) = if wrong {
        (StatusCode::UNAUTHORIZED, "<p role=\"alert\">That code is not right, or was used before.</p>")
    } else {
        (StatusCode::OK, "")
    };
    let sealed = app.store.totp(account_id).await?;
    let (unreadable, asked) = match sealed {
        Some(sealed) if !totp::is_readable(app, account_id, &sealed) => (UNREADABLE, "A recovery code"),
        _ => ("", "The code of your authenticator app, or a recovery code"),
    };
    let has_passkeys = !app.store.passkeys(account_id).await?.is_empty();
    let passkey = if has_passkeys { passkeys::offer_as_second_factor(app) } else { String::new() };
    let content = format!(
        "{message}{unreadable}<form method=\"post\" action=\"{ADDRESS}\"><p><label for=\"code\">{asked}</label><input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" \
         autocapitalize=\"none\" spellcheck=\"false\" required autofocus></p><p><button>Go on</button></p></form>{passkey}"
    );
    Ok(Page::with_passkeys("Second factor", &content).respond(status))
}
