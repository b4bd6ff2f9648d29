//! `POST /v1/sign-ins/links`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::links::{AskForLink, LinkAsked};
use http::StatusCode;

use crate::{
    app::App,
    body::JsonBody,
    document::Problems,
    limits::{self, Target},
    links::{self, Starter},
    parameters::Client,
    problem::ApiError,
    sign_in::PATIENCE,
};

/// Ask for a link by mail
///
/// The answer is the same whether or not anybody has that address. The letter brings a token; `POST /v1/sessions/link` takes it,
/// with the ticket, from the device that asked.
#[utoipa::path(
    post, path = "/v1/sign-ins/links", operation_id = "ask_for_link", tag = "sessions", security(()),
    request_body = AskForLink,
    responses((status = 202, description = "If there is such an account, a letter is on its way.", body = LinkAsked), Problems)
)]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Client(client): Client,
    JsonBody(AskForLink { email, device_id }): JsonBody<AskForLink>,
) -> Result<(StatusCode, Json<LinkAsked>), ApiError> {
    // Not given back: whoever has many letters sent has to wait.
    limits::attempt(&app, client, Target::Letter(&email), Some(device_id)).await?;
    let ticket = links::ask(&app, &email, &Starter::Program { device_id }).await?;
    let expires_in_s = u32::try_from(PATIENCE.as_secs()).expect("minutes");
    Ok((StatusCode::ACCEPTED, Json(LinkAsked { ticket, expires_in_s })))
}
