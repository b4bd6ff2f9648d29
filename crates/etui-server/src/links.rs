//! Signing in by a link that comes by mail.
//!
//! Whoever asks gets a ticket, or is remembered as a browser; whoever has the mailbox gets a token. Neither alone is worth
//! anything. Asking looks nothing up: whether there is such an account is found out when the letter is written, so that the
//! answer says nothing about it, not even by its time.

use etui_api::{
    ErrorCode,
    email::normalize_email,
    session::{Method, Token},
};
use etui_chain::{DeviceId, Digest};
use etui_store::{Action, Claim, Purpose};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock,
    mail::{self, Letter, SignInLink},
    mailed::Mailed,
    pages::Next,
    problem::ApiError,
    refusals,
    sign_in::{self, Factors, PATIENCE, Proven},
};

/// A link is tried by as many as have the token; what limits them is that they have to have it.
const ONE_TRY: u32 = 1;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Starter {
    /// A program: it has the ticket, and signs in this device.
    Program { device_id: DeviceId },
    /// A browser, by the hash of its name, and where it goes on.
    Browser { browser: Digest, next: Next },
}

/// Has a link sent, if anybody has that address and allows links; the ticket.
///
/// # Errors
/// `not_offered` where no letters are sent.
pub(crate) async fn ask(app: &App, email: &str, starter: &Starter) -> Result<Token, ApiError> {
    if !app.sends_mail() {
        return Err(ApiError::because(
            ErrorCode::NotOffered,
            "This server sends no mail; whoever runs it can print a link with `etui-server admin link`.",
        ));
    }
    let email = normalize_email(email)
        .ok_or_else(|| ApiError::because(ErrorCode::BadRequest, "That cannot be an e-mail address."))?;
    let ticket = sign_in::begin(app, Purpose::Link, None, starter, ONE_TRY, PATIENCE).await?;
    let begun = sign_in::secret_hash(&ticket)?;
    let for_program = matches!(starter, Starter::Program { .. });
    let letter = Letter::SignInLink(SignInLink { begun, for_program });
    letter.queue(&app.store, &email, clock::now_ms()).await?;
    mail::wake(app);
    Ok(ticket)
}

/// Signs a program in with ticket and token; without a ticket, with a token that whoever runs the server has printed.
///
/// # Errors
/// `no_longer_valid`, whatever is wrong with them.
pub(crate) async fn sign_in(
    app: &App,
    device_id: DeviceId,
    ticket: Option<&Token>,
    token: &Token,
) -> Result<Proven, ApiError> {
    let mailed = Mailed::find(app, token).await?;
    let claim = mailed.claim;
    let required = require_program(app, &mailed, device_id, ticket).await;
    required.inspect_err(refusals::noted(app, claim.account_id(), Action::SignIn, Some(device_id)))?;
    mailed.take(app, Purpose::Link).await?;
    Ok(Proven { claim, device_id, method: Method::Link, shown: Factors::One })
}

/// The device that asked, with its ticket; without one, whatever was asked for nowhere.
async fn require_program(
    app: &App,
    mailed: &Mailed,
    device_id: DeviceId,
    ticket: Option<&Token>,
) -> Result<(), ApiError> {
    if mailed.begun != ticket.map(sign_in::secret_hash).transpose()? {
        return Err(sign_in::no_longer_valid());
    }
    if mailed.begun.is_some() && starter(app, mailed).await? != (Starter::Program { device_id }) {
        return Err(sign_in::no_longer_valid());
    }
    Ok(())
}

/// Who holds the account, and where the browser that asked goes on. A token that whoever runs the server has printed counts in any
/// browser: it was asked for in none.
///
/// # Errors
/// `no_longer_valid`, also in any other browser.
pub(crate) async fn open(
    app: &App,
    browser: Option<Digest>,
    token: &Token,
) -> Result<(Claim, Next), ApiError> {
    let mailed = Mailed::find(app, token).await?;
    let claim = mailed.claim;
    let next = next(app, &mailed, browser).await;
    let next = next.inspect_err(refusals::noted(app, claim.account_id(), Action::SignIn, None))?;
    mailed.take(app, Purpose::Link).await?;
    Ok((claim, next))
}

async fn next(app: &App, mailed: &Mailed, browser: Option<Digest>) -> Result<Next, ApiError> {
    if mailed.begun.is_none() {
        return Ok(Next::Account);
    }
    match starter(app, mailed).await? {
        Starter::Browser { browser: asked, next } if Some(asked) == browser => Ok(next),
        _ => Err(elsewhere()),
    }
}

/// Who asked for it.
async fn starter(app: &App, mailed: &Mailed) -> Result<Starter, ApiError> {
    sign_in::body(&mailed.begun(app, Purpose::Link).await?.body)
}

fn elsewhere() -> ApiError {
    ApiError::because(
        ErrorCode::NoLongerValid,
        "It counts only where it was asked for: open it in that browser.",
    )
}
