//! Keysets, and what the root key seals.

use etui_chain::{AccountId, Digest, ExpectedHeader, KeysetId, RecordType, Refusal, Refused, VaultId};
use zeroize::Zeroizing;

use super::core::{Place, SealedRecord, check_header, decrypt, seal};
use crate::{Keyset, KeysetKey, RandomSource, RootKey, VaultKey, secret::Secret};

/// Seals the account's keys under one way of unlocking. `version` is the keyset's counter, from 1.
///
/// # Errors
/// `wrong_context` if key and keyset are of different accounts; `limit` if there are too many root keys.
pub fn seal_keyset(
    key: &KeysetKey,
    keyset_id: KeysetId,
    version: u64,
    keyset: &Keyset,
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    same_account(key.account_id, keyset.account_id())?;
    let epoch = keyset.newest_root_key().epoch;
    let place = Place::whole(RecordType::Keyset, key.account_id, keyset_id, version, epoch);
    seal(&key.secret, &place, &keyset.to_body(), random)
}

/// Opens the account's keys. `hash` is the one that the signed state lists; `None` before a state has been verified,
/// as on a new device.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal"; `wrong_context` too if the epoch in the header is not the newest
/// inside.
pub fn open_keyset(
    key: &KeysetKey,
    keyset_id: KeysetId,
    version: u64,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<Keyset, Refused> {
    let expected = any_epoch(Place::whole(RecordType::Keyset, key.account_id, keyset_id, version, 0));
    let header = check_header(&expected, hash, record)?;
    let keyset = Keyset::from_body(key.account_id, &decrypt(&key.secret, record)?)?;
    if keyset.newest_root_key().epoch != header.epoch {
        return Err(
            Refusal::WrongContext.because("a keyset names another epoch than that of its newest root key")
        );
    }
    Ok(keyset)
}

/// Seals a vault's key under the root key.
///
/// # Errors
/// None in practice: a key is never too long.
pub fn seal_vault_key(
    root_key: &RootKey,
    vault_key: &VaultKey,
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    let place = vault_key_place(root_key.account_id, vault_key.vault_id, vault_key.epoch, root_key.epoch);
    seal(&root_key.secret, &place, vault_key.secret.bytes(), random)
}

/// Opens a vault's key of one epoch with whichever of the keyset's root keys the header names.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal"; `wrong_context` if the keyset has no root key of that epoch.
pub fn open_vault_key(
    keyset: &Keyset,
    vault_id: VaultId,
    epoch: u32,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<VaultKey, Refused> {
    let expected = any_epoch(vault_key_place(keyset.account_id(), vault_id, epoch, 0));
    let body = open_under_root(keyset, &expected, hash, record)?;
    Ok(VaultKey { vault_id, epoch, secret: Secret::from_slice(&body)? })
}

/// Seals the account's settings, device names among them: a JSON document.
///
/// # Errors
/// `limit` if the document is too long.
pub fn seal_account_settings(
    root_key: &RootKey,
    version: u64,
    document: &[u8],
    random: &mut dyn RandomSource,
) -> Result<SealedRecord, Refused> {
    seal(&root_key.secret, &account_settings(root_key.account_id, version, root_key.epoch), document, random)
}

/// Opens the account's settings. Version and epoch are taken from the header, after the hash that the signed state
/// gives.
///
/// # Errors
/// In the order of `spec/crypto.md`, "Which refusal"; `wrong_context` if the keyset has no root key of that epoch.
pub fn open_account_settings(
    keyset: &Keyset,
    hash: Digest,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let mut expected = any_epoch(account_settings(keyset.account_id(), 0, 0));
    expected.version = None;
    open_under_root(keyset, &expected, Some(hash), record)
}

fn open_under_root(
    keyset: &Keyset,
    expected: &ExpectedHeader,
    hash: Option<Digest>,
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let header = check_header(expected, hash, record)?;
    let root_key = keyset.root_key(header.epoch).ok_or(
        Refusal::WrongContext.because("a record is sealed under a root key that the keyset does not have"),
    )?;
    decrypt(&root_key.secret, record)
}

fn vault_key_place(account_id: AccountId, vault_id: VaultId, epoch: u32, root_epoch: u32) -> Place {
    Place::whole(RecordType::VaultKey, account_id, vault_id, u64::from(epoch), root_epoch)
}

fn account_settings(account_id: AccountId, version: u64, root_epoch: u32) -> Place {
    Place::whole(RecordType::AccountSettings, account_id, account_id, version, root_epoch)
}

fn any_epoch(place: Place) -> ExpectedHeader {
    ExpectedHeader { epoch: None, ..place.expected() }
}

fn same_account(one: AccountId, other: AccountId) -> Result<(), Refused> {
    if one == other { Ok(()) } else { Err(Refusal::WrongContext.because("keys of two different accounts")) }
}
