//! The decrypted model: entries, fields, history, merge, search, generator, one-time passwords.
//!
//! Everything here computes and nothing acts: no files, no network, no clock (times are passed in as milliseconds
//! since the Unix epoch) and no global randomness (a [`etui_crypto::RandomSource`] is passed in). The JSON documents
//! are fixed by `spec/entry.md`.
//!
//! An entry is kept as the whole document it was read from ([`document`]) with typed views on top ([`entry`]). So a
//! member that this version does not know is never dropped, and [`merge`] cannot forget one.

pub mod document;
pub mod entry;
pub mod generator;
pub mod import;
pub mod index;
pub mod merge;
pub mod settings;
pub mod totp;

#[cfg(test)]
mod testing;

pub use document::{Document, SecretText};
pub use entry::{Edit, EditError, Entry, EntryType, FieldKind, FieldPath, MatchRule, NewEntry, apply};
pub use index::{Filter, Index, Shelf, Summary};
pub use merge::{Merged, merge};
pub use settings::{AccountSettings, VaultSettings};
pub use totp::{OneTimePassword, OneTimePasswordError};
