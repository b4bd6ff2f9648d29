//! `POST /v1/sign-ins/passkeys`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::ways::Ceremony;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    body::JsonBody,
    document::Problems,
    limits::{self, Target},
    parameters::Client,
    passkeys,
    problem::ApiError,
};

/// The body is JSON, which a page of another site cannot have a browser send.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Nothing {}

/// Begin to sign in with a passkey
///
/// For `navigator.credentials.get` on a page of this server: to sign in without an address, or as the second factor. Each counts
/// as a failed try until its passkey has signed.
#[utoipa::path(
    post, path = "/v1/sign-ins/passkeys", operation_id = "begin_passkey_sign_in", tag = "sessions", security(()),
    request_body(content = inline(Nothing), description = "An empty object."),
    responses((status = 200, description = "What the browser is asked for.", body = Ceremony), Problems)
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    Client(client): Client,
    _nothing: JsonBody<Nothing>,
) -> Result<Json<Ceremony>, ApiError> {
    let attempt = limits::attempt(&app, client, Target::Code, None).await?;
    passkeys::begin(&app, attempt).await.map(Json)
}
