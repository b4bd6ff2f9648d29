//! `PUT /v1/admin/plans/{name}`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ErrorCode;
use etui_api::plan::Entitlements;
use http::StatusCode;

use crate::{
    access::AdminAccess,
    app::App,
    body::JsonBody,
    document::Problems,
    parameters::{Ids, MAX_NUMBER},
    problem::ApiError,
};

/// Define a plan
///
/// Makes it, or gives it other entitlements for all accounts that have it. Nothing that is stored is touched.
#[utoipa::path(
    put, path = "/v1/admin/plans/{name}", operation_id = "admin_define_plan", tag = "administration",
    security(("administration" = [])),
    params(("name" = String, Path, description = "Its name.", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = Entitlements,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn define(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(name): Ids<String>,
    JsonBody(entitlements): JsonBody<Entitlements>,
) -> Result<StatusCode, ApiError> {
    let Entitlements { entries, devices, vaults, attachment_bytes, features: _ } = &entitlements;
    if [entries, devices, vaults, attachment_bytes].into_iter().flatten().any(|number| *number > MAX_NUMBER) {
        return Err(ApiError::because(ErrorCode::BadRequest, "A number is larger than any that is kept."));
    }
    app.store.define_plan(&administrator, &name, &entitlements).await?;
    Ok(StatusCode::NO_CONTENT)
}
