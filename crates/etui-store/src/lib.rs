//! Server persistence: rows in SQL, sealed bytes in an object store.
//!
//! The store keeps what devices have signed and refuses what does not keep the rules of `spec/crypto.md`; it can read
//! none of it. Whatever belongs to an account is reached through an [`Authority`], which only a live session gives,
//! so that no caller can forget to ask whose data it is.
//!
//! One push is one transaction: its records are durable first (as a *segment*), then a
//! compare-and-swap on the vault's head decides. `docs/design/0002-server-storage.md` says what is durable when.

mod error;
mod session;
mod store;
mod upload;

pub use error::StoreError;
pub use session::{Authority, NewSession, Rotation, SessionId};
pub use store::{Collected, FrameStream, Store, StoreConfig};
pub use upload::{CommitUpload, HealStep, HealUpload, Login, LoginHash, NewAccount, StateUpload};
