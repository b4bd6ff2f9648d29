//! Signing in where it takes more than one step to begin.

pub(super) mod links;
pub(super) mod passkeys;
