//! Another e-mail address. Where letters are sent, one to the new address confirms it first; the one before is told in any case.

use etui_api::{ErrorCode, email::normalize_email, session::Token, ways::NewEmail};
use etui_store::{Authority, Claim, CredentialChange, Fresh, LoginHash, Pending, Presence, Purpose};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock, credentials,
    mail::{self, ConfirmAddress, Letter},
    mailed::Mailed,
    problem::ApiError,
    sign_in::{self, PATIENCE},
};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The new address counts.
    Changed,
    /// A letter is on its way to it.
    Unconfirmed,
}

/// What waits to be confirmed.
#[derive(Serialize, Deserialize)]
struct Change {
    claim: Claim,
    email: String,
    login_hash: Option<String>,
}

/// Changes the address, or has it confirmed first.
///
/// # Errors
/// `bad_request` if the login proof is missing, or is one too many; `taken` where no letters are sent.
pub(crate) async fn ask(app: &App, fresh: &Fresh, asked: NewEmail) -> Result<Asked, ApiError> {
    let bad = |detail| ApiError::because(ErrorCode::BadRequest, detail);
    let email = normalize_email(&asked.email).ok_or_else(|| bad("That cannot be an e-mail address."))?;
    let has_password = app.store.ways(fresh.account_id()).await?.login_password;
    let login_hash = match (asked.login_proof, has_password) {
        (Some(proof), true) => Some(app.login.hash(&fresh.account_id().to_string(), proof).await?),
        (None, false) => None,
        (None, true) => return Err(bad("The login proof depends on the address: a new one is needed.")),
        (Some(_), false) => return Err(bad("The account has no login password.")),
    };
    if !app.sends_mail() {
        credentials::change(app, fresh, CredentialChange::Email { email, confirmed: false, login_hash })
            .await?;
        return Ok(Asked::Changed);
    }
    let claim = fresh.claim();
    let change = Change { claim, email, login_hash: login_hash.map(|hash| hash.expose().to_owned()) };
    let begun = sign_in::begin(app, Purpose::EmailChange, Some(claim), &change, 1, PATIENCE).await?;
    let begun = sign_in::secret_hash(&begun)?;
    let letter = Letter::ConfirmAddress(ConfirmAddress { begun });
    letter.queue(&app.store, &change.email, clock::now_ms()).await?;
    mail::wake(app);
    Ok(Asked::Unconfirmed)
}

/// Of what waits to be confirmed.
pub(crate) fn claim(pending: &Pending) -> Option<Claim> {
    serde_json::from_slice::<Change>(&pending.body).ok().map(|change| change.claim)
}

/// Changes the address with what came to it, for a session of the account that asked.
///
/// # Errors
/// `no_longer_valid`; `taken` if somebody else has the address.
pub(crate) async fn confirm(app: &App, authority: &Authority, token: &Token) -> Result<(), ApiError> {
    let mailed = Mailed::find(app, token).await?;
    if mailed.claim != authority.claim() {
        return Err(sign_in::no_longer_valid());
    }
    let pending = mailed.begun(app, Purpose::EmailChange).await?;
    let Change { email, login_hash, .. } = sign_in::body(&pending.body)?;
    mailed.take(app, Purpose::EmailChange).await?;
    // Whoever asked had signed in a moment before; what waits ends as soon as that would not count any more.
    let presence = Presence::OpenedBy(authority.session_id());
    let fresh = app.store.present(authority.claim(), presence, clock::now_ms()).await?;
    let login_hash = login_hash.map(LoginHash::new);
    let change = CredentialChange::Email { email, confirmed: true, login_hash };
    credentials::change(app, &fresh, change).await.map(drop)
}
