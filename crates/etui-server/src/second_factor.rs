//! The second step of a sign-in: whoever has shown one factor shows another. Pages come here as well as programs.

use std::net::IpAddr;

use etui_api::{
    ErrorCode,
    session::{Factor, Token},
};
use etui_chain::AccountId;
use etui_store::Purpose;

use crate::{
    app::App,
    clock,
    limits::{self, Target},
    passkeys,
    problem::ApiError,
    recovery_codes,
    sign_in::{self, Proven, no_longer_valid},
    totp,
};

/// Checks a second factor for a sign-in that was begun. Of two that show the right one at once, one signs in.
///
/// # Errors
/// `no_longer_valid` for a ticket that is used up; `wrong_code`, `passkey_refused`; `too_many_requests`.
pub(crate) async fn verify(
    app: &App,
    client: IpAddr,
    ticket: &Token,
    factor: Factor,
) -> Result<Proven, ApiError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    let begun = app.store.pending(secret_hash, Purpose::SecondFactor, clock::now_ms()).await?;
    let proven: Proven = sign_in::body(&begun.ok_or_else(no_longer_valid)?.body)?;
    let target = Target::SecondFactor(proven.account_id);
    let attempt = limits::attempt(app, client, target, Some(proven.device_id)).await?;
    // After the limits: one who has to wait does not lose a try.
    let tried = app.store.try_pending(secret_hash, Purpose::SecondFactor, clock::now_ms()).await?;
    tried.ok_or_else(no_longer_valid)?;
    if !is_right(app, proven.account_id, factor).await? {
        return Err(ApiError::new(ErrorCode::WrongCode));
    }
    let taken = app.store.take_pending(secret_hash, Purpose::SecondFactor, clock::now_ms()).await?;
    taken.ok_or_else(no_longer_valid)?;
    attempt.succeeded(app).await?;
    Ok(Proven { twice: true, ..proven })
}

/// Whether it is one of the account, which is used up by that.
async fn is_right(app: &App, account_id: AccountId, factor: Factor) -> Result<bool, ApiError> {
    match factor {
        Factor::Totp(code) => totp::use_code(app, account_id, &code).await,
        Factor::RecoveryCode(code) => recovery_codes::use_code(app, account_id, &code).await,
        Factor::Passkey(answer) => Ok(passkeys::verify(app, answer).await? == account_id),
    }
}
