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
mod administration;
mod audit;
mod authority;
mod backup;
mod ceiling;
mod claim;
mod compaction;
mod counts;
mod credentials;
mod deletion;
mod entitlements;
mod error;
mod events;
mod export;
mod flags;
mod garbage;
mod growth;
mod heal;
pub mod holdings;
mod identity;
mod invitation;
mod jobs;
mod known_device;
mod ledgers;
mod limits;
mod mail;
mod measured;
mod metrics;
mod migration;
mod named;
mod news;
mod notice;
mod objects;
mod pending;
mod plan;
mod postgres;
mod pull;
mod push;
mod reader;
mod retention;
mod segment;
mod session;
mod span;
mod sql;
mod sqlite;
mod state;
mod statistics;
mod store;
mod tables;
mod upload;
mod verify;
mod write;

pub use account::LiveDevice;
pub use administration::Search;
pub use audit::{Action, Actor, AuditEvent, NoPseudonym, Outcome, Page, Pseudonym, Pseudonyms};
pub use authority::{Administrator, Authority, FRESH_MS, Fresh, Holder, Leaving, Presence};
pub use backup::Copied;
pub use claim::Claim;
pub use compaction::Compacted;
pub use counts::Counts;
pub use credentials::{CredentialChange, Identity, Passkey, SealedTotp, Ways};
pub use error::StoreError;
pub use etui_api::admin::Role;
pub use export::{ByteStream, Download, ExportTicket};
pub use garbage::Collected;
pub use invitation::{Admission, Invitation};
pub use jobs::Job;
pub use limits::{Charged, Count, Counter, Limit, LimitKey, Shared, Try, Wait, charge};
pub use mail::{Mail, NewMail, Notice};
pub use objects::{ObjectsConfig, ObjectsReport, S3Config, S3Credentials};
pub use pending::{NewPending, Pending, Purpose};
pub use postgres::DatabaseUrl;
pub use pull::FrameStream;
pub use retention::{Purged, Retention};
pub use session::{Begun, Exchange, NewSession, Rotation, SessionId};
pub use store::{DatabaseConfig, SELF_HOSTED, Store, StoreConfig};
pub use upload::{CommitUpload, HealStep, HealUpload, Login, LoginHash, NewAccount, StateUpload};
pub use verify::{Problem, Verified};

/// Sixteen random bytes from the operating system.
fn random_bytes() -> Result<[u8; 16], StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| StoreError::Random { source })?;
    Ok(bytes)
}
