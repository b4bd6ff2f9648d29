//! `POST /v1/admin/invitations`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{
    ErrorCode,
    admin::{MadeInvitation, NewInvitation, Role},
    email::normalize_email,
};
use http::StatusCode;

use crate::{
    access::AdminAccess,
    app::App,
    body::JsonBody,
    document::Problems,
    invitations::{self, DEFAULT_DAYS, Invited, MAX_DAYS, Terms},
    problem::ApiError,
};

/// Invite somebody
///
/// Makes an invitation that can be followed once. Its link is shown here and never again.
#[utoipa::path(
    post, path = "/v1/admin/invitations", operation_id = "admin_invite", tag = "administration",
    security(("administration" = [])),
    request_body = NewInvitation,
    responses((status = 201, description = "It can be followed.", body = MadeInvitation), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    JsonBody(asked): JsonBody<NewInvitation>,
) -> Result<(StatusCode, Json<MadeInvitation>), ApiError> {
    let NewInvitation { email, role, plan, days } = asked;
    let not_an_address = || ApiError::because(ErrorCode::BadRequest, "That is no e-mail address.");
    let email = email.map(|email| normalize_email(&email).ok_or_else(not_an_address)).transpose()?;
    let days = days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::because(ErrorCode::BadRequest, "An invitation counts for 1 to 365 days."));
    }
    let terms = Terms { email, role: role.unwrap_or(Role::Person), plan, mailed: false, days };
    let Invited { link, expires_ms } =
        invitations::invite(&app.store, &administrator, &app.url, terms).await?;
    Ok((StatusCode::CREATED, Json(MadeInvitation { link, expires_ms })))
}
