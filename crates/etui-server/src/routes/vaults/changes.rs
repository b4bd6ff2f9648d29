//! `GET /v1/vaults/{vault_id}/changes`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_chain::VaultId;

use crate::{
    access::Access,
    answers::frames,
    app::App,
    document::{Bytes, Problems},
    parameters::{After, Ids},
    problem::ApiError,
};

/// Pull a vault
///
/// Frames: a header (`state_version`, `state_hash`, `head`); then, after 0, the newest commit and every live record;
/// after any other place, the commits from there on and those of their records that are still live. Nothing follows
/// the header if nothing has changed.
#[utoipa::path(
    get, path = "/v1/vaults/{vault_id}/changes", operation_id = "pull", tag = "vaults", security(("session" = [])),
    params(("vault_id" = String, Path, description = "The vault.", pattern = "^(?!0{32})[0-9a-f]{32}$"), After),
    responses((status = 200, description = "Frames.", body = inline(Bytes), content_type = "application/cbor-seq"), Problems)
)]
pub(crate) async fn changes(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids(vault_id): Ids<VaultId>,
    After { after }: After,
) -> Result<Response, ApiError> {
    let (_, answer) = app.store.changes(&authority, vault_id, after.unwrap_or(0)).await?;
    Ok(frames(app, answer).await?)
}
