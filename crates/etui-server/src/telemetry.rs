//! Logs: one JSON object a line on standard error, with an allow-list of fields.
//!
//! [`crate::log`] has the types that a line may carry. Whatever an event carries beyond [`ALLOWED`] is dropped besides, and so
//! is every event of another crate. No e-mail address, no network address, no id of an account or an object, no header and no
//! raw path is on either list.

use std::{
    fmt,
    io::{self, Write},
    sync::Mutex,
};

use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::set_global_default,
};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    layer::{Context, SubscriberExt as _},
    registry,
    registry::LookupSpan,
};

use crate::log;

pub(crate) mod traces;

pub(crate) use traces::Traces;
pub use traces::TracesError;

/// Every field that an event may carry into the log.
const ALLOWED: [&str; 12] = [
    "message",     // a constant sentence
    "method",      // one of the usual names, else "other"
    "route",       // the route's template, such as /v1/vaults/{vault_id}/commits
    "status",      // the HTTP status
    "code",        // the problem's code
    "duration_us", // until the head of the answer, in microseconds
    "bytes",       // of the answer's body, where known
    "request_id",  // a number that means nothing elsewhere
    "account",     // its pseudonym
    "cause",       // what the database or the file system said
    "location",    // file and line of a panic
    "signal",      // which signal ended the server
];

/// Begins to log to standard error and, if an endpoint is given, to send traces there, once per process and within a runtime;
/// panics are logged with their place and without their message, which could quote anything.
///
/// # Errors
/// [`TracesError`].
pub(crate) fn install(
    level: LevelFilter,
    otlp_endpoint: Option<&str>,
) -> Result<Option<Traces>, TracesError> {
    let traces = otlp_endpoint.map(Traces::to).transpose()?;
    let out = Box::new(io::stderr());
    let installed = match &traces {
        Some(traces) => set_global_default(registry().with(traces.layer()).with(lines(out, level))),
        // Beside an `Option` of a layer that is none, every span would be made.
        None => set_global_default(registry().with(lines(out, level))),
    };
    // A second installation in one process (tests do that) keeps the first.
    drop(installed);
    std::panic::set_hook(Box::new(|panic| {
        log::error("panicked").location(panic.location()).write();
    }));
    Ok(traces)
}

/// Lines up to this level. Spans are no lines: where nothing else takes them, none is made.
fn lines<S>(out: Box<dyn Write + Send>, level: LevelFilter) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let events = filter_fn(move |metadata| metadata.is_event() && *metadata.level() <= level);
    JsonLines::new(out).with_filter(events.with_max_level_hint(level))
}

/// The layer that writes. Public for tests that read what was logged.
pub struct JsonLines {
    out: Mutex<Box<dyn Write + Send>>,
}

impl JsonLines {
    /// Writes lines to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if !event.metadata().target().starts_with("etui_") {
            return;
        }
        let mut line = Allowed(Map::new());
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        line.0.insert("time".to_owned(), now.into());
        line.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        event.record(&mut line);
        let mut text = Value::Object(line.0).to_string();
        text.push('\n');
        // Nowhere to go with the news that the log cannot be written.
        if let Ok(mut out) = self.out.lock() {
            drop(out.write_all(text.as_bytes()));
        }
    }
}

struct Allowed(Map<String, Value>);

impl Allowed {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        if ALLOWED.contains(&field.name()) {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Allowed {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        panic::Location,
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    };

    use http::{Method, StatusCode};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(work: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let subscriber = registry().with(JsonLines::new(Box::new(lines.clone())));
        tracing::subscriber::with_default(subscriber, work);
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        serde_json::from_str(&written).unwrap()
    }

    fn names(line: &Value) -> Vec<&str> {
        line.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn without_traces_no_span_is_made() {
        let subscriber = registry().with(lines(Box::new(io::sink()), LevelFilter::INFO));
        tracing::subscriber::with_default(subscriber, || assert!(traces::hashing().is_disabled()));
    }

    #[test]
    fn only_listed_fields_of_our_own_events_are_written() {
        let line = written(|| {
            tracing::info!(status = 200, email = "ada@example.org", "answered");
            tracing::info!(target: "sqlx::query", "select secret");
        });
        assert_eq!(names(&line), ["level", "message", "status", "time"]);
        assert_eq!(line["status"], 200);
    }

    #[test]
    fn a_line_has_what_was_given_and_nothing_else() {
        let line = written(|| {
            log::error("failed")
                .method(&Method::from_bytes(b"CANARY").unwrap())
                .status(StatusCode::CONFLICT)
                .code(etui_api::ErrorCode::Internal)
                .duration(Duration::from_millis(3))
                .bytes(Some(7))
                .request_id(log::RequestId(10))
                .cause(Some(log::Cause::of(&io::Error::other("broken"))))
                .location(Some(Location::caller()))
                .signal(log::EndingSignal::Interrupt)
                .write();
        });
        let expected = [
            "bytes",
            "cause",
            "code",
            "duration_us",
            "level",
            "location",
            "message",
            "method",
            "request_id",
            "signal",
            "status",
            "time",
        ];
        assert_eq!(names(&line), expected);
        assert_eq!((&line["level"], &line["method"]), (&"ERROR".into(), &"other".into()));
        assert_eq!((&line["duration_us"], &line["request_id"]), (&3000.into(), &"000000000000000a".into()));
    }

    #[test]
    fn what_json_could_not_be_read_is_not_quoted() {
        let error = serde_json::from_str::<Vec<u64>>(r#"["CANARY"]"#).unwrap_err();
        assert!(error.to_string().contains("CANARY"));
        let line = written(|| log::warn("failed").cause(Some(log::Cause::of(&error))).write());
        assert_eq!(line["cause"], "JSON: Data at line 1 column 9");
    }

    /// The compiler checks what a [`log::Line`] carries; this, that there is no other way into the log.
    #[test]
    fn nothing_is_logged_but_through_the_list_of_types() {
        const ALLOWED: [&str; 8] = [
            "etui-server/src/envelope.rs", // puts a request into its span
            "etui-server/src/log.rs",
            "etui-server/src/login.rs",    // the same
            "etui-server/src/settings.rs", // names a level
            "etui-server/src/telemetry.rs",
            "etui-server/src/telemetry/traces.rs",
            "etui-store/src/notice.rs",
            "etui-store/src/span.rs",
        ];
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut seen = 0;
        for part in ["etui-server", "etui-store", "etui-api", "etui-chain"] {
            for file in sources(&crates.join(part).join("src")) {
                seen += 1;
                let name = file.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&file).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                for line in code.filter(|line| line.contains("tracing::") || line.contains("use tracing")) {
                    assert!(ALLOWED.contains(&name.as_str()), "{name}: use `crate::log` for: {line}");
                }
            }
        }
        assert!(seen > 100, "{seen} files are not all");
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
        folders.iter().flat_map(|folder| sources(folder)).chain(files).collect()
    }
}
