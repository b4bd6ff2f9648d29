//! `PUT /v1/admin/accounts/{account_id}/flags/{name}`

use std::sync::Arc;

use axum::extract::State;
use etui_api::admin::SetAccountFlag;
use etui_chain::AccountId;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, clock, document::Problems, parameters::Ids,
    problem::ApiError,
};

/// Set a feature flag for an account
///
/// On, off, or as the flag's share decides.
#[utoipa::path(
    put, path = "/v1/admin/accounts/{account_id}/flags/{name}", operation_id = "admin_account_flag", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$"), ("name" = String, Path, description = "Its name.", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = SetAccountFlag,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn flag(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids((account_id, name)): Ids<(AccountId, String)>,
    JsonBody(SetAccountFlag { enabled }): JsonBody<SetAccountFlag>,
) -> Result<StatusCode, ApiError> {
    app.store.set_account_flag(&administrator, account_id, &name, enabled, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
