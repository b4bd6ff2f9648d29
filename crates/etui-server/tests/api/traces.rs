//! Traces, as a collector gets them: a small one that takes what the program sends and decodes it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use etui_api::session::{Session, SignIn};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::any_value::Value,
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use reqwest::Method;

use crate::{
    process::{Program, command},
    support::{Person, client, frames_body, send},
};

const PROXY_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PROXY_SPAN: &str = "00f067aa0ba902b7";

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (collector, address)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().concat()
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.0.lock().unwrap();
        let requests = bodies.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) -> Vec<u8> {
    collector.0.lock().unwrap().push(body);
    ExportTraceServiceResponse::default().encode_to_vec()
}

fn text(span: &Span, name: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn traced(folder: &Path, collector: SocketAddr, options: &[&str]) -> Program {
    let endpoint = format!("http://{collector}");
    Program::of(command(folder, "127.0.0.1:0").args(["--otlp-endpoint", &endpoint]).args(options))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_with_what_the_log_may_say_and_no_more() {
    let (collector, address) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let program = traced(folder.path(), address, &[]);
    let client = client();
    let mut person = Person::new(0x5e);
    let url = |path: &str| format!("{}{path}", program.url);
    let sign_up = frames_body(client.request(Method::POST, url("/v1/accounts")), &person.sign_up_frames());
    let session: Session = send(sign_up).await.json();
    let token = session.access_token.expose();
    let (commit, records) = person.entry(3);
    let push = client.post(url(&format!("/v1/vaults/{}/commits", person.vault_id))).bearer_auth(token);
    let frames = crate::support::commit_frames(&commit, &records);
    assert_eq!(send(frames_body(push, &frames)).await.status, 200);
    person.accept(&commit);
    let wrong = SignIn { email: "canary-nobody@example.org".to_owned(), ..person.sign_in() };
    send(client.post(url("/v1/sessions")).json(&wrong)).await;
    for path in ["/canary-path?canary-query", "/v1/vaults/canary-id/changes?after=1"] {
        let traceparent = format!("00-{PROXY_TRACE}-{PROXY_SPAN}-01");
        let request =
            client.get(url(path)).header("traceparent", traceparent).header("tracestate", "canary=1");
        send(request.header("user-agent", "canary-agent").bearer_auth(token)).await;
    }
    drop(client);
    program.ask_to_stop();
    program.log();

    let spans = collector.spans();
    let request = |route: &str| {
        let is_it =
            |span: &&Span| span.name == "request" && text(span, "http.route").as_deref() == Some(route);
        spans.iter().find(is_it).unwrap_or_else(|| panic!("no span for {route} among {spans:#?}"))
    };
    let push = request("/v1/vaults/{vault_id}/commits");
    assert_eq!((push.kind(), &push.parent_span_id[..]), (SpanKind::Server, &[][..]));
    assert_eq!(text(push, "http.request.method").as_deref(), Some("POST"));
    assert_eq!(text(push, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(text(push, "etui.account").map(|account| account.len()), Some(32));
    assert_eq!(text(push, "etui.request_id").map(|id| id.len()), Some(16));
    let within = |parent: &Span, name: &str| {
        spans.iter().filter(|span| span.parent_span_id == parent.span_id && span.name == name).count()
    };
    assert!(within(push, "database") >= 3, "{spans:#?}");
    assert_eq!(within(request("/v1/sessions"), "hashing"), 1);
    let allowed = [
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "etui.request_id",
        "etui.account",
        "doing",
        "operation",
        "busy_ns",
        "idle_ns",
    ];
    for attribute in spans.iter().flat_map(|span| &span.attributes) {
        assert!(allowed.contains(&attribute.key.as_str()), "{attribute:?}");
    }
    assert!(spans.iter().all(|span| span.events.is_empty()), "logs are no part of traces");
    assert!(spans.iter().all(|span| hex(&span.trace_id) != PROXY_TRACE), "nobody trusts a stranger's trace");
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    let ids = [person.account_id.to_string(), person.device_id.to_string(), person.vault_id.to_string()];
    for never in [person.email.as_str(), "example.org", "canary", "127.0.0.1", token]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
    {
        assert!(!sent.contains(never), "{never} is in a trace");
    }
    assert!(!collector.bytes().windows(16).any(|bytes| bytes == person.account_id.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_a_trusted_proxy_began_is_gone_on_with() {
    let (collector, address) = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let program = traced(folder.path(), address, &["--trusted-proxy", "127.0.0.1/32"]);
    let traceparent = format!("00-{PROXY_TRACE}-{PROXY_SPAN}-01");
    let request = client().get(format!("{}/v1/devices", program.url)).header("traceparent", traceparent);
    send(request.header("tracestate", "canary=1")).await;
    program.ask_to_stop();
    program.log();
    let spans = collector.spans();
    let request = spans.iter().find(|span| span.name == "request").expect("the request is traced");
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (PROXY_TRACE.to_owned(), PROXY_SPAN.to_owned())
    );
    assert_eq!(request.trace_state, "");
    assert_ne!(request.status.as_ref().map(Status::code), Some(StatusCode::Error));
}

/// A collector that is gone costs nobody an answer.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_collector_the_server_serves() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = traced(folder.path(), gone, &[]);
    assert_eq!(send(client().get(format!("{}/readyz", program.url))).await.status, 200);
    program.ask_to_stop();
    program.log();
}
