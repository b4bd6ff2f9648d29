//! `POST /v1/heal`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{limits::MAX_HEAL_BYTES, sync::Healed};

use crate::{
    access::Access,
    app::App,
    body::Frames,
    clock,
    document::{Bytes, Problems},
    mail::{self, KeysChanged, Letter},
    problem::ApiError,
    uploads::heal_upload,
};

/// Heal
///
/// Frames, verbatim as a device keeps them: commits up to the heads of each state, then that state, and so on; records
/// anywhere. What the server holds already is passed over. Everything is taken, or nothing; another commit or state at
/// a place that the server holds is `refused` as `fork`.
#[utoipa::path(
    post, path = "/v1/heal", operation_id = "heal", tag = "healing", security(("session" = [])),
    request_body(content = inline(Bytes), content_type = "application/cbor-seq"),
    responses((status = 200, description = "The server holds all of it.", body = Healed), Problems)
)]
pub(crate) async fn upload(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    frames: Frames,
) -> Result<Json<Healed>, ApiError> {
    let mut frames = frames.up_to(MAX_HEAL_BYTES);
    let upload = heal_upload(&mut frames).await?;
    let now_ms = clock::now_ms();
    let notice = mail::notice(&app, Letter::KeysChanged(KeysChanged { time_ms: now_ms }))?;
    let healed = app.store.heal(&authority, upload, notice, now_ms).await?;
    mail::wake(&app);
    Ok(Json(healed))
}
