//! A malicious server: the honest one, with named changes in its answers.
//!
//! A [`Mutation`] is one thing that such a server does. It sees the question, the server's honest answer, and all that
//! has passed before, and gives another answer. Mutations are values: they can be joined, limited, and switched on and
//! off in time ([`Wire::tell`](crate::Wire::tell)).

mod answers;
pub mod catalogue;
pub mod script;

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, StatusCode, Uri};

use crate::Exchange;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What came after a head of a vault.
    Pull,
    /// What came after a state, or the newest one.
    States,
    /// What a device needs to unlock.
    Keysets,
    /// A session of its own.
    Session,
    /// That something is taken: a state, a commit, what heals.
    Upload,
    /// A stream of news. What it says is never believed, only taken as a reason to ask.
    Events,
    /// Anything else.
    Other,
}

/// What a device asks.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The query; empty if there is none.
    pub query: &'a str,
    /// What passed before this question.
    pub earlier: &'a [Exchange],
}

/// What it is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection ends instead of an answer.
    pub hangs_up: bool,
    /// What comes after the body.
    pub ending: Ending,
}

/// What comes after the body of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// The end, as it should be.
    #[default]
    Whole,
    /// The connection breaks in the middle.
    BreaksOff,
    /// Nothing more, and no end either.
    Stalls,
}

/// One thing that a malicious server does.
#[derive(Clone)]
pub struct Mutation {
    name: Cow<'static, str>,
    parts: Vec<Part>,
}

#[derive(Clone)]
struct Part {
    concerns: Arc<Concerns>,
    /// Whether the honest server is asked at all.
    asks: bool,
    alter: Arc<Alter>,
}

type Concerns = dyn Fn(&Question<'_>) -> bool + Send + Sync;
type Alter = dyn Fn(&Question<'_>, Answer) -> Answer + Send + Sync;

impl Mutation {
    /// A mutation of the answers to those questions that it concerns. Streams of news pass as they are.
    pub fn new(
        name: &'static str,
        concerns: fn(Subject) -> bool,
        alter: impl Fn(&Question<'_>, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::on(name, true, move |question| concerns(question.subject()), alter)
    }

    /// An answer that is given without the honest server hearing of the question: `alter` begins with an empty one.
    pub fn unasked(
        name: &'static str,
        concerns: fn(Subject) -> bool,
        alter: impl Fn(&Question<'_>, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::on(name, false, move |question| concerns(question.subject()), alter)
    }

    /// A mutation of the answers to any questions; `asks` says whether the honest server hears of them.
    pub fn on(
        name: impl Into<Cow<'static, str>>,
        asks: bool,
        concerns: impl Fn(&Question<'_>) -> bool + Send + Sync + 'static,
        alter: impl Fn(&Question<'_>, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let part = Part { concerns: Arc::new(concerns), asks, alter: Arc::new(alter) };
        Self { name: name.into(), parts: vec![part] }
    }

    /// What the server does, in words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// This one, and then another on what it gave.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Only the first so many answers of those that it would alter.
    #[must_use]
    pub fn times(self, limit: usize) -> Self {
        self.counted(move |before| before < limit)
    }

    /// Only what comes after so many answers that it would have altered.
    #[must_use]
    pub fn after(self, honest: usize) -> Self {
        self.counted(move |before| before >= honest)
    }

    /// Only while something is so.
    #[must_use]
    pub fn while_(mut self, is_so: impl Fn(&Question<'_>) -> bool + Clone + Send + Sync + 'static) -> Self {
        for part in &mut self.parts {
            let (concerns, is_so) = (Arc::clone(&part.concerns), is_so.clone());
            part.concerns = Arc::new(move |question| concerns(question) && is_so(question));
        }
        self
    }

    /// Alters an answer if that is wanted with so many before it that it would have altered.
    fn counted(mut self, is_wanted: impl Fn(usize) -> bool + Copy + Send + Sync + 'static) -> Self {
        for part in &mut self.parts {
            let (alter, before) = (Arc::clone(&part.alter), AtomicUsize::new(0));
            part.alter = Arc::new(move |question, honest| {
                let altered = alter(question, honest.clone());
                let is_told = altered != honest && is_wanted(before.fetch_add(1, Ordering::SeqCst));
                if is_told { altered } else { honest }
            });
        }
        self
    }

    /// Whether it has something to say to the question. Streams of news pass as they are.
    pub fn concerns(&self, question: &Question<'_>) -> bool {
        question.subject() != Subject::Events && self.parts.iter().any(|part| (part.concerns)(question))
    }

    /// Whether the honest server hears of the question.
    pub fn asks(&self, question: &Question<'_>) -> bool {
        self.parts.iter().all(|part| part.asks || !(part.concerns)(question))
    }

    /// What the malicious server answers in place of the honest answer.
    pub fn alter(&self, question: &Question<'_>, honest: Answer) -> Answer {
        let parts = self.parts.iter().filter(|part| (part.concerns)(question));
        parts.fold(honest, |answer, part| (part.alter)(question, answer))
    }
}

impl<'a> Question<'a> {
    pub(crate) fn new(method: &'a str, uri: &'a Uri, earlier: &'a [Exchange]) -> Self {
        Self { method, path: uri.path(), query: uri.query().unwrap_or_default(), earlier }
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        match (self.method, self.path) {
            ("GET", path) if path.starts_with("/v1/vaults/") && path.ends_with("/changes") => Subject::Pull,
            ("GET", "/v1/states") => Subject::States,
            ("GET", "/v1/keysets") => Subject::Keysets,
            ("GET", "/v1/events") => Subject::Events,
            (_, path) if path.starts_with("/v1/sessions") => Subject::Session,
            ("POST", _) => Subject::Upload,
            _ => Subject::Other,
        }
    }
}
