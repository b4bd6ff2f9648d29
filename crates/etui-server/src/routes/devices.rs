//! The account's devices.

pub(super) mod approve;
pub(super) mod end;
pub(super) mod list;
