//! Forms of answers that several operations share.

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use etui_api::frame;
use etui_store::{FrameStream, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
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
    let logged = whole.inspect_err(move |error| {
        app.metrics.store_failed(error.failure());
        log::error("an answer was cut short").cause(Some(Cause::of(error))).write();
    });
    Ok(([(CONTENT_TYPE, frame::CONTENT_TYPE)], Body::from_stream(logged)).into_response())
}

/// A page.
pub(crate) fn html(page: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    (headers, Body::from(page)).into_response()
}
