//! `POST /v1/sessions/refresh`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{
    ErrorCode,
    session::{Refresh, Session},
};
use etui_store::{Exchange, Rotation};

use crate::{
    app::App,
    body::JsonBody,
    clock,
    document::Problems,
    keeping::{Keeping, KeptToken},
    problem::ApiError,
    refresh_token::{self, Presented},
    routes::sessions,
};

/// Refresh a session
///
/// Each refresh token works once. One that comes a second time was copied by somebody: the session ends for both. Only if
/// the answer was lost may it be repeated: with the same `request_id`, within two minutes and before the new token was used.
#[utoipa::path(
    post, path = "/v1/sessions/refresh", operation_id = "refresh", tag = "sessions", security(()),
    request_body = Refresh,
    responses((status = 200, description = "The session goes on with new tokens.", body = Session), Problems)
)]
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    KeptToken(kept): KeptToken,
    JsonBody(Refresh { refresh_token, request_id }): JsonBody<Refresh>,
) -> Result<Response, ApiError> {
    let keeping = if refresh_token.is_none() { Keeping::Cookie } else { Keeping::Itself };
    let refresh_token = refresh_token.or(kept).ok_or_else(|| ApiError::new(ErrorCode::Unauthenticated))?;
    let ended = || ApiError::new(ErrorCode::SessionEnded);
    let keys = app.tokens.keys(clock::now_s());
    let counts = |shown: &Presented| shown.issued_for().is_some() || keys.takes_old_refresh_tokens;
    let presented = Presented::read(&keys.refresh_key, &refresh_token).filter(counts).ok_or_else(ended)?;
    let session_id = match presented.issued_for() {
        Some(session_id) => session_id,
        None => app.store.session_of(presented.hash()).await?.ok_or_else(ended)?,
    };
    let (next_token, next) = presented.next(&keys.refresh_key, session_id, request_id.as_ref())?;
    let now_ms = clock::now_ms();
    let exchange = Exchange {
        presented: presented.hash(),
        issued_for: presented.issued_for(),
        request: request_id.as_ref().and_then(refresh_token::request_hash),
        next,
        expires_ms: sessions::expires_ms(now_ms),
    };
    let rotation = app.store.rotate_refresh(&exchange, now_ms).await?;
    app.metrics.refreshed(match &rotation {
        Rotation::Rotated(_) => "rotated",
        Rotation::Reused => "reused",
        Rotation::Unknown => "unknown",
    });
    match rotation {
        Rotation::Rotated(authority) => {
            let (account_id, session_id) = (authority.account_id(), authority.session_id());
            Ok(keeping.answer(sessions::answer(&app, account_id, session_id, next_token)))
        }
        Rotation::Reused | Rotation::Unknown => Err(ended()),
    }
}
