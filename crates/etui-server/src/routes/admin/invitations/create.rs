//! `POST /v1/admin/invitations`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{
    ErrorCode,
    admin::{MadeInvitation, NewInvitation, Role},
    email::normalize_email,
};
use etui_store::Invitation;
use http::StatusCode;

use crate::{
    access::AdminAccess, app::App, body::JsonBody, clock, document::Problems, one_time, problem::ApiError,
};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DEFAULT_HOURS: u32 = 7 * 24;
const MAX_HOURS: u32 = 30 * 24;

/// Invite somebody
///
/// Makes an invitation that can be followed once. Its secret is shown here and never again.
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
    let NewInvitation { email, role, plan, hours } = asked;
    let not_an_address = || ApiError::because(ErrorCode::BadRequest, "That is no e-mail address.");
    let email = email.map(|email| normalize_email(&email).ok_or_else(not_an_address)).transpose()?;
    let hours = u64::from(hours.unwrap_or(DEFAULT_HOURS).clamp(1, MAX_HOURS));
    let now_ms = clock::now_ms();
    let expires_ms = now_ms + hours * HOUR_MS;
    let (secret, secret_hash) = one_time::draw()?;
    let role = role.unwrap_or(Role::Person);
    let invitation = Invitation { secret_hash, email, role, plan, expires_ms };
    app.store.invite(&administrator, &invitation, now_ms).await?;
    Ok((StatusCode::CREATED, Json(MadeInvitation { invitation: secret, expires_ms })))
}
