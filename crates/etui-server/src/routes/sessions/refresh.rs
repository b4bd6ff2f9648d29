//! `POST /v1/sessions/refresh`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{
    ErrorCode,
    session::{Refresh, Session},
};
use etui_store::Rotation;

use crate::{
    app::App, body::JsonBody, clock, document::Problems, problem::ApiError, refresh_token, routes::sessions,
};

/// Refresh a session
///
/// Each refresh token works once. One that comes a second time was copied by somebody: the session ends for both. Only if
/// the answer was lost may it be repeated, within two minutes and before the new token was used.
#[utoipa::path(
    post, path = "/v1/sessions/refresh", operation_id = "refresh", tag = "sessions", security(()),
    request_body = Refresh,
    responses((status = 200, description = "The session goes on with new tokens.", body = Session), Problems)
)]
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    JsonBody(Refresh { refresh_token }): JsonBody<Refresh>,
) -> Result<Json<Session>, ApiError> {
    let ended = || ApiError::new(ErrorCode::SessionEnded);
    let presented = refresh_token::stored_hash(&refresh_token).ok_or_else(ended)?;
    let (next_token, next_hash) = refresh_token::draw()?;
    let now_ms = clock::now_ms();
    match app.store.rotate_refresh(presented, next_hash, sessions::expires_ms(now_ms), now_ms).await? {
        Rotation::Rotated(authority) => {
            Ok(Json(sessions::answer(&app, authority.account_id(), authority.session_id(), next_token)))
        }
        Rotation::Reused | Rotation::Unknown => Err(ended()),
    }
}
