//! `/v1/account/email`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use etui_api::ways::{EmailAsked, EmailConfirmation, NewEmail};
use http::StatusCode;

use crate::{
    access::{Access, FreshAccess},
    app::App,
    body::JsonBody,
    document::Problems,
    email_change::{self, Asked},
    limits::{self, Target},
    parameters::Client,
    problem::ApiError,
    sign_in::PATIENCE,
};

/// Change the e-mail address
///
/// Where the server sends mail, a letter to the new address brings what confirms it. All other sessions end with the change, and
/// the address before is told.
#[utoipa::path(
    post, path = "/v1/account/email", operation_id = "change_email", tag = "account", security(("session" = [])),
    request_body = NewEmail,
    responses(
        (status = 202, description = "A letter is on its way to the new address.", body = EmailAsked),
        (status = 204, description = "The new address names the account: this server sends no mail."),
        Problems
    )
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Client(client): Client,
    FreshAccess(fresh): FreshAccess,
    JsonBody(asked): JsonBody<NewEmail>,
) -> Result<Response, ApiError> {
    // Not given back: nobody has letters sent to many addresses, nor asks which of them have accounts.
    limits::attempt(&app, client, Target::Letter(&asked.email), None).await?;
    match email_change::ask(&app, &fresh, asked).await? {
        Asked::Changed => Ok(StatusCode::NO_CONTENT.into_response()),
        Asked::Unconfirmed => {
            let expires_in_s = u32::try_from(PATIENCE.as_secs()).expect("minutes");
            Ok((StatusCode::ACCEPTED, Json(EmailAsked { expires_in_s })).into_response())
        }
    }
}

/// Confirm a new e-mail address
///
/// With what the letter brought, in a session of the account that asked.
#[utoipa::path(
    post, path = "/v1/account/email/confirm", operation_id = "confirm_email", tag = "account",
    security(("session" = [])), request_body = EmailConfirmation,
    responses((status = 204, description = "The new address names the account."), Problems)
)]
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    Client(client): Client,
    Access(authority): Access,
    JsonBody(EmailConfirmation { token }): JsonBody<EmailConfirmation>,
) -> Result<StatusCode, ApiError> {
    let confirmed = email_change::confirm(&app, &authority, &token);
    limits::within_try(&app, client, Target::Code, None, confirmed).await?;
    Ok(StatusCode::NO_CONTENT)
}
