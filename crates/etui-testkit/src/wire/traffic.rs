//! What has passed over a wire.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use http::{HeaderMap, StatusCode, request};

use super::locked;

/// One request and its answer, as they passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request's method.
    pub method: String,
    /// The request's path with its query.
    pub path: String,
    /// The request's headers, one a line.
    pub request_headers: String,
    /// The request's body.
    pub request_body: Vec<u8>,
    /// The answer's status; 0 while there is none.
    pub status: u16,
    /// When it was asked.
    pub asked_at: Instant,
    /// How long until the head of the answer was there, or until it was clear that none comes; `None` until then.
    pub waited: Option<Duration>,
    /// When the answer broke off, if it did.
    pub cut_short_at: Option<Instant>,
    /// Whether whoever asked did not wait for the answer.
    pub is_given_up: bool,
    /// The answer's headers, one a line.
    pub answer_headers: String,
    /// The answer's body, as far as it has passed.
    pub answer_body: Vec<u8>,
    /// Whether the answer is another one than the server's.
    pub is_altered: bool,
}

/// The recording of a wire.
#[derive(Default)]
pub(super) struct Traffic {
    exchanges: Mutex<Vec<Exchange>>,
    has_no_bodies: bool,
    observer: Option<Box<Observer>>,
}

/// Is shown each exchange when its answer begins, or when it is clear that none comes.
pub type Observer = dyn Fn(&Exchange) + Send + Sync;

/// The place of an exchange in the recording.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

impl Exchange {
    /// Everything that went from the device to the server.
    pub fn sent(&self) -> Vec<u8> {
        let head = format!("{} {}\n{}\n", self.method, self.path, self.request_headers);
        [head.as_bytes(), &self.request_body].concat()
    }

    /// Everything that came back.
    pub fn received(&self) -> Vec<u8> {
        let head = format!("{}\n{}\n", self.status, self.answer_headers);
        [head.as_bytes(), &self.answer_body].concat()
    }
}

impl Traffic {
    #[cfg(feature = "services-tests")]
    pub(super) fn of_heads() -> Self {
        Self { has_no_bodies: true, ..Self::default() }
    }

    pub(super) fn observed_by(observer: Box<Observer>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    pub(super) fn all(&self) -> Vec<Exchange> {
        locked(&self.exchanges).clone()
    }

    pub(super) fn begin(&self, parts: &request::Parts, body: &[u8]) -> Place {
        let mut all = locked(&self.exchanges);
        all.push(Exchange {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            request_headers: lines(&parts.headers),
            request_body: if self.has_no_bodies { Vec::new() } else { body.to_vec() },
            status: 0,
            asked_at: Instant::now(),
            waited: None,
            cut_short_at: None,
            is_given_up: false,
            answer_headers: String::new(),
            answer_body: Vec::new(),
            is_altered: false,
        });
        Place(all.len() - 1)
    }

    pub(super) fn answer(&self, Place(place): Place, status: StatusCode, headers: &HeaderMap, altered: bool) {
        let exchange = &mut locked(&self.exchanges)[place];
        exchange.waited = Some(exchange.asked_at.elapsed());
        exchange.status = status.as_u16();
        exchange.answer_headers = lines(headers);
        exchange.is_altered = altered;
        self.show(exchange);
    }

    /// There is no answer.
    pub(super) fn fail(&self, Place(place): Place) {
        let exchange = &mut locked(&self.exchanges)[place];
        exchange.waited = Some(exchange.asked_at.elapsed());
        self.show(exchange);
    }

    /// There was an answer, and it is not given.
    pub(super) fn hang_up(&self, Place(place): Place) {
        let exchange = &mut locked(&self.exchanges)[place];
        exchange.waited = Some(exchange.asked_at.elapsed());
        exchange.is_altered = true;
        self.show(exchange);
    }

    fn show(&self, exchange: &Exchange) {
        if let Some(observer) = &self.observer {
            observer(exchange);
        }
    }

    /// The answer has broken off.
    pub(super) fn cut_short(&self, Place(place): Place) {
        locked(&self.exchanges)[place].cut_short_at = Some(Instant::now());
    }

    /// Nobody waits for the answer any more, unless it is there.
    pub(super) fn give_up(&self, Place(place): Place) {
        let exchange = &mut locked(&self.exchanges)[place];
        if exchange.waited.is_none() {
            exchange.waited = Some(exchange.asked_at.elapsed());
            exchange.is_given_up = true;
        }
    }

    pub(super) fn body(&self, Place(place): Place, bytes: &[u8]) {
        if !self.has_no_bodies {
            locked(&self.exchanges)[place].answer_body.extend_from_slice(bytes);
        }
    }
}

fn lines(headers: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}
