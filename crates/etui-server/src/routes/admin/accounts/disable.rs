//! `PUT /v1/admin/accounts/{account_id}/disabled`

use std::sync::Arc;

use axum::extract::State;
use etui_api::admin::SetDisabled;
use etui_chain::AccountId;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, clock, document::Problems, parameters::Ids,
    problem::ApiError,
};

/// Disable or enable an account
///
/// Nobody gets in to a disabled account. What is stored stays as it is. The last administrator cannot be disabled.
#[utoipa::path(
    put, path = "/v1/admin/accounts/{account_id}/disabled", operation_id = "admin_disable", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    request_body = SetDisabled,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn disable(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(account_id): Ids<AccountId>,
    JsonBody(SetDisabled { disabled }): JsonBody<SetDisabled>,
) -> Result<StatusCode, ApiError> {
    app.store.set_disabled(&administrator, account_id, disabled, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
