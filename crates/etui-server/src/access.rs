//! Who may do what: a bearer token becomes an [`Authority`], or the request ends here.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use etui_api::ErrorCode;
use etui_store::{Authority, StoreError};
use http::{header::AUTHORIZATION, request::Parts};

use crate::{app::App, clock, problem::ApiError};

/// The live session that speaks. A handler that takes it serves only who has signed in, and every method of the store
/// that touches an account asks for what is inside.
pub(crate) struct Access(pub(crate) Authority);

impl FromRequestParts<Arc<App>> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer_token(parts).ok_or_else(|| ApiError::new(ErrorCode::Unauthenticated))?;
        let bearer = app.tokens.verify(token, clock::now_s())?;
        let now_ms = clock::now_ms();
        let authority = app.store.authority(bearer.session_id, now_ms).await?;
        let authority = authority
            .filter(|authority| authority.account_id() == bearer.account_id)
            .ok_or_else(|| ApiError::new(ErrorCode::SessionEnded))?;
        note_use(app, &authority, now_ms).await?;
        Ok(Self(authority))
    }
}

/// Notes that the session is in use. A full disk cannot, and that is no reason to keep anybody from reading.
async fn note_use(app: &App, authority: &Authority, now_ms: u64) -> Result<(), StoreError> {
    match app.store.touch(authority, now_ms).await {
        Err(StoreError::StorageFull) => Ok(()),
        other => other,
    }
}

/// RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1).
fn bearer_token(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}
