//! The wire: what server and clients say to each other, in one place.
//!
//! Small things are JSON ([`account`], [`session`], [`ways`], [`plan`], [`admin`], [`problem`]); whatever carries signed or
//! sealed bytes is a sequence of CBOR [`frame`]s, the same in a push, a pull, an upload for healing and a backup file. Sizes
//! and counts are bounded by [`limits`] on both sides. `spec/api.md` describes all of it for people.

pub mod account;
pub mod admin;
pub mod browser;
pub mod email;
pub mod frame;
pub mod limits;
pub mod links;
pub mod plan;
pub mod privacy;
pub mod problem;
pub mod server;
pub mod session;
pub mod sync;
pub mod ways;

pub use problem::{ErrorCode, Problem};
