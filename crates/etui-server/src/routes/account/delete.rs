//! `DELETE /v1/account`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::privacy::Deletion;

use crate::{access::FreshAccess, app::App, clock, document::Problems, problem::ApiError};

/// Delete the account
///
/// Every other session ends at once. Until the time in the answer the account can be kept, and what is held can be taken along;
/// everything else says `account_leaving`. Then rows, sealed records, events and downloads are removed for good.
#[utoipa::path(
    delete, path = "/v1/account", operation_id = "delete_account", tag = "account", security(("session" = [])),
    responses((status = 200, description = "The account will be deleted.", body = Deletion), Problems)
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<Json<Deletion>, ApiError> {
    let grace = app.settings.deletion_grace;
    let delete_at_ms = app.store.delete_account(&fresh, grace, clock::now_ms()).await?;
    Ok(Json(Deletion { delete_at_ms }))
}
