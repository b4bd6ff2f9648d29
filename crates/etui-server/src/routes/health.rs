//! Whether the server lives and serves.

pub(super) mod live;
pub(super) mod ready;
