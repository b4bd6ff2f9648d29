//! `GET /v1/admin/flags`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::Flags;

use crate::{access::AdminAccess, app::App, document::Problems, problem::ApiError};

/// List feature flags
#[utoipa::path(
    get, path = "/v1/admin/flags", operation_id = "admin_flags", tag = "administration",
    security(("administration" = [])),
    responses((status = 200, description = "Flags by name.", body = Flags), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
) -> Result<Json<Flags>, ApiError> {
    Ok(Json(app.store.flags(&administrator).await?))
}
