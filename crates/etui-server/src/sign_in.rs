//! The end of every way to sign in: whoever has been proven to hold an account gets a session, unless something is still
//! missing. Signing in never unlocks anything.

use std::time::Duration;

use etui_api::{
    ErrorCode, Problem,
    session::{Method, Session, Token},
};
use etui_chain::{DeviceId, Digest};
use etui_store::{Action, Begun, Claim, Fresh, NewPending, Purpose, SealedTotp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    app::App,
    clock,
    mail::{self, Letter, NewDevice},
    one_time,
    problem::ApiError,
    refusals,
    routes::sessions,
    totp,
};

/// How long whatever was begun can be finished.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);
/// How often a code may be wrong.
pub(crate) const TRIES: u32 = 5;

/// How much somebody has shown of themselves a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Factors {
    /// Nothing: a provider vouches for them, and does not say that it has just asked them.
    None,
    /// One factor.
    One,
    /// Two factors, or one that is two.
    Two,
}

/// Somebody has been proven to hold an account, by one factor or by two.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Proven {
    pub(crate) claim: Claim,
    pub(crate) device_id: DeviceId,
    pub(crate) method: Method,
    pub(crate) shown: Factors,
}

/// Gives a session to whoever has been proven to hold an account.
///
/// # Errors
/// `second_factor_required` with a ticket, if one is set up and was not shown; `account_disabled`; `no_longer_valid` if how the
/// account is signed in to has changed meanwhile.
pub(crate) async fn complete(app: &App, proven: Proven) -> Result<Session, ApiError> {
    let completed = complete_uncounted(app, &proven).await;
    let outcome = match completed.as_ref().map_err(|error| error.problem().code) {
        Ok(_) => "done",
        Err(ErrorCode::SecondFactorRequired) => "second_factor_asked",
        Err(code) => {
            if code == ErrorCode::AccountDisabled {
                refusals::note(app, proven.claim.account_id(), Action::SignIn, Some(proven.device_id));
            }
            "refused"
        }
    };
    app.metrics.signed_in(proven.method, outcome);
    completed
}

async fn complete_uncounted(app: &App, proven: &Proven) -> Result<Session, ApiError> {
    let Proven { claim, device_id, method, shown } = *proven;
    let account_id = claim.account_id();
    if shown != Factors::Two
        && let Some(sealed) = app.store.totp(account_id).await?
    {
        return Err(ask_for_second_factor(app, proven, &sealed).await?);
    }
    let now_ms = clock::now_ms();
    let (session, refresh_token) = sessions::draw(app, method, shown != Factors::None, now_ms)?;
    let announce = |begun: &Begun| mail::notice(app, new_device(begun, method, now_ms));
    app.store.create_session(claim, device_id, session, announce, now_ms).await?;
    mail::wake(app);
    Ok(sessions::answer(app, account_id, session.session_id, refresh_token))
}

fn new_device(begun: &Begun, method: Method, now_ms: u64) -> Letter {
    Letter::NewDevice(NewDevice { time_ms: now_ms, method, awaits_approval: begun.awaits_approval })
}

async fn ask_for_second_factor(
    app: &App,
    proven: &Proven,
    sealed: &SealedTotp,
) -> Result<ApiError, ApiError> {
    let claim = proven.claim;
    let ticket = begin(app, Purpose::SecondFactor, Some(claim), proven, TRIES, PATIENCE).await?;
    let mut problem = Problem::new(ErrorCode::SecondFactorRequired);
    let mut methods = vec![Method::RecoveryCode];
    if totp::is_readable(app, claim.account_id(), sealed) {
        methods.insert(0, Method::Totp);
    }
    if !app.store.passkeys(claim.account_id()).await?.is_empty() {
        methods.push(Method::Passkey);
    }
    problem.ticket = Some(ticket);
    problem.methods = Some(methods);
    Ok(problem.into())
}

/// Begins something that whoever gets the secret can finish.
pub(crate) async fn begin<T: Serialize>(
    app: &App,
    purpose: Purpose,
    claim: Option<Claim>,
    body: &T,
    tries: u32,
    lifetime: Duration,
) -> Result<Token, ApiError> {
    let (secret, secret_hash) = one_time::draw()?;
    begin_with(app, secret_hash, purpose, claim, body, tries, lifetime).await?;
    Ok(secret)
}

/// The same with a secret that the caller has drawn.
pub(crate) async fn begin_with<T: Serialize>(
    app: &App,
    secret_hash: Digest,
    purpose: Purpose,
    claim: Option<Claim>,
    body: &T,
    tries: u32,
    lifetime: Duration,
) -> Result<(), ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
    let pending = NewPending { secret_hash, purpose, claim, body: &body, tries, lifetime };
    Ok(app.store.begin_pending(pending, clock::now_ms()).await?)
}

/// Looks whether something was begun for the account of whoever shows it. Another's is left alone: it is not used up by whoever has
/// learnt of it.
///
/// # Errors
/// `no_longer_valid`.
pub(crate) async fn require_own(
    app: &App,
    fresh: &Fresh,
    purpose: Purpose,
    secret_hash: Digest,
) -> Result<(), ApiError> {
    let begun = app.store.pending(secret_hash, purpose, clock::now_ms()).await?;
    let own = begun.filter(|begun| begun.account_id == Some(fresh.account_id()));
    own.map(drop).ok_or_else(no_longer_valid)
}

/// What was kept with something that was begun.
pub(crate) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::internal(&error))
}

/// The hash of a secret that was shown.
///
/// # Errors
/// `no_longer_valid` for what cannot be one.
pub(crate) fn secret_hash(secret: &Token) -> Result<Digest, ApiError> {
    one_time::stored_hash(secret).ok_or_else(no_longer_valid)
}

/// What was begun is over, was never begun, or is somebody else's: the answer is the same.
pub(crate) fn no_longer_valid() -> ApiError {
    ApiError::because(ErrorCode::NoLongerValid, "Begin again.")
}
