//! `GET /openapi.json`

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use crate::document;

/// The OpenAPI document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "server", security(()),
    responses((status = 200, description = "This document.", body = Object, content_type = "application/json"))
)]
pub(crate) async fn document() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document::json().into());
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}
