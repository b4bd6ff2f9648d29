//! News as it happens.

pub(super) mod follow;
