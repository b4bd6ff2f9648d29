//! `DELETE /v1/sessions/others`

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::{access::Access, app::App, clock, document::Problems, problem::ApiError};

/// Sign out everywhere else
///
/// Ends every session of the account but this one, and whatever was begun: links, codes, half sign-ins.
#[utoipa::path(
    delete, path = "/v1/sessions/others", operation_id = "sign_out_others", tag = "sessions",
    security(("session" = [])),
    responses((status = 204, description = "All other sessions have ended."), Problems)
)]
pub(crate) async fn end_others(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<StatusCode, ApiError> {
    app.store.end_other_sessions(&authority, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
