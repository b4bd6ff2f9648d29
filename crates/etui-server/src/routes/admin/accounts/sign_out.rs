//! `DELETE /v1/admin/accounts/{account_id}/sessions`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::SignedOut;
use etui_chain::AccountId;

use crate::{access::AdminAccess, app::App, clock, document::Problems, parameters::Ids, problem::ApiError};

/// Sign an account out everywhere
///
/// Ends every session, and whatever was begun and not finished.
#[utoipa::path(
    delete, path = "/v1/admin/accounts/{account_id}/sessions", operation_id = "admin_sign_out", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    responses((status = 200, description = "They have ended.", body = SignedOut), Problems)
)]
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(account_id): Ids<AccountId>,
) -> Result<Json<SignedOut>, ApiError> {
    let sessions = app.store.sign_out_everywhere(&administrator, account_id, clock::now_ms()).await?;
    Ok(Json(SignedOut { sessions }))
}
