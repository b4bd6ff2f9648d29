//! `POST /v1/account/keep`

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::{access::LeavingAccess, app::App, clock, document::Problems, problem::ApiError};

/// Keep an account that was deleted
///
/// Sign in first if the session has ended. Once the account is gone, nothing brings it back.
#[utoipa::path(
    post, path = "/v1/account/keep", operation_id = "keep_account", tag = "account", security(("session" = [])),
    responses((status = 204, description = "The account stays."), Problems)
)]
pub(crate) async fn keep(
    State(app): State<Arc<App>>,
    LeavingAccess(leaving): LeavingAccess,
) -> Result<StatusCode, ApiError> {
    app.store.keep_account(&leaving, clock::now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
