//! `PUT /v1/admin/flags/{name}`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ErrorCode;
use etui_api::admin::SetFlagShare;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, document::Problems, parameters::Ids, problem::ApiError,
};

/// Set a feature flag's share
///
/// Makes the flag if there is none of that name.
#[utoipa::path(
    put, path = "/v1/admin/flags/{name}", operation_id = "admin_flag_share", tag = "administration",
    security(("administration" = [])),
    params(("name" = String, Path, description = "Its name.", pattern = "^[a-z0-9_-]{1,64}$")),
    request_body = SetFlagShare,
    responses((status = 204, description = "It is so."), Problems)
)]
pub(crate) async fn share(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(name): Ids<String>,
    JsonBody(SetFlagShare { share_percent }): JsonBody<SetFlagShare>,
) -> Result<StatusCode, ApiError> {
    if share_percent > 100 {
        return Err(ApiError::because(ErrorCode::BadRequest, "A share is at most 100 of a hundred."));
    }
    app.store.set_flag_share(&administrator, &name, share_percent).await?;
    Ok(StatusCode::NO_CONTENT)
}
