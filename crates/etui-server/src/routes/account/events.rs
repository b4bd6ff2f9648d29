//! `GET /v1/account/events`, `GET /v1/account/events/export`

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State, response::Response};
use etui_api::privacy::AuditEvents;
use etui_chain::DeviceId;
use etui_store::{Authority, Page, Pseudonym, StoreError};

use crate::{
    access::Access,
    app::App,
    audit_log::{self, PAGE_EVENTS},
    document::{Bytes, Problems},
    parameters::{Before, Parameters},
    problem::ApiError,
};

/// Read the account's audit log
///
/// Newest first, a hundred at a time. Ids are pseudonyms; where one stands for a device of the account, the device is named too.
#[utoipa::path(
    get, path = "/v1/account/events", operation_id = "list_account_events", tag = "account",
    security(("session" = [])), params(Before),
    responses((status = 200, description = "Events.", body = AuditEvents), Problems)
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Access(authority): Access,
    Parameters(Before { before }): Parameters<Before>,
) -> Result<Json<AuditEvents>, ApiError> {
    let devices = app.store.device_names(&authority).await?;
    let events = app.store.events(&authority, Page { before, most: PAGE_EVENTS }).await?;
    Ok(Json(audit_log::page(&events, &devices)))
}

/// Export the account's audit log
///
/// All of it, newest first, an event a line, each as in the pages.
#[utoipa::path(
    get, path = "/v1/account/events/export", operation_id = "export_account_events", tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "Events as lines of JSON.", body = inline(Bytes), content_type = "application/jsonl"), Problems)
)]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Response, ApiError> {
    let devices = Arc::new(app.store.device_names(&authority).await?);
    let asked = Arc::clone(&app);
    let next = move |before| next(Arc::clone(&asked), authority.clone(), Arc::clone(&devices), before);
    Ok(audit_log::lines(app, next).await?)
}

async fn next(
    app: Arc<App>,
    authority: Authority,
    devices: Arc<HashMap<Pseudonym, DeviceId>>,
    before: Option<u64>,
) -> Result<AuditEvents, StoreError> {
    let events = app.store.events(&authority, Page { before, most: PAGE_EVENTS }).await?;
    Ok(audit_log::page(&events, &devices))
}
