//! `GET /reference`

use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;

use crate::{answers::html, document};

/// The reference page
///
/// Made on the server from the OpenAPI document; no script, nothing from elsewhere.
#[utoipa::path(
    get, path = "/reference", operation_id = "get_reference", tag = "server", security(()),
    responses((status = 200, description = "A page for people.", body = String, content_type = "text/html"))
)]
pub(crate) async fn page() -> Response {
    static PAGE: LazyLock<Bytes> = LazyLock::new(|| document::page().into());
    html(PAGE.clone())
}
