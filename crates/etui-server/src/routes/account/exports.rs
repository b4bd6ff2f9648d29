//! `POST /v1/account/exports`, `POST /v1/account/exports/fetch`

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use etui_api::{
    ErrorCode,
    privacy::{DataExport, FetchDataExport},
};
use etui_store::{Download, ExportTicket};
use http::{StatusCode, header::CONTENT_LENGTH};

use crate::{
    access::HolderAccess,
    answers,
    app::App,
    body::JsonBody,
    clock,
    document::{Bytes, Problems},
    limits::{self, Target},
    one_time,
    parameters::Client,
    problem::ApiError,
    sign_in,
};

/// Ask for everything held
///
/// Makes one file of every row about the account, what is signed, and every sealed record, in place of one made before. A small
/// one is ready at once. The secret in the answer fetches it, until it expires.
#[utoipa::path(
    post, path = "/v1/account/exports", operation_id = "begin_data_export", tag = "account",
    security(("session" = [])),
    responses((status = 201, description = "The file is there, or is being made.", body = DataExport), Problems)
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    HolderAccess(holder): HolderAccess,
) -> Result<(StatusCode, Json<DataExport>), ApiError> {
    let (secret, secret_hash) = one_time::draw()?;
    let now_ms = clock::now_ms();
    let lifetime = app.settings.export_lifetime;
    let ticket = app.store.begin_export(&holder, secret_hash, lifetime, now_ms).await?;
    let ready = ticket.is_some();
    if let Some(ticket) = ticket {
        make(&app, ticket, now_ms).await?;
    }
    let expires_ms = now_ms.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX));
    Ok((StatusCode::CREATED, Json(DataExport { secret, expires_ms, ready })))
}

/// Fetch everything held
///
/// Lines of JSON: a head, a line for each row, an end with the number of lines and the SHA-256 of all before it.
#[utoipa::path(
    post, path = "/v1/account/exports/fetch", operation_id = "fetch_data_export", tag = "account", security(()),
    request_body = FetchDataExport,
    responses((status = 200, description = "The file.", body = inline(Bytes), content_type = "application/jsonl"), Problems)
)]
pub(crate) async fn fetch(
    State(app): State<Arc<App>>,
    Client(client): Client,
    JsonBody(FetchDataExport { secret }): JsonBody<FetchDataExport>,
) -> Result<Response, ApiError> {
    let attempt = limits::attempt(&app, client, Target::Code, None).await?;
    let secret_hash = sign_in::secret_hash(&secret)?;
    let download = app.store.download(secret_hash, clock::now_ms()).await?;
    let download = download.ok_or_else(sign_in::no_longer_valid)?;
    attempt.succeeded(&app).await?;
    match download {
        Download::Making => Err(ApiError::new(ErrorCode::NotReady)),
        Download::Ready { bytes, content } => {
            let mut answer = answers::json_lines(app, content);
            answer.headers_mut().insert(CONTENT_LENGTH, bytes.into());
            Ok(answer)
        }
    }
}

/// To its end, even if whoever asked has gone away: what was begun in the object store is finished or taken back.
async fn make(app: &Arc<App>, ticket: ExportTicket, now_ms: u64) -> Result<(), ApiError> {
    let app = Arc::clone(app);
    let making = tokio::spawn(async move { app.store.make_export(&ticket, now_ms).await });
    match making.await {
        Ok(made) => Ok(made?),
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}
