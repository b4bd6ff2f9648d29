//! The account's signed states.

pub(super) mod list;
pub(super) mod push;
