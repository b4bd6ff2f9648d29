//! `GET /readyz`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ErrorCode;

use crate::{app::App, document::Problems, problem::ApiError};

/// Is the server ready to serve?
///
/// Not while it stops, nor while its database does not answer.
#[utoipa::path(
    get, path = "/readyz", operation_id = "is_ready", tag = "server", security(()),
    responses((status = 200, description = "It is.", body = String, content_type = "text/plain"), Problems)
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    if app.is_leaving() || app.store.ready().await.is_err() {
        return Err(ApiError::new(ErrorCode::Unavailable));
    }
    Ok("ready\n")
}
