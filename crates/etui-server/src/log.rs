//! Log lines. What a line may carry is the list of methods of [`Line`], each of which takes one type: a value gets into the log
//! because its type is on this list, never because somebody thought it harmless. No other module calls `tracing`'s macros.

use std::{error::Error, fmt, io, panic::Location, time::Duration};

use axum::extract::MatchedPath;
use etui_api::ErrorCode;
use etui_store::{Pseudonym, StoreError};
use http::{Method, StatusCode};
use tracing::Level;

use crate::{
    login::LoginError, mail::SendError, passkeys::NotBegun, token_keys::TokenKeysError, totp::TotpFault,
};

/// An error whose words may be logged: they are this program's, its libraries' or the operating system's, and quote nothing that
/// anybody sent.
pub trait LoggableCause {
    /// The error with its causes, on one line.
    fn words(&self) -> String;
}

/// What an error said, for the log alone.
#[derive(Debug, Clone)]
pub struct Cause(String);

impl Cause {
    /// Of one whose words may be logged.
    pub fn of(error: &dyn LoggableCause) -> Self {
        Self(error.words())
    }
}

macro_rules! loggable {
    ($($error:ty,)*) => {
        $(impl LoggableCause for $error {
            fn words(&self) -> String {
                chain(self)
            }
        })*
    };
}

loggable! {
    StoreError,
    LoginError,
    getrandom::Error,
    io::Error,
    NotBegun,
    TotpFault,
    TokenKeysError,
}

impl LoggableCause for serde_json::Error {
    /// Where, and nothing of what was read there.
    fn words(&self) -> String {
        format!("JSON: {:?} at line {} column {}", self.classify(), self.line(), self.column())
    }
}

impl LoggableCause for SendError {
    /// The step and the number that the mail server answered: its words may quote an address.
    fn words(&self) -> String {
        self.code().map_or_else(|| self.to_string(), |code| format!("{self}: it answered {code}"))
    }
}

/// Numbers a request; means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Which signal ends the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndingSignal {
    Terminate,
    Interrupt,
}

/// Begins a line about what goes as it should.
pub(crate) fn info(message: &'static str) -> Line {
    Line::new(Level::INFO, message)
}

/// Begins a line about what somebody should know of.
pub(crate) fn warn(message: &'static str) -> Line {
    Line::new(Level::WARN, message)
}

/// Begins a line about a failure.
pub(crate) fn error(message: &'static str) -> Line {
    Line::new(Level::ERROR, message)
}

/// A line of the log, until [`Self::write`].
#[must_use = "`write` writes it"]
pub(crate) struct Line {
    level: Level,
    message: &'static str,
    method: Option<&'static str>,
    route: Option<MatchedPath>,
    status: Option<u16>,
    code: Option<&'static str>,
    duration_us: Option<u64>,
    bytes: Option<u64>,
    request_id: Option<RequestId>,
    account: Option<Pseudonym>,
    cause: Option<Cause>,
    location: Option<String>,
    signal: Option<&'static str>,
}

impl Line {
    const fn new(level: Level, message: &'static str) -> Self {
        Self {
            level,
            message,
            method: None,
            route: None,
            status: None,
            code: None,
            duration_us: None,
            bytes: None,
            request_id: None,
            account: None,
            cause: None,
            location: None,
            signal: None,
        }
    }

    /// The method, if it is one of the usual.
    pub(crate) fn method(mut self, method: &Method) -> Self {
        self.method = Some(method_name(method));
        self
    }

    /// The route's template, such as `/v1/vaults/{vault_id}/commits`.
    pub(crate) fn route(mut self, route: Option<MatchedPath>) -> Self {
        self.route = route;
        self
    }

    pub(crate) const fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    pub(crate) fn code(mut self, code: ErrorCode) -> Self {
        self.code = Some(code.name());
        self
    }

    pub(crate) fn duration(mut self, duration: Duration) -> Self {
        self.duration_us = Some(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        self
    }

    /// Bytes of the answer's body, where known.
    pub(crate) const fn bytes(mut self, bytes: Option<u64>) -> Self {
        self.bytes = bytes;
        self
    }

    pub(crate) const fn request_id(mut self, request_id: RequestId) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// The account by its pseudonym, where one is known.
    pub(crate) const fn account(mut self, account: Option<Pseudonym>) -> Self {
        self.account = account;
        self
    }

    pub(crate) fn cause(mut self, cause: Option<Cause>) -> Self {
        self.cause = cause;
        self
    }

    /// A place in this program's source.
    pub(crate) fn location(mut self, location: Option<&Location<'_>>) -> Self {
        self.location = location.map(ToString::to_string);
        self
    }

    pub(crate) const fn signal(mut self, signal: EndingSignal) -> Self {
        self.signal = Some(match signal {
            EndingSignal::Terminate => "SIGTERM",
            EndingSignal::Interrupt => "SIGINT",
        });
        self
    }

    /// Writes the line.
    pub(crate) fn write(self) {
        let request_id = self.request_id.map(|id| id.to_string());
        let account = self.account.map(|account| account.to_string());
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    message = self.message,
                    method = self.method,
                    route = self.route.as_ref().map(MatchedPath::as_str),
                    status = self.status,
                    code = self.code,
                    duration_us = self.duration_us,
                    bytes = self.bytes,
                    request_id,
                    account,
                    cause = self.cause.as_ref().map(|cause| cause.0.as_str()),
                    location = self.location,
                    signal = self.signal,
                )
            };
        }
        // The level is part of what the compiler writes down about an event.
        match self.level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            _ => event!(Level::INFO),
        }
    }
}

/// Only names that exist: a made-up method could carry anything into the log.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
