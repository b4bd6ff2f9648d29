//! `GET /v1/vaults/{vault_id}/records/{object_id}`

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use etui_api::ErrorCode;
use etui_chain::{ObjectId, VaultId};
use http::header::CONTENT_TYPE;

use crate::{
    access::Access,
    app::App,
    document::{Bytes, Problems},
    parameters::Ids,
    problem::ApiError,
};

/// Get one record
///
/// The sealed record of a live object, as it was pushed.
#[utoipa::path(
    get, path = "/v1/vaults/{vault_id}/records/{object_id}", operation_id = "get_record", tag = "vaults",
    security(("session" = [])),
    params(
        ("vault_id" = String, Path, description = "The vault.", pattern = "^(?!0{32})[0-9a-f]{32}$"),
        ("object_id" = String, Path, description = "The object.", pattern = "^(?!0{32})[0-9a-f]{32}$"),
    ),
    responses(
        (status = 200, description = "The record.", body = inline(Bytes), content_type = "application/octet-stream"),
        Problems
    )
)]
pub(crate) async fn record(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Ids((vault_id, object_id)): Ids<(VaultId, ObjectId)>,
) -> Result<Response, ApiError> {
    let record = app.store.record(&authority, vault_id, object_id).await?;
    let record = record.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], record).into_response())
}
