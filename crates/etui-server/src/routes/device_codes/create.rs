//! `POST /v1/device-codes`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::browser::{DeviceCode, NewDeviceCode};
use http::StatusCode;

use crate::{
    app::App,
    body::JsonBody,
    device_code,
    document::Problems,
    limits::{self, Target},
    parameters::Client,
    problem::ApiError,
};

/// Ask to be let in by a browser elsewhere
///
/// For a device without one: somebody who has signed in on this server's pages types the `user_code` there. Then
/// `POST /v1/sessions/device-code` gives the session.
#[utoipa::path(
    post, path = "/v1/device-codes", operation_id = "begin_device_code", tag = "sessions", security(()),
    request_body = NewDeviceCode,
    responses((status = 201, description = "It waits to be let in.", body = DeviceCode), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    JsonBody(NewDeviceCode { device_id }): JsonBody<NewDeviceCode>,
) -> Result<(StatusCode, Json<DeviceCode>), ApiError> {
    // Not given back: whoever begins hundreds from one place has to wait.
    limits::attempt(&app, client, Target::Code, None).await?;
    Ok((StatusCode::CREATED, Json(device_code::begin(&app, device_id).await?)))
}
