//! `GET /v1/admin/plans`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::Plans;

use crate::{access::AdminAccess, app::App, document::Problems, problem::ApiError};

/// List plans
#[utoipa::path(
    get, path = "/v1/admin/plans", operation_id = "admin_plans", tag = "administration",
    security(("administration" = [])),
    responses((status = 200, description = "Plans by name.", body = Plans), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
) -> Result<Json<Plans>, ApiError> {
    Ok(Json(app.store.plans(&administrator).await?))
}
