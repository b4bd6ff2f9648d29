//! `DELETE /v1/sessions/current`

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::{access::Access, app::App, document::Problems, problem::ApiError};

/// Sign out
///
/// Ends this session; its tokens are dead at once.
#[utoipa::path(
    delete, path = "/v1/sessions/current", operation_id = "sign_out", tag = "sessions", security(("session" = [])),
    responses((status = 204, description = "The session has ended."), Problems)
)]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<StatusCode, ApiError> {
    app.store.end_session(&authority).await?;
    Ok(StatusCode::NO_CONTENT)
}
