//! `POST /v1/sessions`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{
    ErrorCode,
    email::normalize_email,
    session::{Session, SignIn},
};

use crate::{
    app::App, body::JsonBody, clock, document::Problems, login::Compared, parameters::Client,
    problem::ApiError, routes::sessions,
};

/// Sign in
///
/// A wrong login password and an e-mail address that nobody has get the same answer, after the same work.
#[utoipa::path(
    post, path = "/v1/sessions", operation_id = "sign_in", tag = "sessions", security(()),
    request_body = SignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    JsonBody(sign_in): JsonBody<SignIn>,
) -> Result<Json<Session>, ApiError> {
    app.throttle.attempt(client, clock::steady_ms())?;
    let SignIn { email, login_proof, device_id } = sign_in;
    let login = match normalize_email(&email) {
        Some(email) => app.store.login(&email).await?,
        None => None,
    };
    let (account_id, stored) = login.map(|login| (login.account_id, login.login_hash)).unzip();
    let compared = app.login.compare(login_proof, stored).await?;
    let (Some(account_id), true) = (account_id, !matches!(compared, Compared::Different)) else {
        return Err(ApiError::new(ErrorCode::SignInFailed));
    };
    app.throttle.succeeded(client);
    let now_ms = clock::now_ms();
    let (session, refresh_token) = sessions::draw(now_ms)?;
    let session_id = session.session_id;
    let authority = app.store.create_session(account_id, device_id, session, now_ms).await?;
    if let Compared::SameButWeak(login_hash) = compared {
        app.store.replace_login_hash(&authority, login_hash).await?;
    }
    Ok(Json(sessions::answer(&app, account_id, session_id, refresh_token)))
}
