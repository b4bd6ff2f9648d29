//! `GET /v1/devices`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::account::Devices;

use crate::{access::Access, app::App, clock, document::Problems, problem::ApiError};

/// List the account's devices
#[utoipa::path(
    get, path = "/v1/devices", operation_id = "list_devices", tag = "devices", security(("session" = [])),
    responses((status = 200, description = "Listed devices, and those that are signed in.", body = Devices), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Json<Devices>, ApiError> {
    Ok(Json(app.store.devices(&authority, clock::now_ms()).await?))
}
