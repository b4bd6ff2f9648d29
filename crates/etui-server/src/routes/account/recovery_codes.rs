//! `POST /v1/account/recovery-codes`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::ways::RecoveryCodes;
use etui_store::CredentialChange;

use crate::{
    access::FreshAccess, app::App, credentials, document::Problems, problem::ApiError, recovery_codes,
};

/// Make recovery codes anew
///
/// For when the second factor is lost. Those from before are dead; these are never shown again.
#[utoipa::path(
    post, path = "/v1/account/recovery-codes", operation_id = "replace_recovery_codes", tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "The new codes.", body = RecoveryCodes), Problems)
)]
pub(crate) async fn replace(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let (codes, hashes) = recovery_codes::draw(fresh.account_id())?;
    credentials::change(&app, &fresh, CredentialChange::ReplaceRecoveryCodes(hashes)).await?;
    Ok(Json(RecoveryCodes { codes }))
}
