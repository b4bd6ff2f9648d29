//! `POST /v1/sessions/second-factor`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::session::{SecondFactor, Session};

use crate::{
    app::App, body::JsonBody, document::Problems, keeping::Keeping, parameters::Client, problem::ApiError,
    second_factor, sign_in,
};

/// Finish signing in with a second factor
///
/// With the `ticket` of `second_factor_required` and one of its `methods`. Five tries, ten minutes. A code counts once.
#[utoipa::path(
    post, path = "/v1/sessions/second-factor", operation_id = "show_second_factor", tag = "sessions", security(()),
    request_body = SecondFactor,
    responses((status = 200, description = "A new session is open.", body = Session), Problems)
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Client(client): Client,
    keeping: Keeping,
    JsonBody(SecondFactor { ticket, factor }): JsonBody<SecondFactor>,
) -> Result<Response, ApiError> {
    let proven = second_factor::verify(&app, client, &ticket, factor).await?;
    sign_in::complete(&app, proven).await.map(|session| keeping.answer(session))
}
