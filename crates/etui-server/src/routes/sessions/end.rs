//! `DELETE /v1/sessions/current`

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header::SET_COOKIE};

use crate::{
    access::Access,
    app::App,
    clock,
    document::Problems,
    keeping::{self, KeptToken},
    problem::ApiError,
};

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
    KeptToken(kept): KeptToken,
) -> Result<Response, ApiError> {
    app.store.end_session(&authority, clock::now_ms()).await?;
    let forgotten = kept.map(|_| [(SET_COOKIE, keeping::forgotten())]);
    Ok((StatusCode::NO_CONTENT, forgotten, ()).into_response())
}
