//! `GET /v1/account/ways`

use std::sync::Arc;

use axum::{Json, extract::State};
use etui_api::ways::{Identity, Passkey, Ways};

use crate::{access::Access, app::App, document::Problems, passkeys, problem::ApiError};

/// List the ways to sign in
#[utoipa::path(
    get, path = "/v1/account/ways", operation_id = "list_ways", tag = "account", security(("session" = [])),
    responses((status = 200, description = "Every way, and what else is asked for.", body = Ways), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Json<Ways>, ApiError> {
    Ok(Json(shown(app.store.ways(authority.account_id()).await?)))
}

fn shown(ways: etui_store::Ways) -> Ways {
    let identity =
        |identity: etui_store::Identity| Identity { issuer: identity.issuer, subject: identity.subject };
    Ways {
        email: ways.email,
        login_password: ways.login_password,
        links: ways.link,
        identities: ways.identities.into_iter().map(identity).collect(),
        passkeys: ways.passkeys.into_iter().map(passkey).collect(),
        totp: ways.totp,
        recovery_codes: ways.recovery_codes,
        approve_devices: ways.approve_devices,
    }
}

fn passkey(passkey: etui_store::Passkey) -> Passkey {
    Passkey {
        id: passkeys::id(&passkey.credential_id).to_string(),
        name: passkey.name,
        created_ms: passkey.created_ms,
        used_ms: Some(passkey.used_ms).filter(|used_ms| *used_ms > 0),
    }
}
