//! `POST /v1/sessions/link`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{links::LinkSignIn, session::Session};

use crate::{
    app::App,
    body::JsonBody,
    document::Problems,
    keeping::Keeping,
    limits::{self, Target},
    links,
    parameters::Client,
    problem::ApiError,
    sign_in,
};

/// Sign in with what a letter brought
///
/// For the device that asked, with the ticket of the answer. A second factor is asked for as ever.
#[utoipa::path(
    post, path = "/v1/sessions/link", operation_id = "sign_in_with_link", tag = "sessions", security(()),
    request_body = LinkSignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(LinkSignIn { token, device_id, ticket }): JsonBody<LinkSignIn>,
) -> Result<Response, ApiError> {
    let proven = links::sign_in(&app, device_id, ticket.as_ref(), &token);
    let proven = limits::within_try(&app, client, Target::Code, Some(device_id), proven).await?;
    sign_in::complete(&app, proven).await.map(|session| keeping.answer(session))
}
