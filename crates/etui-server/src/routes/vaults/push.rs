//! `POST /v1/vaults/{vault_id}/commits`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::sync::Pushed;
use etui_chain::VaultId;

use crate::{
    access::Access,
    app::App,
    body::Frames,
    document::{Bytes, Problems},
    parameters::Ids,
    problem::ApiError,
    uploads::commit_upload,
};

/// Push a commit
///
/// Frames: the commit, then the records that it puts, in the order of its changes. All of it is taken, or none. The
/// same commit may be sent again. `head_moved` means that another commit came first: pull, merge, sign again.
#[utoipa::path(
    post, path = "/v1/vaults/{vault_id}/commits", operation_id = "push", tag = "vaults", security(("session" = [])),
    params(("vault_id" = String, Path, description = "The vault.", pattern = "^(?!0{32})[0-9a-f]{32}$")),
    request_body(content = inline(Bytes), content_type = "application/cbor-seq"),
    responses((status = 200, description = "The commit is durable.", body = Pushed), Problems)
)]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids(vault_id): Ids<VaultId>,
    mut frames: Frames,
) -> Result<Json<Pushed>, ApiError> {
    let upload = commit_upload(&mut frames).await?;
    Ok(Json(app.store.push(&authority, vault_id, upload).await?))
}
