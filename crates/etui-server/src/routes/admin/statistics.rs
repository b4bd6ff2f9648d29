//! `GET /v1/admin/statistics`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::Statistics;

use crate::{access::AdminAccess, app::App, clock, document::Problems, problem::ApiError};

/// Show statistics
#[utoipa::path(
    get, path = "/v1/admin/statistics", operation_id = "admin_statistics", tag = "administration",
    security(("administration" = [])),
    responses((status = 200, description = "Figures of the whole server.", body = Statistics), Problems)
)]
pub(crate) async fn statistics(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
) -> Result<Json<Statistics>, ApiError> {
    Ok(Json(app.store.statistics(&administrator, clock::now_ms()).await?))
}
