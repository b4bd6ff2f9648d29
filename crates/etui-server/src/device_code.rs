//! A device without a browser waits while somebody decides about it in another one (RFC 8628).

use etui_api::{
    ErrorCode,
    browser::DeviceCode,
    session::{Session, Token},
};
use etui_chain::{DeviceId, Digest};
use etui_store::{Pending, Purpose};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock,
    let_in::LetIn,
    one_time,
    problem::{ApiError, BUSY_RETRY_S},
    sign_in::{self, PATIENCE, no_longer_valid},
    user_code,
};

/// On the side of the device.
#[derive(Serialize, Deserialize)]
struct Waiting {
    device_id: DeviceId,
    outcome: Option<Outcome>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    LetIn(LetIn),
    Refused,
}

/// On the side of whoever types the code.
#[derive(Serialize, Deserialize)]
struct Asked {
    device_id: DeviceId,
    device_code: Digest,
}

/// Begins to wait.
///
/// # Errors
/// The store's.
pub(crate) async fn begin(app: &App, device_id: DeviceId) -> Result<DeviceCode, ApiError> {
    let (secret, device_code) = one_time::draw()?;
    let user_code = user_code::draw()?;
    let waiting = Waiting { device_id, outcome: None };
    sign_in::begin_with(app, device_code, Purpose::DeviceCode, None, &waiting, 1, PATIENCE).await?;
    let asked = Asked { device_id, device_code };
    let typed = user_code_hash(app, &user_code)?;
    sign_in::begin_with(app, typed, Purpose::UserCode, None, &asked, 1, PATIENCE).await?;
    Ok(DeviceCode {
        device_code: secret,
        user_code,
        verification_url: format!("{}/device", app.url),
        interval_s: BUSY_RETRY_S,
        expires_in_s: u32::try_from(PATIENCE.as_secs()).unwrap_or(u32::MAX),
    })
}

/// The device that shows this code.
///
/// # Errors
/// `wrong_code`.
pub(crate) async fn asked_with(app: &App, user_code: &str) -> Result<DeviceId, ApiError> {
    let typed = user_code_hash(app, user_code)?;
    let asked = app.store.pending(typed, Purpose::UserCode, clock::now_ms()).await?;
    let asked: Asked = sign_in::body(&asked.ok_or_else(wrong_code)?.body)?;
    Ok(asked.device_id)
}

/// Decides about it, once: the device.
///
/// # Errors
/// `wrong_code`.
pub(crate) async fn decide(app: &App, user_code: &str, let_in: Option<LetIn>) -> Result<DeviceId, ApiError> {
    let now_ms = clock::now_ms();
    let typed = user_code_hash(app, user_code)?;
    let asked = app.store.take_pending(typed, Purpose::UserCode, now_ms).await?;
    let Asked { device_id, device_code } = sign_in::body(&asked.ok_or_else(wrong_code)?.body)?;
    let before = app.store.pending(device_code, Purpose::DeviceCode, now_ms).await?.ok_or_else(wrong_code)?;
    let claim = let_in.as_ref().and_then(LetIn::claim);
    let outcome = Some(let_in.map_or(Outcome::Refused, Outcome::LetIn));
    let body =
        serde_json::to_vec(&Waiting { device_id, outcome }).map_err(|error| ApiError::internal(&error))?;
    let decided =
        app.store.replace_pending(device_code, Purpose::DeviceCode, &before, claim, &body, now_ms).await?;
    // It is over, or somebody else has decided meanwhile: nobody is to read that a device was let in that was not.
    if decided { Ok(device_id) } else { Err(wrong_code()) }
}

/// What was decided: a session, once.
///
/// # Errors
/// `authorization_pending`, `access_denied`, `no_longer_valid`; `no_account` and those of [`sign_in::complete`].
pub(crate) async fn outcome(app: &App, device_code: &Token) -> Result<Session, ApiError> {
    let now_ms = clock::now_ms();
    let secret_hash = sign_in::secret_hash(device_code)?;
    let waiting = app.store.pending(secret_hash, Purpose::DeviceCode, now_ms).await?;
    if waiting_body(waiting)?.outcome.is_none() {
        return Err(ApiError::new(ErrorCode::AuthorizationPending));
    }
    let waiting = waiting_body(app.store.take_pending(secret_hash, Purpose::DeviceCode, now_ms).await?)?;
    match waiting.outcome {
        Some(Outcome::LetIn(let_in)) => let_in.complete(app, waiting.device_id).await,
        _ => Err(ApiError::new(ErrorCode::AccessDenied)),
    }
}

fn waiting_body(pending: Option<Pending>) -> Result<Waiting, ApiError> {
    sign_in::body(&pending.ok_or_else(no_longer_valid)?.body)
}

fn user_code_hash(app: &App, typed: &str) -> Result<Digest, ApiError> {
    user_code::stored_hash(&app.tokens.keys(clock::now_s()).refresh_key, typed).ok_or_else(wrong_code)
}

fn wrong_code() -> ApiError {
    ApiError::because(ErrorCode::WrongCode, "No device waits with that code. Look at what it shows.")
}
