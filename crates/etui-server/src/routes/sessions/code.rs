//! `POST /v1/sessions/code`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use data_encoding::BASE64URL_NOPAD;
use etui_api::{
    browser::CodeSignIn,
    session::{Session, Token},
};
use etui_chain::DeviceId;
use etui_store::Purpose;
use sha2::{Digest as _, Sha256};

use crate::{
    app::App,
    body::JsonBody,
    clock,
    document::Problems,
    keeping::Keeping,
    let_in::LetIn,
    limits::{self, Target},
    pages::Authorized,
    parameters::Client,
    problem::ApiError,
    sign_in::{self, no_longer_valid},
};

/// Sign in with a code from a browser
///
/// A program sends somebody to `/authorize` with the port where it listens on 127.0.0.1, `code_challenge`,
/// `code_challenge_method=S256`, `state` and `device_id`. The browser comes back there with `code`, `state` and `iss`. A code
/// counts once, within a minute, with the verifier of its challenge (RFC 7636) and for its device.
#[utoipa::path(
    post, path = "/v1/sessions/code", operation_id = "sign_in_with_code", tag = "sessions", security(()),
    request_body = CodeSignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(CodeSignIn { code, verifier, device_id }): JsonBody<CodeSignIn>,
) -> Result<Response, ApiError> {
    let let_in = let_in(&app, &code, &verifier, device_id);
    let let_in = limits::within_try(&app, client, Target::Code, Some(device_id), let_in).await?;
    let_in.complete(&app, device_id).await.map(|session| keeping.answer(session))
}

/// Whom the code lets in, once.
async fn let_in(app: &App, code: &Token, verifier: &Token, device_id: DeviceId) -> Result<LetIn, ApiError> {
    let secret_hash = sign_in::secret_hash(code)?;
    let taken = app.store.take_pending(secret_hash, Purpose::AuthorizationCode, clock::now_ms()).await?;
    let authorized: Authorized = sign_in::body(&taken.ok_or_else(no_longer_valid)?.body)?;
    if challenge(verifier) != authorized.code_challenge || device_id != authorized.device_id {
        return Err(no_longer_valid());
    }
    Ok(authorized.let_in)
}

/// RFC 7636, section 4.2.
fn challenge(verifier: &Token) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier.expose()))
}
