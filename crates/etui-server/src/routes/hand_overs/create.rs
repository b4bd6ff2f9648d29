//! `POST /v1/hand-overs`

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use etui_api::{browser::HandOver, session::Token};
use etui_store::{Purpose, SessionId};
use http::StatusCode;

use crate::{access::FreshAccess, app::App, document::Problems, pages, problem::ApiError, sign_in};

const PATIENCE: Duration = Duration::from_mins(1);

/// Open the account in a browser
///
/// The address opens this server's pages for the account, once, within a minute: there a provider is linked, or a passkey
/// added, by whoever has signed in on a device.
#[utoipa::path(
    post, path = "/v1/hand-overs", operation_id = "hand_over", tag = "sessions", security(("session" = [])),
    responses((status = 201, description = "The address to open.", body = HandOver), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
) -> Result<(StatusCode, Json<HandOver>), ApiError> {
    let claim = fresh.claim();
    let body = pages::HandOver { claim, session_id: fresh.session_id().map(SessionId::id) };
    let ticket = sign_in::begin(&app, Purpose::HandOver, Some(claim), &body, 1, PATIENCE).await?;
    let url = Token::new(format!("{}/hand-over?ticket={}", app.url, ticket.expose()));
    let expires_in_s = u32::try_from(PATIENCE.as_secs()).unwrap_or(u32::MAX);
    Ok((StatusCode::CREATED, Json(HandOver { url, expires_in_s })))
}
