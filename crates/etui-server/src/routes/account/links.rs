//! `PUT /v1/account/links`

use std::sync::Arc;

use axum::extract::State;
use etui_api::ways::Switch;
use etui_store::CredentialChange;
use http::StatusCode;

use crate::{
    access::FreshAccess, app::App, body::JsonBody, credentials, document::Problems, problem::ApiError,
};

/// Allow links by mail, or not
///
/// Whether a link that was sent to the account's address signs in.
#[utoipa::path(
    put, path = "/v1/account/links", operation_id = "switch_links", tag = "account", security(("session" = [])),
    request_body = Switch, responses((status = 204, description = "It is so from now on."), Problems)
)]
pub(crate) async fn switch(
    State(app): State<Arc<App>>,
    FreshAccess(fresh): FreshAccess,
    JsonBody(Switch { on }): JsonBody<Switch>,
) -> Result<StatusCode, ApiError> {
    credentials::change(&app, &fresh, CredentialChange::SignInByLink(on)).await?;
    Ok(StatusCode::NO_CONTENT)
}
