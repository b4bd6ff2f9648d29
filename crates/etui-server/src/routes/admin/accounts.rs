//! The accounts of the server.

pub(crate) mod disable;
pub(crate) mod flag;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod role;
pub(crate) mod show;
pub(crate) mod sign_out;
