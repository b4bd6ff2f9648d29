//! `GET /v1/vaults/{vault_id}/commits`

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

/// Get commits
///
/// Frames: the commits after the given place in order, without records: history, to be kept for healing. At most
/// 4,096 come at once; ask again from the last.
#[utoipa::path(
    get, path = "/v1/vaults/{vault_id}/commits", operation_id = "get_commits", tag = "vaults",
    security(("session" = [])),
    params(("vault_id" = String, Path, description = "The vault.", pattern = "^(?!0{32})[0-9a-f]{32}$"), After),
    responses((status = 200, description = "Frames.", body = inline(Bytes), content_type = "application/cbor-seq"), Problems)
)]
pub(crate) async fn commits(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids(vault_id): Ids<VaultId>,
    After { after }: After,
) -> Result<Response, ApiError> {
    let answer = app.store.commits(&authority, vault_id, after.unwrap_or(0)).await?;
    Ok(frames(app, answer).await?)
}
