//! `PUT /v1/account/device-approval`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ways::Switch;
use etui_store::CredentialChange;
use http::StatusCode;

use crate::{
    access::FreshAccess, app::App, body::JsonBody, credentials, document::Problems, problem::ApiError,
};

/// Have new devices approved, or not
///
/// A device that signs in for the first time is then given nothing until another one has approved it.
#[utoipa::path(
    put, path = "/v1/account/device-approval", operation_id = "switch_device_approval", tag = "account",
    security(("session" = [])), request_body = Switch,
    responses((status = 204, description = "It is so from now on."), Problems)
)]
pub(crate) async fn switch(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    JsonBody(Switch { on }): JsonBody<Switch>,
) -> Result<StatusCode, ApiError> {
    credentials::change(&app, &fresh, CredentialChange::ApproveDevices(on)).await?;
    Ok(StatusCode::NO_CONTENT)
}
