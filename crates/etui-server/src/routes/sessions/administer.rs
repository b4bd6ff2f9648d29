//! `POST /v1/sessions/current/admin`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::admin::AdminSession;

use crate::{
    access::{Access, FreshAccess},
    app::App,
    clock,
    document::Problems,
    problem::ApiError,
    tokens::{Bearer, LIFETIME_S, Scope},
};

/// Begin to administer
///
/// Gives an administrator who has just signed in an access token for the operations below `/v1/admin/`, and for no other. It
/// ends with its ten minutes, or with the session.
#[utoipa::path(
    post, path = "/v1/sessions/current/admin", operation_id = "administer", tag = "administration",
    security(("session" = [])),
    responses((status = 200, description = "A token of its own scope.", body = AdminSession), Problems)
)]
pub(crate) async fn administer(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    Access(authority): Access,
) -> Result<Json<AdminSession>, ApiError> {
    fresh.administrator()?;
    let bearer = Bearer {
        account_id: authority.account_id(),
        session_id: authority.session_id(),
        scope: Scope::Admin,
    };
    let access_token = app.tokens.issue(bearer, clock::now_s());
    Ok(Json(AdminSession { access_token, expires_in_s: LIFETIME_S }))
}
