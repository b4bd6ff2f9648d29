//! What every request gets, in one layer: an id, a time limit, a net under panics, problem documents, security
//! headers, one line in the log.

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use etui_api::{ErrorCode, problem};
use etui_store::{Pseudonym, Pseudonyms};
use futures_util::FutureExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        RETRY_AFTER, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
    request::Parts,
};
use http_body::Body as _;

use crate::{
    app::App,
    log::{self, RequestId},
    metrics::counted,
    problem::ApiError,
    telemetry::traces,
};

/// Until the head of the answer is there. Answers that stream go on for as long as they are read.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The same for requests whose body is a sequence of frames: 96 MiB and more over a slow line.
const UPLOAD_TIME_LIMIT: Duration = Duration::from_mins(15);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Nothing that the API answers is a page. A page brings a policy of its own.
const NO_CONTENT_AT_ALL: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The layer.
pub(crate) async fn envelope(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = app.request_ids.next();
    let method = request.method().clone();
    let version = request.version();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let limit = time_limit(request.headers());
    let running = Running::begin(&app);
    let span = traces::request(&method, route.as_ref(), request_id);
    if is_from_trusted_proxy(&app, &request) {
        traces::follow(&span, request.headers());
    }
    let speaker = Speaker::default();
    request.extensions_mut().insert(speaker.clone());
    let request = request.map(|body| counted(body, &app.metrics.received_bytes));
    let answer = AssertUnwindSafe(tokio::time::timeout(limit, traces::within(&span, next.run(request))))
        .catch_unwind()
        .await;
    let mut response =
        answer.unwrap_or(Ok(ApiError::new(ErrorCode::Internal).into_response())).unwrap_or_else(|_| {
            ApiError::because(ErrorCode::Unavailable, "The server took too long.").into_response()
        });
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        app.metrics.problem(error.problem().code);
        app.metrics.store_failed(error.store_failure());
        write_problem(&mut response, error, request_id);
    }
    add_headers(response.headers_mut(), request_id, app.over_tls);
    // Of what HTTP/2 has in its place the library takes care.
    if version <= Version::HTTP_11 && app.is_leaving() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let took = started.elapsed();
    app.metrics.answered(&method, route.as_ref(), response.status(), took);
    traces::answered(&span, response.status(), speaker.account());
    log::info("answered")
        .method(&method)
        .route(route)
        .status(response.status())
        .duration(took)
        .bytes(response.body().size_hint().exact())
        .request_id(request_id)
        .account(speaker.account())
        .write();
    drop(running);
    response.map(|body| counted(body, &app.metrics.sent_bytes))
}

/// A request that is being answered, or was given up.
struct Running<'a>(&'a App);

impl<'a> Running<'a> {
    fn begin(app: &'a App) -> Self {
        app.metrics.running.inc();
        Self(app)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.metrics.running.dec();
    }
}

/// Numbers requests, starting anywhere, so that ids of two runs do not meet.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(|start| Self(AtomicU64::new(start)))
    }

    fn next(&self) -> RequestId {
        RequestId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Who speaks in a request, once somebody has looked it up: by pseudonym, for the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speaker(Arc<OnceLock<Pseudonym>>);

impl Speaker {
    /// Notes in the request's own log line who speaks.
    pub(crate) fn note(parts: &Parts, pseudonyms: &Pseudonyms) {
        if let Some(speaker) = parts.extensions.get::<Self>() {
            // Of two extractors the second finds the same.
            let _ = speaker.0.set(pseudonyms.account());
        }
    }

    fn account(&self) -> Option<Pseudonym> {
        self.0.get().copied()
    }
}

fn time_limit(headers: &HeaderMap) -> Duration {
    let is_upload = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == etui_api::frame::CONTENT_TYPE);
    if is_upload { UPLOAD_TIME_LIMIT } else { TIME_LIMIT }
}

fn is_from_trusted_proxy(app: &App, request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    peer.is_some_and(|peer| app.settings.trusted_proxies.iter().any(|network| network.contains(&peer)))
}

fn write_problem(response: &mut Response, error: ApiError, request_id: RequestId) {
    let status = response.status();
    if status.is_server_error() {
        let code = error.problem().code;
        log::error("failed").request_id(request_id).cause(error.cause().cloned()).code(code).write();
    }
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if status == http::StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let problem = error.into_problem(request_id.to_string());
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).expect("a problem is plain JSON"));
}

fn add_headers(headers: &mut HeaderMap, request_id: RequestId, over_tls: bool) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NO_CONTENT_AT_ALL);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if over_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
    }
    headers
        .insert(X_REQUEST_ID, HeaderValue::from_str(&request_id.to_string()).expect("hex is a header value"));
}
