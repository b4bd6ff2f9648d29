//! `POST /v1/accounts`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::{
    ErrorCode,
    account::SignUp,
    email::normalize_email,
    frame::Frame,
    limits::MAX_SIGN_UP_BYTES,
    session::{Method, Session},
    sync::decode_header,
};
use etui_store::{CredentialChange, NewAccount};
use http::{HeaderMap, StatusCode};

use crate::{
    app::App,
    body::Frames,
    clock,
    document::{Bytes, Problems},
    invitations,
    keeping::Keeping,
    limits::{self, Target},
    newcomer,
    parameters::Client,
    problem::ApiError,
    routes::sessions,
    uploads::state_upload,
};

/// Sign up
///
/// Frames: a header (`email`, `device_id`, `login_proof` or the `ticket` of somebody without an account, and `invitation`, as a
/// CBOR map), the account's first state, the records that it names, then commit 1 of each vault with its records. The answer is
/// the first session. Where signing up needs an invitation, one that is none gets the same answer whether the account exists or
/// not.
#[utoipa::path(
    post, path = "/v1/accounts", operation_id = "sign_up", tag = "accounts", security(()),
    request_body(content = inline(Bytes), content_type = "application/cbor-seq"),
    responses((status = 201, description = "The account exists and its first session is open.", body = Session), Problems)
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    headers: HeaderMap,
    frames: Frames,
) -> Result<(StatusCode, Response), ApiError> {
    invitations::require_sign_ups(&app, &headers)?;
    // Not given back on success: whoever makes hundreds of accounts from one place has to wait.
    limits::attempt(&app, client, Target::SignUp, None).await?;
    let mut frames = frames.up_to(MAX_SIGN_UP_BYTES);
    let Some(Frame::Header(header)) = frames.next().await? else {
        return Err(ApiError::because(ErrorCode::BadRequest, "The first frame is the header of a sign-up."));
    };
    let SignUp { email, login_proof, device_id, invitation, ticket } = decode_header(&header)?;
    let email = normalize_email(&email)
        .ok_or_else(|| ApiError::because(ErrorCode::BadRequest, "That cannot be an e-mail address."))?;
    let admission = invitations::admission(&app, &headers, invitation.as_ref())?;
    let upload = state_upload(&mut frames).await?;
    let account_id = upload.state.account_id;
    let mut credentials = Vec::new();
    if let Some(login_proof) = login_proof {
        let hash = app.login.hash(&email, login_proof).await?;
        credentials.push(CredentialChange::LoginPassword(Some(hash)));
    }
    if let Some(ticket) = &ticket {
        credentials.push(newcomer::of_ticket(&app, ticket).await?.credential());
    }
    let method = if ticket.is_some() { Method::Browser } else { Method::LoginPassword };
    let now_ms = clock::now_ms();
    let (session, refresh_token) = sessions::draw(&app, method, true, now_ms)?;
    let session_id = session.session_id;
    let sends_mail = app.sends_mail();
    let account = NewAccount { email, admission, credentials, sends_mail, device_id, upload, session };
    app.store.create_account(account, now_ms).await?;
    if let Some(ticket) = &ticket {
        newcomer::use_up(&app, ticket).await?;
    }
    let session = sessions::answer(&app, account_id, session_id, refresh_token);
    Ok((StatusCode::CREATED, keeping.answer(session)))
}
