//! Opening what a backup holds with the master password.

use std::collections::BTreeMap;

use etui_chain::{Digest, KeysetKind, Leaf, Refusal, State, VaultId};
use etui_crypto::{CheckedKdf, KeysetKey, MasterPassword, open_account_settings, open_vault_key};
use etui_sync::{VaultKeys, check_unlocked};
use etui_vault::{AccountSettings, Entry, VaultSettings};

use super::Opened;
use crate::{
    ClientError,
    device::{is_entry, open_body},
    home::Unlock,
    unlock,
};

/// The keys of a backup's account, and what was opened with them so far.
pub(super) struct Opener {
    vault_keys: VaultKeys,
    opened: Opened,
}

impl Opener {
    /// Unlocks the account by its newest state, which has been verified, and the records that it names. The key
    /// derivation is checked before anything is derived; whoever hands in file and password agrees to its memory.
    pub(super) fn unlock(
        state: &State,
        named: &BTreeMap<Digest, Vec<u8>>,
        password: &MasterPassword,
    ) -> Result<Self, ClientError> {
        const MISSING: &str = "the backup has no master keyset";
        let entry = state.keysets.iter().find(|entry| entry.kind == KeysetKind::Master);
        let entry = entry.ok_or(Refusal::Missing.because(MISSING))?;
        let record = named.get(&entry.record_hash).ok_or(Refusal::Missing.because(MISSING))?;
        let way_in =
            Unlock { kdf: state.kdf, keyset_id: entry.id, version: entry.version, record: record.clone() };
        let master_key =
            unlock::derive_checked(password, &CheckedKdf::new(state.kdf, None)?, state.account_id)?;
        let keyset = unlock::open(&KeysetKey::from_master(&master_key), &way_in)?;
        check_unlocked(state, &keyset, entry.id, KeysetKind::Master, entry.record_hash, Some(&state.kdf))?;

        let (mut vault_keys, mut opened) = (VaultKeys::new(), Opened::default());
        for vault in &state.vaults {
            for (epoch, hash) in &vault.keys {
                let record = named.get(hash).map_or(&[][..], Vec::as_slice);
                match open_vault_key(&keyset, vault.id, *epoch, Some(*hash), record) {
                    Ok(key) => vault_keys.insert(key),
                    Err(refused) => opened.unreadable.push((vault.id.id().into(), refused)),
                }
            }
        }
        if let Some(hash) = state.settings_hash {
            let record = named.get(&hash).map_or(&[][..], Vec::as_slice);
            let settings = open_account_settings(&keyset, hash, record);
            if let Err(refused) = settings.and_then(|body| AccountSettings::decode(&body)) {
                opened.unreadable.push((state.account_id.id().into(), refused));
            }
        }
        Ok(Self { vault_keys, opened })
    }

    /// Opens a record that is the one of its leaf.
    pub(super) fn open(&mut self, vault_id: VaultId, leaf: Leaf, record: &[u8]) {
        let read = open_body(&self.vault_keys, vault_id, record, Some(leaf)).and_then(|body| {
            if is_entry(vault_id, leaf.object_id) {
                Entry::decode(&body).map(drop)
            } else {
                VaultSettings::decode(&body).map(drop)
            }
        });
        match read {
            Ok(()) => self.opened.readable += 1,
            Err(refused) => self.opened.unreadable.push((leaf.object_id, refused)),
        }
    }

    pub(super) fn into_opened(self) -> Opened {
        self.opened
    }
}
