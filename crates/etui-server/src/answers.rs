//! Forms of answers that several operations share.

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use etui_api::{frame, privacy::JSON_LINES};
use etui_store::{FrameStream, StoreError};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http::{
    HeaderValue,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

use crate::{
    app::App,
    log::{self, Cause},
};

/// Styles stand in the page; nothing is ever fetched and no script runs.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// A sequence of frames as it is read. What fails before anything of it is there is an answer like any other; a failure
/// on the way cuts it short, which its reader notices by the missing end.
///
/// # Errors
/// The store's, up to the first chunk.
pub(crate) async fn frames(app: Arc<App>, mut frames: FrameStream) -> Result<Response, StoreError> {
    let first = frames.try_next().await?;
    let whole = stream::iter(first.map(Ok)).chain(frames);
    Ok(([(CONTENT_TYPE, frame::CONTENT_TYPE)], body(app, whole)).into_response())
}

/// Lines of JSON as they are read.
pub(crate) fn json_lines<T: Into<Bytes> + 'static>(
    app: Arc<App>,
    lines: impl Stream<Item = Result<T, StoreError>> + Send + 'static,
) -> Response {
    ([(CONTENT_TYPE, JSON_LINES)], body(app, lines)).into_response()
}

/// A failure on the way is counted and logged: it is too late to say it in the answer.
fn body<T: Into<Bytes> + 'static>(
    app: Arc<App>,
    content: impl Stream<Item = Result<T, StoreError>> + Send + 'static,
) -> Body {
    Body::from_stream(content.inspect_err(move |error| {
        app.metrics.store_failed(error.failure());
        log::error("an answer was cut short").cause(Some(Cause::of(error))).write();
    }))
}

/// A page.
pub(crate) fn html(page: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    (headers, Body::from(page)).into_response()
}
