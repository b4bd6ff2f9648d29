//! Logs: one JSON object a line on standard error, with an allow-list of fields.
//!
//! Whatever an event carries beyond [`ALLOWED`] is dropped, and so is every event of another crate: a value gets into
//! the log because somebody put its name on this list, never because nobody thought of it. No e-mail address, no
//! network address, no id of an account or an object, no header and no raw path is on it.

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
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry};

/// Every field that an event may carry into the log.
const ALLOWED: [&str; 11] = [
    "message",     // a constant sentence
    "method",      // one of the usual names, else "other"
    "route",       // the route's template, such as /v1/vaults/{vault_id}/commits
    "status",      // the HTTP status
    "code",        // the problem's code
    "duration_us", // until the head of the answer, in microseconds
    "bytes",       // of the answer's body, where known
    "request_id",  // a number that means nothing elsewhere
    "cause",       // what the database or the file system said
    "location",    // file and line of a panic
    "signal",      // which signal ended the server
];

/// Begins to log to standard error, once per process; panics are logged with their place and without their message,
/// which could quote anything.
pub fn install(level: LevelFilter) {
    let layer = JsonLines::new(Box::new(io::stderr())).with_filter(level);
    // A second installation in one process (tests do that) keeps the first.
    drop(tracing::subscriber::set_global_default(registry().with(layer)));
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
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
    use std::sync::Arc;

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

    #[test]
    fn only_listed_fields_of_our_own_events_are_written() {
        let lines = Lines::default();
        let subscriber = registry().with(JsonLines::new(Box::new(lines.clone())));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(status = 200, email = "ada@example.org", "answered");
            tracing::info!(target: "sqlx::query", "select secret");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(&written).unwrap();
        let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["level", "message", "status", "time"]);
        assert_eq!(line["status"], 200);
    }
}
