//! The sync engine without input or output.
//!
//! An [`Engine`] is a value: everything that a device has verified about its account, what waits to be sent and what
//! is on its way. Every operation looks at an engine and at what arrived, and gives a [`Step`]: the engine after it
//! and the [`Write`]s that make it durable. The caller applies the writes in one transaction and only then goes on
//! with the new engine, so that a refusal, a full disk or a kill at any point leaves what was there before.
//!
//! There is no socket, file, clock or random source in here, so that a whole fleet of devices with losses, duplicates
//! and restarts runs in one test. `spec/sync.md` states the protocol and the laws.

mod context;
mod create;
mod edit;
mod engine;
mod follow;
mod heal;
mod history;
mod join;
mod pending;
mod pull;
mod push;
mod snapshot;
mod states;
mod write;

pub use context::{Context, Merge, MergedBody, VaultKeys};
pub use create::{AccountDraft, NewAccount, create_account};
pub use edit::Edit;
pub use engine::{Current, Engine, EngineError, StoredAccount, StoredVault};
pub use follow::Parting;
pub use heal::{HEAL_PIECE_BYTES, HealPiece, HealPlan, Lost, heal_pieces, plan_heal};
pub use join::{check_unlocked, check_way_in, join};
pub use pending::{Base, InFlight, Pending, PendingChange, StateInFlight};
pub use pull::{Notice, Pull};
pub use push::push_frames;
pub use snapshot::Snapshot;
pub use states::{StateChange, StateFrames, state_frames};
pub use write::{Step, Write};
