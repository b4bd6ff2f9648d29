//! The agent: the one process that opens the device's folder and holds keys, and the way to talk to it.
//!
//! It is started by `signup`, `login`, `unlock` and `recovery use`, gets the passwords over its socket, and ends when it
//! is locked, so that everything it knew is gone with it.

mod account;
mod caller;
pub(crate) mod client;
pub(crate) mod convert;
mod frame;
pub(crate) mod idle;
mod keeper;
mod lock;
pub(crate) mod platform;
pub(crate) mod protocol;
pub(crate) mod server;

pub(crate) use client::{Agent, AgentError};
