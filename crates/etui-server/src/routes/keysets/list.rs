//! `GET /v1/keysets`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::account::Keysets;

use crate::{access::Access, app::App, document::Problems, problem::ApiError};

/// Get the sealed keysets
///
/// Those that the newest state names: what a device that has signed in needs to unlock.
#[utoipa::path(
    get, path = "/v1/keysets", operation_id = "get_keysets", tag = "states", security(("session" = [])),
    responses((status = 200, description = "The keysets and how the master key is derived.", body = Keysets), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Json<Keysets>, ApiError> {
    Ok(Json(app.store.keysets(&authority).await?))
}
