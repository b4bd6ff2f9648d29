//! `POST /v1/sessions`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{
    ErrorCode,
    email::normalize_email,
    session::{LoginProof, Method, Session, SignIn},
};
use etui_chain::DeviceId;
use etui_store::Action;

use crate::{
    app::App,
    body::JsonBody,
    document::Problems,
    keeping::Keeping,
    limits::{self, Target},
    login::Compared,
    parameters::Client,
    problem::ApiError,
    refusals,
    sign_in::{self, Factors, Proven},
};

/// Sign in
///
/// A wrong login password and an e-mail address that nobody has get the same answer, after the same work.
#[utoipa::path(
    post, path = "/v1/sessions", operation_id = "sign_in", tag = "sessions", security(()),
    request_body = SignIn,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(asked): JsonBody<SignIn>,
) -> Result<Response, ApiError> {
    let SignIn { email, login_proof, device_id } = asked;
    let proven = proven(&app, &email, login_proof, device_id);
    let proven = limits::within_try(&app, client, Target::Address(&email), Some(device_id), proven).await?;
    sign_in::complete(&app, proven).await.map(|session| keeping.answer(session))
}

/// Whose login password it is. One whose hash is weak is stored anew.
async fn proven(
    app: &App,
    email: &str,
    login_proof: LoginProof,
    device_id: DeviceId,
) -> Result<Proven, ApiError> {
    let normalized = normalize_email(email);
    let login = match &normalized {
        Some(email) => app.store.login(email).await?,
        None => None,
    };
    let whose = normalized.unwrap_or_else(|| email.to_owned());
    let (claim, stored) = login.map_or((None, None), |login| (Some(login.claim), login.login_hash));
    let compared = app.login.compare(&whose, login_proof, stored).await?;
    let (Some(claim), true) = (claim, !matches!(compared, Compared::Different)) else {
        if let Some(claim) = claim {
            refusals::note(app, claim.account_id(), Action::SignIn, Some(device_id));
        }
        return Err(ApiError::new(ErrorCode::SignInFailed));
    };
    if let Compared::SameButWeak { before, after } = compared {
        app.store.replace_login_hash(claim.account_id(), &before, &after).await?;
    }
    Ok(Proven { claim, device_id, method: Method::LoginPassword, shown: Factors::One })
}
