//! `GET /v1/server`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::{server::ServerInfo, session::Method};
use http::HeaderMap;

use crate::{app::App, client_address::was_forwarded, document::Problems, problem::ApiError};

/// What this server offers
///
/// Its version, who may sign up, and the ways to sign in. What it says here is a help for people: no client may trust it with
/// anything.
#[utoipa::path(
    get, path = "/v1/server", operation_id = "describe_server", tag = "server", security(()),
    responses((status = 200, description = "What is offered.", body = ServerInfo), Problems)
)]
pub(crate) async fn about(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<ServerInfo>, ApiError> {
    Ok(Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sign_up: app.settings.sign_up_mode(was_forwarded(&headers)),
        methods: methods(&app),
    }))
}

/// The ways to sign in that somebody may have here.
fn methods(app: &App) -> Vec<Method> {
    let offered = [
        (Method::LoginPassword, true),
        (Method::Link, app.sends_mail()),
        (Method::Provider, app.providers.iter().next().is_some()),
        (Method::Passkey, app.passkeys.is_some()),
    ];
    offered.into_iter().filter_map(|(method, is_offered)| is_offered.then_some(method)).collect()
}
