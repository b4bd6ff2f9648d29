//! `POST /v1/sessions/passkey`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::session::{Method, PasskeySignIn, Session};
use etui_store::Action;

use crate::{
    app::App,
    body::JsonBody,
    document::Problems,
    keeping::Keeping,
    limits::{self, Target},
    parameters::Client,
    passkeys,
    problem::ApiError,
    sign_in::{self, Factors, Proven},
};

/// Sign in with a passkey
///
/// It says itself whose it is, and is two factors in one: no other is asked for.
#[utoipa::path(
    post, path = "/v1/sessions/passkey", operation_id = "sign_in_with_passkey", tag = "sessions", security(()),
    request_body = PasskeySignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(PasskeySignIn { answer, device_id }): JsonBody<PasskeySignIn>,
) -> Result<Response, ApiError> {
    let claim = passkeys::verify(&app, answer, Action::SignIn);
    let claim = limits::within_try(&app, client, Target::Code, Some(device_id), claim).await?;
    let proven = Proven { claim, device_id, method: Method::Passkey, shown: Factors::Two };
    sign_in::complete(&app, proven).await.map(|session| keeping.answer(session))
}
