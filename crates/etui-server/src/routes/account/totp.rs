//! `/v1/account/totp`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{
    ErrorCode,
    ways::{RecoveryCodes, TotpConfirmation, TotpSetup},
};
use etui_store::CredentialChange;
use http::StatusCode;

use crate::{
    access::FreshAccess,
    app::App,
    body::JsonBody,
    credentials,
    document::Problems,
    problem::ApiError,
    recovery_codes,
    totp::{self, Confirmed},
};

/// Begin to set up a second factor
///
/// An authenticator app takes the address or the secret in. Nothing changes until it is confirmed within ten minutes.
#[utoipa::path(
    post, path = "/v1/account/totp", operation_id = "begin_totp", tag = "account", security(("session" = [])),
    responses((status = 200, description = "What the app takes in.", body = TotpSetup), Problems)
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<Json<TotpSetup>, ApiError> {
    totp::begin(&app, &fresh).await.map(Json)
}

/// Confirm a second factor
///
/// From now on signing in asks for it. The answer has the codes for when it is lost.
#[utoipa::path(
    post, path = "/v1/account/totp/confirm", operation_id = "confirm_totp", tag = "account",
    security(("session" = [])), request_body = TotpConfirmation,
    responses((status = 200, description = "It counts; these are the recovery codes.", body = RecoveryCodes), Problems)
)]
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    JsonBody(TotpConfirmation { ticket, code }): JsonBody<TotpConfirmation>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let confirmed = totp::confirm(&app, &fresh, &ticket, &code).await?;
    let Confirmed { secret, used_step } = confirmed.ok_or_else(|| ApiError::new(ErrorCode::WrongCode))?;
    let (codes, hashes) = recovery_codes::draw(fresh.account_id())?;
    credentials::change(
        &app,
        &fresh,
        CredentialChange::SetTotp { secret, used_step, recovery_codes: hashes },
    )
    .await?;
    Ok(Json(RecoveryCodes { codes }))
}

/// Remove the second factor
///
/// And its recovery codes.
#[utoipa::path(
    delete, path = "/v1/account/totp", operation_id = "remove_totp", tag = "account", security(("session" = [])),
    responses((status = 204, description = "Signing in asks for no second factor any more."), Problems)
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<StatusCode, ApiError> {
    credentials::change(&app, &fresh, CredentialChange::RemoveTotp).await?;
    Ok(StatusCode::NO_CONTENT)
}
