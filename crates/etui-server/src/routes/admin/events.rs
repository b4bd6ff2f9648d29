//! `GET /v1/admin/events`, `GET /v1/admin/events/export`

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State, response::Response};
use etui_api::{ErrorCode, privacy::AuditEvents};
use etui_store::{Administrator, NoPseudonym, Page, Pseudonym, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    access::AdminAccess,
    app::App,
    audit_log::{self, PAGE_EVENTS},
    document::{Bytes, Problems},
    parameters::{Before, Parameters},
    problem::ApiError,
};

/// Whose events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfAccount {
    /// The account's pseudonym; all accounts without it.
    #[param(pattern = "^[0-9a-f]{32}$")]
    account: Option<String>,
}

impl OfAccount {
    fn pseudonym(&self) -> Result<Option<Pseudonym>, ApiError> {
        const DETAIL: &str = "A pseudonym is 32 lower-case hex digits.";
        let pseudonym = self.account.as_deref().map(str::parse).transpose();
        pseudonym.map_err(|NoPseudonym| ApiError::because(ErrorCode::BadRequest, DETAIL))
    }
}

/// Read the audit log
///
/// Newest first, a hundred at a time; of one account, by its pseudonym, or of all. Ids are pseudonyms.
#[utoipa::path(
    get, path = "/v1/admin/events", operation_id = "admin_events", tag = "administration",
    security(("administration" = [])), params(Before, OfAccount),
    responses((status = 200, description = "Events.", body = AuditEvents), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Parameters(Before { before }): Parameters<Before>,
    Parameters(of): Parameters<OfAccount>,
) -> Result<Json<AuditEvents>, ApiError> {
    Ok(Json(next(app, administrator, of.pseudonym()?, before).await?))
}

/// Export the audit log
///
/// All of it, newest first, an event a line, each as in the pages.
#[utoipa::path(
    get, path = "/v1/admin/events/export", operation_id = "export_admin_events", tag = "administration",
    security(("administration" = [])), params(OfAccount),
    responses((status = 200, description = "Events as lines of JSON.", body = inline(Bytes), content_type = "application/jsonl"), Problems)
)]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    AdminAccess(administrator): AdminAccess,
    Parameters(of): Parameters<OfAccount>,
) -> Result<Response, ApiError> {
    let account = of.pseudonym()?;
    let asked = Arc::clone(&app);
    let next = move |before| next(Arc::clone(&asked), administrator.clone(), account, before);
    Ok(audit_log::lines(app, next).await?)
}

async fn next(
    app: Arc<App>,
    administrator: Administrator,
    account: Option<Pseudonym>,
    before: Option<u64>,
) -> Result<AuditEvents, StoreError> {
    let page = Page { before, most: PAGE_EVENTS };
    let events = app.store.events_of_all(&administrator, account, page).await?;
    Ok(audit_log::page(&events, &HashMap::new()))
}
