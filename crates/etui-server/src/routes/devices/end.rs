//! `DELETE /v1/devices/{device_id}`

use std::sync::Arc;

use axum::extract::State;
use etui_chain::DeviceId;
use http::StatusCode;

use crate::{access::Access, app::App, clock, document::Problems, parameters::Ids, problem::ApiError};

/// Sign a device out
///
/// Ends every session of that device. Its commits go on being accepted until a state no longer lists it.
#[utoipa::path(
    delete, path = "/v1/devices/{device_id}", operation_id = "sign_out_device", tag = "devices",
    security(("session" = [])),
    params(("device_id" = String, Path, description = "The device.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    responses((status = 204, description = "The device's sessions have ended."), Problems)
)]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids(device_id): Ids<DeviceId>,
) -> Result<StatusCode, ApiError> {
    app.store.end_device_sessions(&authority, device_id, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
