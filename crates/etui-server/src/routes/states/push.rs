//! `POST /v1/states`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::sync::StatePushed;

use crate::{
    access::Access,
    app::App,
    body::Frames,
    clock,
    document::{Bytes, Problems},
    mail::{self, KeysChanged, Letter},
    problem::ApiError,
    uploads::state_upload,
};

/// Push a state
///
/// Frames: the state, the records that it is the first to name, then commit 1 of each new vault with its records. All
/// of it is taken, or none. `state_moved` means that another state came first: pull, apply again, sign again.
#[utoipa::path(
    post, path = "/v1/states", operation_id = "push_state", tag = "states", security(("session" = [])),
    request_body(content = inline(Bytes), content_type = "application/cbor-seq"),
    responses((status = 200, description = "The state is durable.", body = StatePushed), Problems)
)]
pub(crate) async fn push(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    mut frames: Frames,
) -> Result<Json<StatePushed>, ApiError> {
    let upload = state_upload(&mut frames).await?;
    let now_ms = clock::now_ms();
    let notice = mail::notice(&app, Letter::KeysChanged(KeysChanged { time_ms: now_ms }))?;
    let pushed = app.store.push_state(&authority, upload, notice, now_ms).await?;
    mail::wake(&app);
    Ok(Json(pushed))
}
