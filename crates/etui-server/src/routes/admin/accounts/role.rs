//! `PUT /v1/admin/accounts/{account_id}/role`

use std::sync::Arc;

use axum::extract::State;
use etui_api::admin::SetRole;
use etui_chain::AccountId;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, clock, document::Problems, parameters::Ids,
    problem::ApiError,
};

/// Change an account's role
///
/// The last administrator cannot become a person like others.
#[utoipa::path(
    put, path = "/v1/admin/accounts/{account_id}/role", operation_id = "admin_role", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    request_body = SetRole,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn role(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(account_id): Ids<AccountId>,
    JsonBody(SetRole { role }): JsonBody<SetRole>,
) -> Result<StatusCode, ApiError> {
    app.store.set_role(&administrator, account_id, role, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
