//! Sessions: who is signed in.

use etui_api::session::{Method, Session, Token};
use etui_chain::{AccountId, Id};
use etui_store::{NewSession, SessionId};

use crate::{
    app::App,
    clock,
    problem::ApiError,
    refresh_token,
    tokens::{Bearer, LIFETIME_S, Scope},
};

pub(super) mod administer;
pub(super) mod code;
pub(super) mod create;
pub(super) mod device_code;
pub(super) mod end;
pub(super) mod end_others;
pub(super) mod link;
pub(super) mod passkey;
pub(super) mod refresh;
pub(super) mod second_factor;

/// A session that is not used ends after this: 90 days.
pub(crate) const LIFETIME_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// A new session and its first refresh token.
pub(crate) fn draw(
    app: &App,
    method: Method,
    is_present: bool,
    now_ms: u64,
) -> Result<(NewSession, Token), ApiError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let session_id = SessionId::new(Id::new(id)?);
    let keys = app.tokens.keys(clock::now_s());
    let (refresh_token, refresh_hash) = refresh_token::first(&keys.refresh_key, session_id)?;
    let expires_ms = expires_ms(now_ms);
    Ok((NewSession { session_id, refresh_hash, expires_ms, method, is_present }, refresh_token))
}

/// When a session ends that is not used after now.
pub(super) const fn expires_ms(now_ms: u64) -> u64 {
    now_ms + LIFETIME_MS
}

/// What a client gets for signing up, signing in and refreshing.
pub(crate) fn answer(
    app: &App,
    account_id: AccountId,
    session_id: SessionId,
    refresh_token: Token,
) -> Session {
    let access_token =
        app.tokens.issue(Bearer { account_id, session_id, scope: Scope::Account }, clock::now_s());
    Session { account_id, access_token, expires_in_s: LIFETIME_S, refresh_token: Some(refresh_token) }
}
