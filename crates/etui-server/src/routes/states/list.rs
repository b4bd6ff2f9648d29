//! `GET /v1/states`

use std::sync::Arc;

use axum::{extract::State, response::Response};

use crate::{
    access::Access,
    answers::frames,
    app::App,
    document::{Bytes, Problems},
    parameters::After,
    problem::ApiError,
};

/// Get states
///
/// Frames: a header (`newest`), then the states after the given version in order, each after the records that it is
/// the first to name and that the newest still names. Without `after`: the newest state alone, after every record
/// that it names. At most 256 states come at once; ask again from the last.
#[utoipa::path(
    get, path = "/v1/states", operation_id = "get_states", tag = "states", security(("session" = [])),
    params(After),
    responses((status = 200, description = "Frames.", body = inline(Bytes), content_type = "application/cbor-seq"), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    After { after }: After,
) -> Result<Response, ApiError> {
    let answer = app.store.states_after(&authority, after).await?;
    Ok(frames(app, answer).await?)
}
