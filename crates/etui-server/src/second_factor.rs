//! The second step of a sign-in: whoever has shown one factor shows another. Pages come here as well as programs.

use std::net::IpAddr;

use etui_api::{
    ErrorCode,
    session::{Factor, Token},
};
use etui_chain::{AccountId, DeviceId, Digest};
use etui_store::{Action, Purpose};

use crate::{
    app::App,
    clock,
    limits::{self, Target},
    passkeys,
    problem::ApiError,
    recovery_codes, refusals,
    sign_in::{self, Factors, Proven, no_longer_valid},
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
    let ticket =
        Ticket { secret_hash, purpose: Purpose::SecondFactor, account_id: proven.claim.account_id() };
    check(app, client, &ticket, Some(proven.device_id), factor).await?;
    Ok(Proven { shown: Factors::Two, ..proven })
}

/// What lacks a second factor, in a program or on a page.
pub(crate) struct Ticket {
    pub(crate) secret_hash: Digest,
    pub(crate) purpose: Purpose,
    pub(crate) account_id: AccountId,
}

/// Uses the ticket up if the factor is right.
///
/// # Errors
/// As [`verify`].
pub(crate) async fn check(
    app: &App,
    client: IpAddr,
    ticket: &Ticket,
    device: Option<DeviceId>,
    factor: Factor,
) -> Result<(), ApiError> {
    let target = Target::SecondFactor(ticket.account_id);
    limits::within_try(app, client, target, device, use_up(app, ticket, device, factor)).await
}

/// Within the limits: one who has to wait does not lose a try of the ticket.
async fn use_up(
    app: &App,
    ticket: &Ticket,
    device: Option<DeviceId>,
    factor: Factor,
) -> Result<(), ApiError> {
    let Ticket { secret_hash, purpose, account_id } = *ticket;
    let tried = app.store.try_pending(secret_hash, purpose, clock::now_ms()).await?;
    tried.ok_or_else(no_longer_valid)?;
    if !is_right(app, account_id, factor).await? {
        refusals::note(app, account_id, Action::ShowSecondFactor, device);
        return Err(ApiError::new(ErrorCode::WrongCode));
    }
    let taken = app.store.take_pending(secret_hash, purpose, clock::now_ms()).await?;
    taken.map(drop).ok_or_else(no_longer_valid)
}

/// Whether it is one of the account, which is used up by that.
async fn is_right(app: &App, account_id: AccountId, factor: Factor) -> Result<bool, ApiError> {
    match factor {
        Factor::Totp(code) => totp::use_code(app, account_id, &code).await,
        Factor::RecoveryCode(code) => recovery_codes::use_code(app, account_id, &code).await,
        Factor::Passkey(answer) => {
            let claim = passkeys::verify(app, answer, Action::ShowSecondFactor).await?;
            Ok(claim.account_id() == account_id)
        }
    }
}
