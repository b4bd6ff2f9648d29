//! `DELETE /v1/account`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::privacy::Deletion;

use crate::{
    access::FreshAccess,
    app::App,
    clock,
    document::Problems,
    mail::{self, AccountLeaving, Letter},
    problem::ApiError,
};

/// Delete the account
///
/// Every other session ends at once, and a letter tells the holder, where the server sends mail. Until the time in the answer the account can be kept, and what is held can be taken along;
/// everything else says `account_leaving`. Then rows, sealed records, events and downloads are removed for good.
#[utoipa::path(
    delete, path = "/v1/account", operation_id = "delete_account", tag = "account", security(("session" = [])),
    responses((status = 200, description = "The account will be deleted.", body = Deletion), Problems)
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<Json<Deletion>, ApiError> {
    let now_ms = clock::now_ms();
    let grace_ms = u64::try_from(app.settings.deletion_grace.as_millis()).unwrap_or(u64::MAX);
    let delete_at_ms = now_ms.saturating_add(grace_ms);
    let notice = mail::notice(&app, Letter::AccountLeaving(AccountLeaving { delete_at_ms }))?;
    app.store.delete_account(&fresh, delete_at_ms, notice.as_ref(), now_ms).await?;
    mail::wake(&app);
    Ok(Json(Deletion { delete_at_ms }))
}
