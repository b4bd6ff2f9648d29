//! `GET /v1/account/entitlements`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::plan::AccountEntitlements;

use crate::{access::Access, app::App, document::Problems, problem::ApiError};

/// Show plan and use
///
/// What the account may use, what it uses now, and the feature flags as they hold for it. More may be used than the plan has,
/// if it was larger before: then nothing is lost, and nothing more is taken.
#[utoipa::path(
    get, path = "/v1/account/entitlements", operation_id = "entitlements", tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "Plan, use and flags.", body = AccountEntitlements), Problems)
)]
pub(crate) async fn entitlements(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Json<AccountEntitlements>, ApiError> {
    Ok(Json(app.store.entitlements(&authority).await?))
}
