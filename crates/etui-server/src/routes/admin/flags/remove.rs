//! `DELETE /v1/admin/flags/{name}`

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use crate::{access::AdminAccess, app::App, document::Problems, parameters::Ids, problem::ApiError};

/// Remove a feature flag
///
/// With what was set for single accounts.
#[utoipa::path(
    delete, path = "/v1/admin/flags/{name}", operation_id = "admin_remove_flag", tag = "administration",
    security(("administration" = [])),
    params(("name" = String, Path, description = "Its name.", pattern = "^[a-z0-9_-]{1,64}$")),
    responses((status = 204, description = "It is gone."), Problems)
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Ids(name): Ids<String>,
) -> Result<StatusCode, ApiError> {
    app.store.remove_flag(&administrator, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
