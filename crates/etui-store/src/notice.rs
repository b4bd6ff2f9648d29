//! What the store says in the log: constant sentences, and its own errors. No other module of it logs anything.

use crate::StoreError;

/// Somebody should know of it, and nobody waits for it.
pub(crate) fn failure(message: &'static str, cause: &StoreError) {
    tracing::warn!(message, cause = %cause);
}

/// As [`failure`], where nothing says why.
pub(crate) fn trouble(message: &'static str) {
    tracing::warn!(message);
}
