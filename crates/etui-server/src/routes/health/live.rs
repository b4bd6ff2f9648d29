//! `GET /healthz`

use crate::document::Problems;

/// Is the process alive?
#[utoipa::path(
    get, path = "/healthz", operation_id = "is_alive", tag = "server", security(()),
    responses((status = 200, description = "It is.", body = String, content_type = "text/plain"), Problems)
)]
pub(crate) async fn live() -> &'static str {
    "alive\n"
}
