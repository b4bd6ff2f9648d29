//! Plans.

pub(crate) mod define;
pub(crate) mod list;
