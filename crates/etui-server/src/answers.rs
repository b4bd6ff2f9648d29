//! Forms of answers that several operations share.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use etui_api::frame;
use etui_store::FrameStream;
use futures_util::TryStreamExt as _;
use http::{
    HeaderValue,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

use crate::problem::chain;

/// Styles stand in the page; nothing is ever fetched and no script runs.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// A sequence of frames as it is read. A failure on the way cuts it short, which its reader notices by the missing
/// end.
pub(crate) fn frames(frames: FrameStream) -> Response {
    let logged = frames.inspect_err(|error| tracing::error!(cause = chain(error), "an answer was cut short"));
    ([(CONTENT_TYPE, frame::CONTENT_TYPE)], Body::from_stream(logged)).into_response()
}

/// A page.
pub(crate) fn html(page: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    (headers, Body::from(page)).into_response()
}
