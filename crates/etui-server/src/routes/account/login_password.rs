//! `/v1/account/login-password`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ways::NewLoginPassword;
use etui_store::CredentialChange;
use http::StatusCode;

use crate::{
    access::FreshAccess, app::App, body::JsonBody, credentials, document::Problems, problem::ApiError,
};

/// Set the login password
///
/// The old one is dead, and all other sessions end.
#[utoipa::path(
    put, path = "/v1/account/login-password", operation_id = "set_login_password", tag = "account",
    security(("session" = [])), request_body = NewLoginPassword,
    responses((status = 204, description = "The new login password counts."), Problems)
)]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    JsonBody(NewLoginPassword { login_proof }): JsonBody<NewLoginPassword>,
) -> Result<StatusCode, ApiError> {
    let hash = app.login.hash(&fresh.account_id().to_string(), login_proof).await?;
    credentials::change(&app, &fresh, CredentialChange::LoginPassword(Some(hash))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove the login password
///
/// Only where another way to sign in is left.
#[utoipa::path(
    delete, path = "/v1/account/login-password", operation_id = "remove_login_password", tag = "account",
    security(("session" = [])),
    responses((status = 204, description = "No login password signs in any more."), Problems)
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<StatusCode, ApiError> {
    credentials::change(&app, &fresh, CredentialChange::LoginPassword(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}
