//! How long a device waits for a server that says nothing.

use std::time::Duration;

/// How long each thing may take. Tests have less patience.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Reaching the server.
    pub(crate) connecting: Duration,
    /// A small answer, or the beginning of the news.
    pub(crate) small_answer: Duration,
    /// A whole answer; the largest is a first pull over a slow line.
    pub(crate) whole_answer: Duration,
    /// Silence between news. The server gives a sign of life every 25 seconds.
    pub(crate) silence: Duration,
    /// Between two tries to follow the news, at first.
    pub(crate) pause: Duration,
    /// Signing out while the device leaves. A session that does not end now ends by itself.
    pub(crate) leaving: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(10),
            small_answer: Duration::from_secs(30),
            whole_answer: Duration::from_mins(5),
            silence: Duration::from_secs(75),
            pause: Duration::from_secs(1),
            leaving: Duration::from_secs(5),
        }
    }
}
