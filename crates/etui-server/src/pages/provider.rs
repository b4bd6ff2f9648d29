//! To a provider and back: `POST /sign-in/provider/{name}`, `POST /account/providers/{name}`,
//! `GET /sign-in/provider/callback`, `POST /account/link`.
//!
//! What comes back counts only in the browser that was sent there, once. It signs in whoever it is linked to, and nobody else:
//! an address proves nothing about an account.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use etui_api::{ErrorCode, session::Token};
use etui_chain::Digest;
use etui_store::{Action, Charged, Claim, Purpose};
use http::{HeaderName, HeaderValue, StatusCode};
use openidconnect::{AuthorizationCode, Nonce, PkceCodeVerifier};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Browser, Next, Page, PageAccess, PageError, PageForm, PageQuery, Proof, access, go_on, hidden, see_other,
    with_cookies,
};
use crate::{
    app::App,
    clock,
    document::escape,
    limits::{self, Attempt, Target},
    newcomer::Newcomer,
    one_time,
    parameters::Client,
    problem::ApiError,
    provider::{Arrival, Identified, Provider},
    refusals,
    sign_in::{self, Factors, PATIENCE},
};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// What is kept until the browser comes back.
#[derive(Serialize, Deserialize)]
struct Journey {
    provider: String,
    browser: Digest,
    verifier: String,
    nonce: String,
    /// When it was begun, in seconds since 1970.
    departed_s: u64,
    aim: Aim,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    /// Going there makes a row, and so is a try, until somebody arrives who has an account.
    SignIn {
        next: Next,
        charged: Charged,
    },
    Link {
        claim: Claim,
    },
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LinkForm {}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    ticket: Token,
}

/// What a provider sends along (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Deserialize)]
pub(super) struct Answer {
    state: Token,
    code: Option<Token>,
    error: Option<String>,
    iss: Option<String>,
}

/// A form for each provider.
pub(super) fn offer(app: &App, next: &Next) -> String {
    let form = |provider: &Provider| {
        format!(
            "<form method=\"post\" action=\"/sign-in/provider/{}\">{}<p><button class=\"quiet\">Sign in with {}</button></p></form>",
            provider.name(),
            hidden("next", &next.address()),
            escape(provider.title())
        )
    };
    app.providers.iter().map(form).collect()
}

pub(super) async fn depart(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Client(client): Client,
    browser: Browser,
    PageForm(SignInForm { next }): PageForm<SignInForm>,
) -> Result<Response, PageError> {
    let attempt = limits::attempt(&app, client, Target::Code, None).await?;
    let aim = Aim::SignIn { next: Next::read(next.as_deref()), charged: attempt.keep() };
    begin(&app, app.providers.named(&name)?, &browser, aim).await
}

pub(super) async fn depart_to_link(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    access: PageAccess,
    browser: Browser,
    _form: PageForm<LinkForm>,
) -> Result<Response, PageError> {
    let aim = Aim::Link { claim: access.fresh.claim() };
    begin(&app, app.providers.named(&name)?, &browser, aim).await
}

pub(super) async fn arrive(
    State(app): State<Arc<App>>,
    access: Option<PageAccess>,
    browser: Browser,
    PageQuery(answer): PageQuery<Answer>,
) -> Result<Response, PageError> {
    let journey = journey(&app, &browser, &answer.state).await?;
    let provider = app.providers.named(&journey.provider)?;
    let Journey { aim, verifier, nonce, departed_s, .. } = journey;
    let code = answer.code.filter(|_| answer.error.is_none());
    let refused =
        || ApiError::because(ErrorCode::ProviderRefused, "It was given up there, or is not allowed.");
    let arrival = Arrival {
        code: AuthorizationCode::new(code.ok_or_else(refused)?.expose().to_owned()),
        issuer: answer.iss,
        verifier: PkceCodeVerifier::new(verifier),
        nonce: Nonce::new(nonce),
    };
    let identified = provider.identify(arrival).await.map_err(ApiError::from)?;
    match aim {
        Aim::SignIn { next, charged } => {
            let attempt = Attempt::kept(charged, Target::Code);
            sign_in_as(&app, provider, identified, departed_s, &next, attempt).await
        }
        Aim::Link { claim } => ask_to_link(&app, access, claim, identified).await,
    }
}

/// Sends the browser there. By a page and not by a redirect, since what may follow a form is limited to this server, and
/// providers send people on to places that nobody here knows.
async fn begin(app: &App, provider: &Provider, browser: &Browser, aim: Aim) -> Result<Response, PageError> {
    let (browser, cookie) = browser.or_new()?;
    let (state, secret_hash) = one_time::draw().map_err(ApiError::from)?;
    let departure = provider.depart(&state).await.map_err(ApiError::from)?;
    let claim = match aim {
        Aim::SignIn { .. } => None,
        Aim::Link { claim } => Some(claim),
    };
    let journey = Journey {
        provider: provider.name().to_owned(),
        browser,
        verifier: departure.verifier.secret().clone(),
        nonce: departure.nonce.secret().clone(),
        departed_s: clock::now_s(),
        aim,
    };
    sign_in::begin_with(app, secret_hash, Purpose::Provider, claim, &journey, 1, PATIENCE).await?;
    Ok(with_cookies(going_on(provider, &departure.url), cookie))
}

fn going_on(provider: &Provider, url: &Url) -> Response {
    let content = format!(
        "<p><a href=\"{}\">Go on to {}</a> if your browser does not by itself.</p>",
        escape(url.as_str()),
        escape(provider.title())
    );
    let mut response = Page::new("Signing in", &content).respond(StatusCode::OK);
    let refresh = HeaderValue::from_str(&format!("0;url={url}")).expect("an address is a header value");
    response.headers_mut().insert(REFRESH, refresh);
    response
}

/// What this browser was sent there with. Another's is left alone: it is not used up by whoever has learnt of it.
async fn journey(app: &App, browser: &Browser, state: &Token) -> Result<Journey, ApiError> {
    let secret_hash = one_time::stored_hash(state).ok_or_else(|| elsewhere(app))?;
    let now_ms = clock::now_ms();
    let begun = app.store.pending(secret_hash, Purpose::Provider, now_ms).await?;
    let journey: Journey = sign_in::body(&begun.ok_or_else(sign_in::no_longer_valid)?.body)?;
    if browser.hash() != Some(journey.browser) {
        return Err(elsewhere(app));
    }
    let taken = app.store.take_pending(secret_hash, Purpose::Provider, now_ms).await?;
    taken.map(|_| journey).ok_or_else(sign_in::no_longer_valid)
}

fn elsewhere(app: &App) -> ApiError {
    let detail = format!("This was not begun in this browser. Begin again at {}/sign-in.", app.url);
    ApiError::because(ErrorCode::BadRequest, detail)
}

async fn sign_in_as(
    app: &App,
    provider: &Provider,
    identified: Identified,
    departed_s: u64,
    next: &Next,
    attempt: Attempt,
) -> Result<Response, PageError> {
    if let Some(claim) = app.store.account_of_identity(&identified.identity, clock::now_ms()).await? {
        attempt.succeeded(app).await?;
        let asked = identified.was_asked(departed_s, clock::now_s());
        let shown = if asked { Factors::One } else { Factors::None };
        return go_on(app, Proof { claim, shown, session_id: None }, next).await;
    }
    if let Some(email) = &identified.email
        && let Some(login) = app.store.login(email).await?
    {
        refusals::note(app, login.claim.account_id(), Action::SignIn, None);
        return Ok(not_linked(provider, email));
    }
    let cookie = access::open_for_newcomer(app, Newcomer::from(identified)).await?;
    Ok(see_other(&next.address(), [cookie]))
}

/// An address is no proof of an account, however well it is vouched for: whoever gets hold of the mailbox, or runs the
/// provider, would be in.
fn not_linked(provider: &Provider, email: &str) -> Response {
    let content = format!(
        "<p>You are {email} at {title}, and there is an account here with this address that is not linked to it.</p>\
         <p>If it is yours, <a href=\"/sign-in\">sign in in the usual way</a> and link {title} on the page of your \
         account. Nothing was changed.</p>",
        email = escape(email),
        title = escape(provider.title())
    );
    Page::new("Not linked", &content).respond(StatusCode::FORBIDDEN)
}

/// Only whoever asked for it in this browser, and still holds the account, is asked. Nobody knows whom a browser is signed in as
/// at a provider before they have read it.
async fn ask_to_link(
    app: &App,
    access: Option<PageAccess>,
    claim: Claim,
    identified: Identified,
) -> Result<Response, PageError> {
    let access = access.filter(|access| access.fresh.claim() == claim);
    access.ok_or_else(|| ApiError::because(ErrorCode::Unauthenticated, "Sign in again."))?;
    let newcomer = Newcomer::from(identified);
    let ticket = sign_in::begin(app, Purpose::IdentityLink, Some(claim), &newcomer, 1, PATIENCE).await?;
    let content = format!(
        "<p>Link <strong>{who}</strong> to the account <strong>{email}</strong>?</p>\
         <p>Whoever can sign in as {who} can then sign in to this account.</p>\
         <form method=\"post\" action=\"/account/link\">{}<p><button>Link it</button></p></form>\
         <p><a href=\"/account\">No, change nothing</a></p>",
        hidden("ticket", ticket.expose()),
        who = escape(&newcomer.describe(app)),
        email = escape(&app.store.ways(claim.account_id()).await?.email),
    );
    Ok(Page::new("Link it?", &content).respond(StatusCode::OK))
}

pub(super) async fn link(
    State(app): State<Arc<App>>,
    access: PageAccess,
    PageForm(Confirmed { ticket }): PageForm<Confirmed>,
) -> Result<Response, PageError> {
    let secret_hash = sign_in::secret_hash(&ticket)?;
    sign_in::require_own(&app, &access.fresh, Purpose::IdentityLink, secret_hash).await?;
    let taken = app.store.take_pending(secret_hash, Purpose::IdentityLink, clock::now_ms()).await?;
    let newcomer: Newcomer = sign_in::body(&taken.ok_or_else(sign_in::no_longer_valid)?.body)?;
    Ok(see_other(&Next::Account.address(), [access.change(&app, newcomer.credential()).await?]))
}
