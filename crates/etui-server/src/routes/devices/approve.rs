//! `POST /v1/devices/{device_id}/approve`

use std::sync::Arc;

use axum::extract::State;
use etui_chain::DeviceId;
use http::StatusCode;

use crate::{access::Access, app::App, clock, document::Problems, parameters::Ids, problem::ApiError};

/// Approve a device
///
/// Lets a device in that has signed in for the first time and waits. Where approval is not asked for, none waits.
#[utoipa::path(
    post, path = "/v1/devices/{device_id}/approve", operation_id = "approve_device", tag = "devices",
    security(("session" = [])),
    params(("device_id" = String, Path, description = "The device.", pattern = "^[0-9a-f]{32}$")),
    responses((status = 204, description = "The device waits no more."), Problems)
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids(device_id): Ids<DeviceId>,
) -> Result<StatusCode, ApiError> {
    app.store.approve_device(&authority, device_id, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
