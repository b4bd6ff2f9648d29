//! `GET /.well-known/jwks.json`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header::CACHE_CONTROL;

use crate::{app::App, clock};

/// The keys that verify access tokens
///
/// A set of public keys (RFC 7517). A new key is in it ten minutes before it signs, an old one until its last token is over.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "get_token_keys", tag = "server", security(()),
    responses((status = 200, description = "The public keys.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn keys(State(app): State<Arc<App>>) -> Response {
    let keys = app.tokens.public_keys(clock::now_s());
    ([(CACHE_CONTROL, "public, max-age=300")], Json(keys)).into_response()
}
