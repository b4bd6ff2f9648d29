//! What the store counts, for whoever watches it. Labels come from short lists; nothing here names an account or an object.

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use sea_orm::{DatabaseConnection, DbBackend};

use crate::StoreError;

/// Upper bounds in seconds: a local file answers within the first, a bucket that hangs within the last.
const REQUEST_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 20.0];

/// Everything that is counted. Every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pushes: Family<Outcome, Counter>,
    pulls: Family<Kind, Counter>,
    pub(crate) records_written: Counter,
    pub(crate) records_read: Counter,
    pub(crate) segments_written: Counter,
    pub(crate) segments_read: Counter,
    cache_lookups: Family<Outcome, Counter>,
    object_requests: Family<OperationOutcome, Counter>,
    object_request_seconds: Family<Operation, Histogram, fn() -> Histogram>,
    /// Whoever waits to begin a transaction: for the turn to write, or for a connection.
    waiting: Gauge,
}

/// What a pull gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pull {
    Whole,
    Delta,
    Nothing,
}

impl Pull {
    const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Delta => "delta",
            Self::Nothing => "nothing",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationOutcome {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// What the store itself asks of an object store.
pub(crate) const OPERATIONS: [&str; 6] = ["put", "get", "list", "delete", "copy", "put_multipart"];

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            pushes: Family::default(),
            pulls: Family::default(),
            records_written: Counter::default(),
            records_read: Counter::default(),
            segments_written: Counter::default(),
            segments_read: Counter::default(),
            cache_lookups: Family::default(),
            object_requests: Family::default(),
            object_request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            waiting: Gauge::default(),
        };
        metrics.begin_at_zero();
        metrics
    }

    /// A series that appears with its first event has no rate at that moment, which is when somebody wants to know.
    fn begin_at_zero(&self) {
        for outcome in ["taken", "refused", "failed"] {
            drop(self.pushes.get_or_create(&Outcome { outcome }));
        }
        for pull in [Pull::Whole, Pull::Delta, Pull::Nothing] {
            drop(self.pulls.get_or_create(&Kind { kind: pull.name() }));
        }
        for outcome in ["hit", "miss"] {
            drop(self.cache_lookups.get_or_create(&Outcome { outcome }));
        }
        for operation in OPERATIONS {
            for outcome in ["done", "failed"] {
                drop(self.object_requests.get_or_create(&OperationOutcome { operation, outcome }));
            }
            drop(self.object_request_seconds.get_or_create(&Operation { operation }));
        }
    }

    pub(crate) fn pushed<T>(&self, result: &Result<T, StoreError>) {
        let outcome = match result {
            Ok(_) => "taken",
            Err(error) if error.failure().is_some() => "failed",
            Err(_) => "refused",
        };
        self.pushes.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn pulled(&self, pull: Pull) {
        self.pulls.get_or_create(&Kind { kind: pull.name() }).inc();
    }

    pub(crate) fn looked_up(&self, found: bool) {
        self.cache_lookups.get_or_create(&Outcome { outcome: if found { "hit" } else { "miss" } }).inc();
    }

    pub(crate) fn asked_objects(&self, operation: &'static str, failed: bool) {
        let outcome = if failed { "failed" } else { "done" };
        self.object_requests.get_or_create(&OperationOutcome { operation, outcome }).inc();
    }

    pub(crate) fn objects_answered(&self, operation: &'static str, took: Duration) {
        self.object_request_seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// Counts the caller among those who wait, until the value is dropped.
    pub(crate) fn wait(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    pub(crate) fn register(&self, registry: &mut Registry, database: &DatabaseConnection) {
        registry.register("pushes", "Commits that were brought, by what became of them", self.pushes.clone());
        registry.register("pulls", "Answers to devices that asked what is new", self.pulls.clone());
        registry.register("records_written", "Sealed records that were stored", self.records_written.clone());
        registry.register("records_read", "Sealed records that were given out", self.records_read.clone());
        registry.register("segments_written", "Segments that were stored", self.segments_written.clone());
        registry.register("segments_read", "Ranges of segments that were read", self.segments_read.clone());
        let help = "Pieces of segments that were looked for in memory";
        registry.register("cache_lookups", help, self.cache_lookups.clone());
        let help = "Requests to the object store";
        registry.register("object_store_requests", help, self.object_requests.clone());
        let help = "How long requests to the object store took";
        let seconds = self.object_request_seconds.clone();
        registry.register_with_unit("object_store_request_duration", help, Unit::Seconds, seconds);
        let help =
            "Transactions that wait to begin: for a connection or, with SQLite, for their turn to write";
        registry.register("database_waiting", help, self.waiting.clone());
        registry.register_collector(Box::new(Pool(database.clone())));
    }
}

/// Somebody who waits.
pub(crate) struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The connections to the database, as they are when somebody asks.
struct Pool(DatabaseConnection);

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pool(…)")
    }
}

impl Collector for Pool {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (size, idle, most) = if self.0.get_database_backend() == DbBackend::Sqlite {
            let pool = self.0.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle(), pool.options().get_max_connections())
        } else {
            let pool = self.0.get_postgres_connection_pool();
            (pool.size(), pool.num_idle(), pool.options().get_max_connections())
        };
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        let connections = Family::<State, Gauge>::default();
        connections.get_or_create(&State { state: "idle" }).set(idle);
        connections.get_or_create(&State { state: "used" }).set(i64::from(size).saturating_sub(idle));
        let help = "Open connections to the database";
        let family =
            encoder.encode_descriptor("database_connections", help, None, connections.metric_type())?;
        connections.encode(family)?;
        let most = ConstGauge::new(i64::from(most));
        let help = "Connections to the database that may be open at once";
        let gauge = encoder.encode_descriptor("database_connections_max", help, None, most.metric_type())?;
        most.encode(gauge)
    }
}
