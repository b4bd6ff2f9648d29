//! What the API is.

pub(super) mod document;
pub(super) mod page;
