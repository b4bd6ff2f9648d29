//! `GET /v1/admin/accounts`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{ErrorCode, admin::AdminAccounts, limits::MAX_EMAIL_BYTES};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{access::AdminAccess, app::App, document::Problems, parameters::Parameters, problem::ApiError};

/// Which accounts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Only those whose address contains this.
    #[param(max_length = 254)]
    search: Option<String>,
    /// Only those behind this address: `next` of the answer before.
    #[param(max_length = 254)]
    after: Option<String>,
}

/// List accounts
///
/// By address, a hundred at a time.
#[utoipa::path(
    get, path = "/v1/admin/accounts", operation_id = "admin_accounts", tag = "administration",
    security(("administration" = [])),
    params(Search),
    responses((status = 200, description = "Accounts by address.", body = AdminAccounts), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Parameters(asked): Parameters<Search>,
) -> Result<Json<AdminAccounts>, ApiError> {
    let Search { search, after } = asked;
    if [&search, &after].into_iter().flatten().any(|text| text.len() > MAX_EMAIL_BYTES) {
        return Err(ApiError::because(ErrorCode::BadRequest, "No address is as long."));
    }
    let search = etui_store::Search { text: search.map(|text| text.to_lowercase()), after };
    Ok(Json(app.store.accounts(&administrator, &search).await?))
}
