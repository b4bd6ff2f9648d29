//! `/v1/account/passkeys`; `GET /v1/account/ways` lists them.

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::ways::{Ceremony, NewPasskey, Passkey, PasskeyName};
use etui_chain::Id;
use http::StatusCode;

use crate::{
    access::FreshAccess, app::App, body::JsonBody, document::Problems, parameters::Ids, passkeys,
    problem::ApiError,
};

/// Begin to add a passkey
///
/// For `navigator.credentials.create` on a page of this server.
#[utoipa::path(
    post, path = "/v1/account/passkeys/begin", operation_id = "begin_passkey", tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "What the browser is asked for.", body = Ceremony), Problems)
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<Json<Ceremony>, ApiError> {
    passkeys::begin_registration(&app, &fresh).await.map(Json)
}

/// Add a passkey
///
/// All other sessions end.
#[utoipa::path(
    post, path = "/v1/account/passkeys/finish", operation_id = "add_passkey", tag = "account",
    security(("session" = [])), request_body = NewPasskey,
    responses((status = 201, description = "It signs in from now on.", body = Passkey), Problems)
)]
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    JsonBody(new): JsonBody<NewPasskey>,
) -> Result<(StatusCode, Json<Passkey>), ApiError> {
    let (passkey, _) = passkeys::finish_registration(&app, &fresh, new).await?;
    Ok((StatusCode::CREATED, Json(passkey)))
}

/// Rename a passkey
#[utoipa::path(
    patch, path = "/v1/account/passkeys/{passkey_id}", operation_id = "rename_passkey", tag = "account",
    security(("session" = [])), request_body = PasskeyName,
    params(("passkey_id" = String, Path, description = "The passkey.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    responses((status = 204, description = "It is called so."), Problems)
)]
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    Ids(passkey_id): Ids<Id>,
    JsonBody(PasskeyName { name }): JsonBody<PasskeyName>,
) -> Result<StatusCode, ApiError> {
    passkeys::rename(&app, &fresh, passkey_id, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a passkey
///
/// Only where another way to sign in is left. All other sessions end.
#[utoipa::path(
    delete, path = "/v1/account/passkeys/{passkey_id}", operation_id = "remove_passkey", tag = "account",
    security(("session" = [])),
    params(("passkey_id" = String, Path, description = "The passkey.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    responses((status = 204, description = "It signs in no more."), Problems)
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    Ids(passkey_id): Ids<Id>,
) -> Result<StatusCode, ApiError> {
    passkeys::remove(&app, &fresh, passkey_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
