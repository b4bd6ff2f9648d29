//! Who may do what: a bearer token becomes a value that the store demands, or the request ends here. Whatever it says is looked
//! up anew for every request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use etui_api::ErrorCode;
use etui_store::{Administrator, Authority, Fresh, Holder, Leaving, StoreError};
use http::{header::AUTHORIZATION, request::Parts};

use crate::{
    app::App,
    clock,
    envelope::Speaker,
    problem::ApiError,
    tokens::{Bearer, Scope},
};

/// The live session that speaks. A handler that takes it serves only who has signed in, and every method of the store
/// that touches an account asks for what is inside.
pub(crate) struct Access(pub(crate) Authority);

/// The holder, who has signed in within the last minutes: for what must not be done with a token that lay about.
pub(crate) struct FreshAccess(pub(crate) Fresh);

/// An administrator, with a token for nothing else.
pub(crate) struct AdminAccess(pub(crate) Administrator);

/// The holder of an account that is being deleted.
pub(crate) struct LeavingAccess(pub(crate) Leaving);

impl FromRequestParts<Arc<App>> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        authority(parts, app, Scope::Account).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for FreshAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let authority = authority(parts, app, Scope::Account).await?;
        Ok(Self(authority.fresh(clock::now_ms())?))
    }
}

impl FromRequestParts<Arc<App>> for AdminAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let authority = authority(parts, app, Scope::Admin).await?;
        Ok(Self(authority.administrator()?))
    }
}

impl FromRequestParts<Arc<App>> for LeavingAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let bearer = bearer(parts, app, Scope::Account)?;
        let leaving = app.store.leaving(bearer.session_id, clock::now_ms()).await?;
        let leaving = leaving.filter(|leaving| leaving.authority().account_id() == bearer.account_id);
        let Some(leaving) = leaving else {
            // The session has ended, or the account stays.
            authority(parts, app, Scope::Account).await?;
            return Err(ApiError::new(ErrorCode::NotFound));
        };
        Speaker::note(parts, leaving.authority().pseudonyms());
        Ok(Self(leaving))
    }
}

/// The holder, who has signed in within the last minutes, of an account that stays or is being deleted.
pub(crate) struct HolderAccess(pub(crate) Holder);

impl FromRequestParts<Arc<App>> for HolderAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match authority(parts, app, Scope::Account).await {
            Err(error) if error.problem().code == ErrorCode::AccountLeaving => {
                let LeavingAccess(leaving) = LeavingAccess::from_request_parts(parts, app).await?;
                Ok(Self(leaving.holder(clock::now_ms())?))
            }
            authority => Ok(Self(authority?.fresh(clock::now_ms())?.into())),
        }
    }
}

async fn authority(parts: &Parts, app: &App, scope: Scope) -> Result<Authority, ApiError> {
    let bearer = bearer(parts, app, scope)?;
    let now_ms = clock::now_ms();
    let authority = app.store.authority(bearer.session_id, now_ms).await?;
    let authority = authority
        .filter(|authority| authority.account_id() == bearer.account_id)
        .ok_or_else(|| ApiError::new(ErrorCode::SessionEnded))?;
    Speaker::note(parts, authority.pseudonyms());
    note_use(app, &authority, now_ms).await?;
    Ok(authority)
}

fn bearer(parts: &Parts, app: &App, scope: Scope) -> Result<Bearer, ApiError> {
    let token = bearer_token(parts).ok_or_else(|| ApiError::new(ErrorCode::Unauthenticated))?;
    let bearer = app.tokens.verify(token, clock::now_s())?;
    if bearer.scope == scope { Ok(bearer) } else { Err(ApiError::new(ErrorCode::NotAllowed)) }
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
