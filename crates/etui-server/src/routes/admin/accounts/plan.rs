//! `PUT /v1/admin/accounts/{account_id}/plan`

use std::sync::Arc;

use axum::extract::State;
use etui_api::admin::SetPlan;
use etui_chain::AccountId;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, clock, document::Problems, parameters::Ids,
    problem::ApiError,
};

/// Change an account's plan
///
/// What is more than the new plan has room for stays as it is, and can be read, changed, deleted and taken along.
#[utoipa::path(
    put, path = "/v1/admin/accounts/{account_id}/plan", operation_id = "admin_plan", tag = "administration",
    security(("administration" = [])),
    params(("account_id" = String, Path, description = "The account.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    request_body = SetPlan,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn plan(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(account_id): Ids<AccountId>,
    JsonBody(SetPlan { plan }): JsonBody<SetPlan>,
) -> Result<StatusCode, ApiError> {
    app.store.set_plan(&administrator, account_id, plan.as_deref(), clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
