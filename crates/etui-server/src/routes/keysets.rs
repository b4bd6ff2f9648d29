//! What a device needs to unlock.

pub(super) mod list;
