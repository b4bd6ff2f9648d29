//! The parts of a request that the store knows of, for whoever follows one through the server: constant words alone. Where
//! nobody follows, they cost next to nothing.

use tracing::{Instrument as _, Span};

/// Something is asked of the database.
pub(crate) fn database(doing: &'static str) -> Span {
    tracing::info_span!("database", doing)
}

/// Something is asked of the object store.
pub(crate) fn object_store(operation: &'static str) -> Span {
    tracing::info_span!("object store", operation)
}

/// Long computing.
pub(crate) fn computation() -> Span {
    tracing::info_span!("computing")
}

/// What is done within it.
pub(crate) async fn in_span<T>(span: Span, work: impl Future<Output = T>) -> T {
    work.instrument(span).await
}
