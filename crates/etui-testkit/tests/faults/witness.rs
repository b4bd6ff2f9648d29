//! What was seen on the wires of a run, and whether it may be.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use etui_testkit::{Exchange, Wire};

/// Within this the server answers, whatever is broken: `docs/guide/self-hosting.md` promises it.
const LONGEST_ANSWER: Duration = Duration::from_mins(1);
/// A request that takes longer is held up by a fault.
const UNUSUAL: Duration = Duration::from_secs(1);

/// What else than `503` with `Retry-After` may be seen.
#[derive(Default)]
pub(crate) struct Expected {
    /// A node is killed: its connections break, and the balancer says so.
    pub(crate) broken_connections: bool,
    /// The storage is full.
    pub(crate) full: bool,
    /// Clocks differ: what one node has signed has expired for the other.
    pub(crate) expired: bool,
}

/// One run's.
pub(crate) struct Witness {
    name: &'static str,
    pushes: usize,
    seed: usize,
    began: Instant,
    faults: Vec<(Instant, Option<Instant>)>,
}

impl Witness {
    pub(crate) fn new(name: &'static str, pushes: usize, seed: usize) -> Self {
        Self { name, pushes, seed, began: Instant::now(), faults: Vec::new() }
    }

    pub(crate) fn fault_begins(&mut self) {
        self.faults.push((Instant::now(), None));
    }

    pub(crate) fn fault_ends(&mut self) {
        self.faults.last_mut().expect("one has begun").1 = Some(Instant::now());
    }

    /// Whether a request has failed since the fault began.
    pub(crate) fn sees_failure(&self, wires: &[Wire]) -> bool {
        self.in_last_fault(wires).iter().any(has_failed)
    }

    /// Whether a request has failed or waits for unusually long.
    pub(crate) fn sees_delay(&self, wires: &[Wire]) -> bool {
        self.in_last_fault(wires).iter().any(|exchange| has_failed(exchange) || waited(exchange) > UNUSUAL)
    }

    fn in_last_fault(&self, wires: &[Wire]) -> Vec<Exchange> {
        let (began, _) = self.faults.last().expect("one has begun");
        let mut all = all(wires);
        all.retain(|exchange| exchange.asked_at + waited(exchange) >= *began);
        all
    }

    /// The verdict, and the figures for whoever looks at them.
    pub(crate) fn judge(&self, wires: &[Wire], pushes: usize, expected: &Expected) {
        let all = all(wires);
        let mut kinds = BTreeMap::<String, usize>::new();
        for exchange in &all {
            if let Some(kind) = kind(exchange) {
                *kinds.entry(kind).or_default() += 1;
            }
            assert!(is_expected(exchange, expected), "unexpected: {}", told(exchange));
        }
        let longest = all.iter().map(waited).max().unwrap_or_default();
        self.report(pushes, &all, &kinds, longest);
        assert!(longest < LONGEST_ANSWER, "a request took {longest:?}");
        let is_felt = |exchange: &Exchange| {
            has_failed(exchange) || waited(exchange) > UNUSUAL || exchange.status == 401
        };
        assert!(self.faults.iter().any(|fault| during(&all, *fault).any(is_felt)), "nobody felt the fault");
    }

    fn report(&self, pushes: usize, all: &[Exchange], kinds: &BTreeMap<String, usize>, longest: Duration) {
        let mut line = format!(
            "{}: {pushes} pushes in {} s, {} faults, {} requests, the longest took {} ms",
            self.name,
            self.began.elapsed().as_secs(),
            self.faults.len(),
            all.len(),
            longest.as_millis()
        );
        for (kind, count) in kinds {
            write!(line, "; {kind}: {count}").expect("text can be written");
        }
        print(&line);
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { name, pushes, seed, .. } = self;
            print(&format!(
                "to try this again: cargo xtask faults --only {name} --pushes {pushes} --seed {seed}"
            ));
        }
    }
}

fn during(all: &[Exchange], (began, ended): (Instant, Option<Instant>)) -> impl Iterator<Item = &Exchange> {
    let ended = ended.unwrap_or_else(Instant::now);
    all.iter()
        .filter(move |exchange| exchange.asked_at <= ended && exchange.asked_at + waited(exchange) >= began)
}

fn all(wires: &[Wire]) -> Vec<Exchange> {
    wires.iter().flat_map(Wire::traffic).collect()
}

fn waited(exchange: &Exchange) -> Duration {
    exchange.waited.unwrap_or_else(|| exchange.asked_at.elapsed())
}

fn has_failed(exchange: &Exchange) -> bool {
    exchange.status >= 500 || is_broken(exchange)
}

/// The connection ended without an answer, and not because whoever asked went away.
fn is_broken(exchange: &Exchange) -> bool {
    exchange.status == 0 && exchange.waited.is_some() && !exchange.is_given_up
}

/// Nodes number their answers; what has no number is the balancer's own.
fn is_of_balancer(exchange: &Exchange) -> bool {
    exchange.status != 0 && !exchange.answer_headers.contains("x-request-id:")
}

fn kind(exchange: &Exchange) -> Option<String> {
    match exchange.status {
        _ if is_broken(exchange) => Some("broken connection".to_owned()),
        status if status >= 500 && is_of_balancer(exchange) => Some(format!("{status} of the balancer")),
        status if status >= 400 => Some(status.to_string()),
        _ => None,
    }
}

fn is_expected(exchange: &Exchange, expected: &Expected) -> bool {
    let asks_back = exchange.answer_headers.contains("retry-after:");
    match exchange.status {
        _ if is_broken(exchange) => expected.broken_connections,
        502 | 503 if is_of_balancer(exchange) => expected.broken_connections,
        503 => asks_back,
        507 => expected.full,
        401 => expected.expired,
        // Another client was quicker.
        409 => true,
        status => status < 400,
    }
}

fn told(exchange: &Exchange) -> String {
    let Exchange { method, path, status, answer_headers, .. } = exchange;
    format!("{method} {path}: {status} after {:?}\n{answer_headers}", waited(exchange))
}

#[expect(clippy::print_stderr, reason = "a test's own output")]
fn print(line: &str) {
    eprintln!("{line}");
}
