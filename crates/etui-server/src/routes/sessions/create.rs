//! `POST /v1/sessions`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{
    ErrorCode,
    email::normalize_email,
    session::{Method, Session, SignIn},
};
use etui_chain::{AccountId, DeviceId};

use crate::{
    app::App,
    body::JsonBody,
    clock,
    document::Problems,
    keeping::Keeping,
    limits::{self, Target},
    log::{self, Cause},
    login::Compared,
    parameters::Client,
    problem::ApiError,
    sign_in::{self, Proven},
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
    let attempt = limits::attempt(&app, client, Target::Address(&email), Some(device_id)).await?;
    let login = match normalize_email(&email) {
        Some(email) => app.store.login(&email).await?,
        None => None,
    };
    let (account_id, stored) = login.map_or((None, None), |login| (Some(login.account_id), login.login_hash));
    let compared = app.login.compare(login_proof, stored).await?;
    let (Some(account_id), true) = (account_id, !matches!(compared, Compared::Different)) else {
        if let Some(account_id) = account_id {
            note_refused(&app, account_id, device_id);
        }
        return Err(ApiError::new(ErrorCode::SignInFailed));
    };
    attempt.succeeded(&app).await?;
    if let Compared::SameButWeak { before, after } = compared {
        app.store.replace_login_hash(account_id, &before, &after).await?;
    }
    let proven = Proven { account_id, device_id, method: Method::LoginPassword, twice: false };
    sign_in::complete(&app, proven).await.map(|session| keeping.answer(session))
}

/// Beside the answer, which must not take longer for an address that names an account.
fn note_refused(app: &Arc<App>, account_id: AccountId, device_id: DeviceId) {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let noted = app.store.note_refused_sign_in(account_id, Some(device_id), clock::now_ms()).await;
        if let Err(error) = noted {
            log::warn("a refused sign-in was not noted").cause(Some(Cause::of(&error))).write();
        }
    });
}
