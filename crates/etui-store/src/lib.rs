//! Server persistence: rows in SQL, sealed bytes in an object store.
//!
//! The store keeps what devices have signed and refuses what does not keep the rules of `spec/crypto.md`; it can read
//! none of it. Whatever belongs to an account is reached through an [`Authority`], which only a live session gives,
//! so that no caller can forget to ask whose data it is.
//!
//! One push is one transaction: its records are durable first, then a compare-and-swap on the vault's head decides.
//! `docs/design/0002-server-storage.md` describes the tables and says what is durable when.

mod accept;
mod account;
mod backup;
mod compaction;
mod error;
mod events;
mod garbage;
mod heal;
mod identity;
mod jobs;
mod ledgers;
mod migration;
mod named;
mod news;
mod objects;
mod plan;
mod postgres;
mod pull;
mod push;
mod reader;
mod segment;
mod session;
mod sql;
mod sqlite;
mod state;
mod store;
mod tables;
mod upload;
mod verify;
mod write;

pub use backup::Copied;
pub use compaction::Compacted;
pub use error::StoreError;
pub use garbage::Collected;
pub use jobs::Job;
pub use objects::{ObjectsConfig, ObjectsReport, S3Config, S3Credentials};
pub use postgres::DatabaseUrl;
pub use pull::FrameStream;
pub use session::{Authority, NewSession, Rotation, SessionId};
pub use store::{DatabaseConfig, Store, StoreConfig};
pub use upload::{CommitUpload, HealStep, HealUpload, Login, LoginHash, NewAccount, StateUpload};
pub use verify::{Problem, Verified};

/// Sixteen random bytes from the operating system.
fn random_bytes() -> Result<[u8; 16], StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| StoreError::Random { source })?;
    Ok(bytes)
}
