//! Invitations.

pub(crate) mod create;
