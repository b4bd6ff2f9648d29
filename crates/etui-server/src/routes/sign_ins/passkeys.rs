//! `POST /v1/sign-ins/passkeys`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::ways::Ceremony;

use crate::{app::App, document::Problems, passkeys, problem::ApiError};

/// Begin to sign in with a passkey
///
/// For `navigator.credentials.get` on a page of this server: to sign in without an address, or as the second factor.
#[utoipa::path(
    post, path = "/v1/sign-ins/passkeys", operation_id = "begin_passkey_sign_in", tag = "sessions", security(()),
    responses((status = 200, description = "What the browser is asked for.", body = Ceremony), Problems)
)]
pub(crate) async fn begin(State(app): State<Arc<App>>) -> Result<Json<Ceremony>, ApiError> {
    passkeys::begin(&app).await.map(Json)
}
