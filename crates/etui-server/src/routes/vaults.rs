//! Vaults: commits and records.

pub(super) mod changes;
pub(super) mod commits;
pub(super) mod push;
pub(super) mod record;
