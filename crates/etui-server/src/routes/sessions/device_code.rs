//! `POST /v1/sessions/device-code`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{ErrorCode, browser::DeviceCodeSignIn, session::Session};

use crate::{
    app::App,
    body::JsonBody,
    device_code,
    document::Problems,
    keeping::Keeping,
    limits::{self, Target},
    parameters::Client,
    problem::ApiError,
};

/// Sign in as a device that was let in
///
/// Answers `authorization_pending` until somebody has decided; ask again after the time in `Retry-After`.
#[utoipa::path(
    post, path = "/v1/sessions/device-code", operation_id = "sign_in_with_device_code", tag = "sessions", security(()),
    request_body = DeviceCodeSignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(DeviceCodeSignIn { device_code }): JsonBody<DeviceCodeSignIn>,
) -> Result<Response, ApiError> {
    let attempt = limits::attempt(&app, client, Target::Code, None).await?;
    let outcome = device_code::outcome(&app, &device_code).await;
    // What was not one of this server may have been guessed.
    if !matches!(&outcome, Err(error) if error.problem().code == ErrorCode::NoLongerValid) {
        attempt.succeeded(&app).await?;
    }
    outcome.map(|session| keeping.answer(session))
}
