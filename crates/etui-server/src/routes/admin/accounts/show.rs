//! `GET /v1/admin/accounts/{account_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::AdminAccountDetails;
use etui_chain::AccountId;

use crate::{access::AdminAccess, app::App, clock, document::Problems, parameters::Ids, problem::ApiError};

/// Show an account
#[utoipa::path(
    get, path = "/v1/admin/accounts/{account_id}", operation_id = "admin_account", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    responses((status = 200, description = "What the server knows of it.", body = AdminAccountDetails), Problems)
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(account_id): Ids<AccountId>,
) -> Result<Json<AdminAccountDetails>, ApiError> {
    Ok(Json(app.store.account_details(&administrator, account_id, clock::now_ms()).await?))
}
