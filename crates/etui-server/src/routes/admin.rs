//! Administration, with a token of its own scope. No operation reaches what is sealed, and none runs a program.

pub(super) mod accounts;
pub(super) mod events;
pub(super) mod flags;
pub(super) mod invitations;
pub(super) mod plans;
pub(super) mod statistics;
