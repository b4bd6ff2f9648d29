//! What a vault key seals, but for attachments.

use etui_chain::{Digest, ObjectId, RecordType, Refused};
use zeroize::Zeroizing;

use super::core::{Place, SealedRecord, open, seal};
use crate::{RandomSource, VaultKey};

/// Seals one entry, whole: a JSON document. `version` is the object's counter, from 1.
///
/// # Errors
/// `limit` if the document is too long.
pub fn seal_entry(
    key: &VaultKey,
    object_id: ObjectId,
    version: u64,
    document: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    seal(&key.secret, &entry(key, object_id, version), document, random)
}

/// Opens one entry. `hash` is that of the commit's leaf; `None` only where the bytes come from this device.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal".
pub fn open_entry(
    key: &VaultKey,
    object_id: ObjectId,
    version: u64,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    open(&key.secret, &entry(key, object_id, version).expected(), hash, record)
}

/// Seals the vault's name and settings: a JSON document. The object's id is the vault's.
///
/// # Errors
/// `limit` if the document is too long.
pub fn seal_vault_settings(
    key: &VaultKey,
    version: u64,
    document: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    seal(&key.secret, &settings(key, version), document, random)
}

/// Opens the vault's name and settings. `hash` is that of the commit's leaf.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal".
pub fn open_vault_settings(
    key: &VaultKey,
    version: u64,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    open(&key.secret, &settings(key, version).expected(), hash, record)
}

fn entry(key: &VaultKey, object_id: ObjectId, version: u64) -> Place {
    Place::whole(RecordType::Entry, key.vault_id, object_id, version, key.epoch)
}

fn settings(key: &VaultKey, version: u64) -> Place {
    Place::whole(RecordType::VaultSettings, key.vault_id, key.vault_id, version, key.epoch)
}
