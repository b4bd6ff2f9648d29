//! Traces for OpenTelemetry: one span a request, and within it what is asked of the database and the object store, and long
//! computing. Off unless an endpoint is given; then no span is ever made.
//!
//! What a span carries is what a line of the log may carry: values of the same types, under names that this module alone gives.

use std::{fmt, time::Duration};

use axum::extract::MatchedPath;
use etui_store::Pseudonym;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use opentelemetry::{
    KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::TracerProvider as _,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    runtime,
    trace::{SdkTracerProvider, span_processor_with_async_runtime::BatchSpanProcessor},
};
use tracing::{Instrument as _, Span, Subscriber, field::Empty, instrument::Instrumented};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::log::{RequestId, method_name};

/// How long a collector is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a collector takes traces (OTLP/HTTP).
const PATH: &str = "/v1/traces";
/// The one header that is read of W3C Trace Context: the other may carry anything.
const TRACEPARENT: &str = "traceparent";

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The client cannot be made.
    #[error("could not make the client that sends traces")]
    Client(#[source] reqwest::Error),
    /// The exporter cannot be made.
    #[error("could not make the exporter of traces")]
    Exporter(#[source] ExporterBuildError),
}

/// Sends spans to a collector, many together, until [`Self::end`].
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector at `endpoint`, within the current runtime. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TracesError`].
    pub(crate) fn to(endpoint: &str) -> Result<Self, TracesError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new()?)
            .with_endpoint(format!("{endpoint}{PATH}"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(TracesError::Exporter)?;
        // Nothing of the environment, where names of machines and more may be.
        let resource = Resource::builder_empty()
            .with_service_name("etui-server")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let processor = BatchSpanProcessor::builder(exporter, runtime::Tokio).build();
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.build());
        Ok(Self(provider.build()))
    }

    /// The layer through which this program's own spans go there.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("etui-server"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("etui_")))
    }

    /// Sends what is left.
    pub(crate) async fn end(self) {
        // It waits for the exporter, which runs in this runtime. Nobody is left to be told of a failure.
        let _ = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
    }
}

/// The span of a request.
pub(crate) fn request(method: &Method, route: Option<&MatchedPath>, request_id: RequestId) -> Span {
    let method = method_name(method);
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route.map(MatchedPath::as_str),
        http.response.status_code = Empty,
        etui.request_id = Empty,
        etui.account = Empty,
    );
    if !span.is_disabled() {
        span.record("etui.request_id", request_id.to_string());
    }
    span
}

/// The span goes on with what a proxy began, which its caller trusts.
pub(crate) fn follow(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        // One that has begun already cannot be moved; this one has not.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Parent(headers)));
    }
}

/// What came of the request.
pub(crate) fn answered(span: &Span, status: StatusCode, account: Option<Pseudonym>) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "error");
    }
    if let Some(account) = account {
        span.record("etui.account", account.to_string());
    }
}

/// Hashing a login password, the wait for a turn included.
pub(crate) fn hashing() -> Span {
    tracing::info_span!("hashing")
}

/// What is done within a span.
pub(crate) fn within<F: Future>(span: &Span, work: F) -> Instrumented<F> {
    work.instrument(span.clone())
}

struct Parent<'a>(&'a HeaderMap);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if key == TRACEPARENT { self.0.get(key)?.to_str().ok() } else { None }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The server's own client of HTTP, for the exporter.
struct Client(reqwest::Client);

impl Client {
    fn new() -> Result<Self, TracesError> {
        // Whoever installed one before has installed this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        client.map(Self).map_err(TracesError::Client)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client(…)")
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.extend(answer.headers().clone());
        }
        Ok(response.body(answer.bytes().await?)?)
    }
}
