//! What is counted for whoever watches the server, in the words of Prometheus. Labels come from short lists: no id, address or
//! name is ever one.

use std::{sync::atomic::AtomicU64, time::Duration};

use axum::extract::MatchedPath;
use etui_api::{ErrorCode, session};
use etui_store::{Store, StoreError};
use http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use tokio::{sync::Mutex, time::Instant};

use crate::{app::App, clock, log::method_name, mail::Post, settings::Settings};

mod bodies;
mod listener;
mod process;

pub(crate) use bodies::counted;
pub(crate) use listener::serve;

use process::Process;

/// Upper bounds in seconds, until the head of an answer.
const ANSWER_SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Between two counts of what is in the database, whoever asks.
const BETWEEN_COUNTS: Duration = Duration::from_mins(1);
/// The label of a request that no route took.
const NO_ROUTE: &str = "-";

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    pub(crate) running: Gauge,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    problems: Family<CodeLabels, Counter>,
    store_failures: Family<KindLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    sign_ins: Family<SignInLabels, Counter>,
    refreshes: Family<OutcomeLabels, Counter>,
    job_successes: Family<JobLabels, Gauge>,
    job_seconds: Family<JobLabels, Gauge<f64, AtomicU64>>,
    job_failures: Family<JobLabels, Counter>,
    accounts: Gauge,
    sessions: Gauge,
    counted: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    target: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignInLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    /// Not `job`, which is what a collector calls the whole server.
    name: &'static str,
}

impl Metrics {
    /// At zero. `certificate_ends_s`: when the server's own certificate ends, in seconds since 1970.
    pub(crate) fn new(
        store: &Store,
        post: Option<&Post>,
        settings: &Settings,
        certificate_ends_s: Option<u64>,
    ) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(ANSWER_SECONDS)),
            running: Gauge::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            problems: Family::default(),
            store_failures: Family::default(),
            attempts: Family::default(),
            sign_ins: Family::default(),
            refreshes: Family::default(),
            job_successes: Family::default(),
            job_seconds: Family::default(),
            job_failures: Family::default(),
            accounts: Gauge::default(),
            sessions: Gauge::default(),
            counted: Mutex::default(),
        };
        metrics.begin_at_zero();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::new(settings.data.clone())));
        let ours = registry.sub_registry_with_prefix("etui");
        metrics.register(ours);
        if let Some(ends_s) = certificate_ends_s {
            let gauge: Gauge = Gauge::default();
            gauge.set(ends_s.cast_signed());
            let help = "When the server's own certificate ends, in seconds since 1970";
            ours.register("tls_certificate_end_timestamp_seconds", help, gauge);
        }
        store.register_metrics(ours);
        if let Some(post) = post {
            post.register(ours);
        }
        metrics.registry = registry;
        metrics
    }

    /// A series that appears with its first event has no rate at that moment, which is when somebody wants to know.
    fn begin_at_zero(&self) {
        for code in ErrorCode::ALL {
            drop(self.problems.get_or_create(&CodeLabels { code: code.name() }));
        }
        for kind in StoreError::FAILURES {
            drop(self.store_failures.get_or_create(&KindLabels { kind }));
        }
        for method in session::Method::ALL {
            for outcome in ["done", "second_factor_asked", "refused"] {
                drop(self.sign_ins.get_or_create(&SignInLabels { method: method.name(), outcome }));
            }
        }
        for outcome in ["rotated", "reused", "unknown"] {
            drop(self.refreshes.get_or_create(&OutcomeLabels { outcome }));
        }
    }

    fn register(&self, registry: &mut Registry) {
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the program", build);
        registry.register("requests", "Requests that were answered", self.requests.clone());
        let (help, seconds) = ("Until the head of the answer", self.request_seconds.clone());
        registry.register_with_unit("request_duration", help, Unit::Seconds, seconds);
        registry.register("requests_running", "Requests that wait for their answer", self.running.clone());
        registry.register("received_bytes", "Bytes of requests' bodies", self.received_bytes.clone());
        registry.register("sent_bytes", "Bytes of answers' bodies", self.sent_bytes.clone());
        registry.register("problems", "Answers that were problem documents", self.problems.clone());
        let help = "Failures of database, object store and disk";
        registry.register("store_failures", help, self.store_failures.clone());
        let help = "Tries at a secret: begun, slowed down by a limit, succeeded, not looked at";
        registry.register("attempts", help, self.attempts.clone());
        let help = "Proven ways of signing in, by what became of them";
        registry.register("sign_ins", help, self.sign_ins.clone());
        registry.register("refreshes", "Refresh tokens that were shown", self.refreshes.clone());
        let help = "When a job last did all that was due, in seconds since 1970";
        registry.register("job_last_success_timestamp_seconds", help, self.job_successes.clone());
        let help = "How long a job took the last time";
        registry.register_with_unit("job_last_duration", help, Unit::Seconds, self.job_seconds.clone());
        registry.register("job_failures", "Times that a job failed", self.job_failures.clone());
        registry.register("accounts", "Accounts", self.accounts.clone());
        registry.register("sessions", "Sessions that have not ended", self.sessions.clone());
    }

    /// A request was answered.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&MatchedPath>,
        status: StatusCode,
        took: Duration,
    ) {
        let method = method_name(method);
        let labels = RouteLabels { method, route: route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned() };
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = RequestLabels { method, route: labels.route, status: status_class(status) };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn problem(&self, code: ErrorCode) {
        self.problems.get_or_create(&CodeLabels { code: code.name() }).inc();
    }

    /// Something failed below the API; what is an answer is none.
    pub(crate) fn store_failed(&self, kind: Option<&'static str>) {
        if let Some(kind) = kind {
            self.store_failures.get_or_create(&KindLabels { kind }).inc();
        }
    }

    /// A try at a secret.
    pub(crate) fn attempt(&self, target: &'static str, outcome: &'static str) {
        self.attempts.get_or_create(&AttemptLabels { target, outcome }).inc();
    }

    /// Somebody has been proven to hold an account.
    pub(crate) fn signed_in(&self, method: session::Method, outcome: &'static str) {
        self.sign_ins.get_or_create(&SignInLabels { method: method.name(), outcome }).inc();
    }

    pub(crate) fn refreshed(&self, outcome: &'static str) {
        self.refreshes.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// A job is over for this time.
    pub(crate) fn job(&self, job: &'static str, took: Duration, succeeded: bool) {
        let labels = JobLabels { name: job };
        self.job_seconds.get_or_create(&labels).set(took.as_secs_f64());
        let failures = self.job_failures.get_or_create(&labels);
        if succeeded {
            self.job_successes.get_or_create(&labels).set(clock::now_s().cast_signed());
        } else {
            failures.inc();
        }
    }

    /// All of it, as OpenMetrics.
    pub(crate) async fn scrape(&self, app: &App) -> String {
        self.count(app).await;
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }

    async fn count(&self, app: &App) {
        let store = &app.store;
        let mut counted = self.counted.lock().await;
        if counted.is_some_and(|counted| counted.elapsed() < BETWEEN_COUNTS) {
            return;
        }
        *counted = Some(Instant::now());
        match store.counts(&store.operator(), clock::now_ms()).await {
            Ok(counts) => {
                self.accounts.set(counts.accounts.cast_signed());
                self.sessions.set(counts.sessions.cast_signed());
            }
            Err(error) => self.store_failed(error.failure()),
        }
        if let Some(post) = &app.post
            && let Err(error) = post.count(store).await
        {
            self.store_failed(error.failure());
        }
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
