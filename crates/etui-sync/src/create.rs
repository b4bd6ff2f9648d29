//! A new account: its first state, its keyset, its first vault. Made at explicit sign-up and nowhere else.

use std::sync::Arc;

use etui_api::frame::{Frame, FrameWriter};
use etui_chain::{
    AccountId, Commit, CommitDraft, DeviceId, Digest, KdfDescriptor, KeysetEntry, KeysetId, KeysetKind,
    Ledger, ROLE_OWNER, RecordType, SUITE, State, StateBody, VaultEntry, VaultId,
};
use etui_crypto::{
    Keyset, KeysetKey, RandomSource, SigningKey, VaultKey, random_id, seal_account_settings, seal_keyset,
    seal_vault_key, seal_vault_settings,
};

use crate::{
    Engine, EngineError, Step, VaultKeys, Write,
    engine::Vault,
    history::Beginning,
    pending::{Pending, PendingChange},
    push::{commit_write, object_write, root_after},
};

/// What a person has chosen, and the key that their master password gives.
pub struct AccountDraft<'a> {
    /// The account's random id, from which the keys below were derived.
    pub account_id: AccountId,
    /// This device's random id.
    pub device_id: DeviceId,
    /// This device's signing key.
    pub device_key: &'a SigningKey,
    /// How the master key was derived.
    pub kdf: KdfDescriptor,
    /// The key that the master password gives.
    pub master_key: &'a KeysetKey,
    /// The keys to be sealed under it.
    pub keyset: &'a Keyset,
    /// The account settings: a JSON document with this device's name.
    pub account_settings: &'a [u8],
    /// The first vault's settings: a JSON document with its name.
    pub vault_settings: &'a [u8],
    /// The time in ms since 1970.
    pub now_ms: u64,
}

/// A new account as it is sent and kept.
#[derive(Debug)]
pub struct NewAccount {
    state: State,
    named_records: Vec<Vec<u8>>,
    commit: Commit,
    settings: Pending,
}

/// Seals and signs everything that a new account begins with.
///
/// # Errors
/// `limit` for settings that are too long.
pub fn create_account(
    draft: &AccountDraft<'_>,
    random: &mut dyn RandomSource,
) -> Result<(NewAccount, VaultKeys), EngineError> {
    let keyset_id: KeysetId = random_id(random)?;
    let vault_id: VaultId = random_id(random)?;
    let root_key = draft.keyset.newest_root_key();
    let vault_key = VaultKey::generate(vault_id, 0, random);
    let keyset = seal_keyset(draft.master_key, keyset_id, 1, draft.keyset, random)?;
    let sealed_vault_key = seal_vault_key(root_key, &vault_key, random)?;
    let account_settings = seal_account_settings(root_key, 1, draft.account_settings, random)?;
    let vault_settings = seal_vault_settings(&vault_key, 1, draft.vault_settings, random)?;

    let state = draft.keyset.identity().sign_state(StateBody {
        account_id: draft.account_id,
        version: 1,
        previous: Digest::ZERO,
        time_ms: draft.now_ms,
        identity_key: draft.keyset.identity().public_key(),
        kdf: draft.kdf,
        keysets: vec![KeysetEntry {
            id: keyset_id,
            kind: KeysetKind::Master,
            version: 1,
            record_hash: keyset.hash,
        }],
        devices: vec![(draft.device_id, draft.device_key.public_key())],
        vaults: vec![VaultEntry {
            id: vault_id,
            role: ROLE_OWNER,
            epoch: 0,
            head_seq: 0,
            head_hash: Digest::ZERO,
            keys: vec![(0, sealed_vault_key.hash)],
        }],
        minimum_suite: SUITE,
        settings_hash: Some(account_settings.hash),
    });
    let settings = Pending {
        object_id: vault_id.id().into(),
        base: None,
        change: PendingChange::Put { record_type: RecordType::VaultSettings, record: vault_settings.bytes },
    };
    let commit = first_commit(draft, vault_id, &state, &settings)?;
    let named_records = vec![keyset.bytes, sealed_vault_key.bytes, account_settings.bytes];
    let mut vault_keys = VaultKeys::new();
    vault_keys.insert(vault_key);
    Ok((NewAccount { state, named_records, commit, settings }, vault_keys))
}

impl NewAccount {
    /// The body of `POST /v1/accounts`, its header frame given.
    pub fn frames(&self, header: &[u8]) -> Vec<u8> {
        let mut writer = FrameWriter::new();
        writer.push(&Frame::Header(header));
        writer.push(&Frame::State(self.state.as_bytes()));
        for record in &self.named_records {
            writer.push(&Frame::NamedRecord(record.as_slice()));
        }
        writer.push(&Frame::Commit(self.commit.as_bytes()));
        writer.push(&Frame::Record(self.settings.record().unwrap_or_default()));
        writer.finish()
    }

    /// The first state.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The sealed master keyset.
    pub fn master_keyset(&self) -> &[u8] {
        &self.named_records[0]
    }

    /// The account on the device that made it, once the server has taken it.
    ///
    /// # Errors
    /// None in practice: everything was just made.
    pub fn into_step(self, device_id: DeviceId) -> Result<Step, EngineError> {
        let vault_id = self.commit.vault_id;
        let ledger = Ledger::empty(vault_id).advance(&self.commit, &self.state)?;
        let mut writes = vec![Write::State { version: 1, bytes: self.state.as_bytes().to_vec() }];
        writes.extend(self.named_records.into_iter().map(|bytes| {
            let hash = etui_chain::record_hash(&bytes);
            Write::NamedRecord { hash, bytes }
        }));
        writes.push(commit_write(&self.commit));
        writes.push(object_write(vault_id, &self.settings));
        let engine = Engine {
            device_id,
            states: Arc::new(vec![Arc::new(self.state)]),
            vaults: [(vault_id, Arc::new(Vault::new(ledger, Beginning::at(&self.commit))))].into(),
            state_in_flight: None,
        };
        let mut step = engine.into_step();
        step.writes = writes;
        Ok(step)
    }
}

fn first_commit(
    draft: &AccountDraft<'_>,
    vault_id: VaultId,
    state: &State,
    settings: &Pending,
) -> Result<Commit, EngineError> {
    let mut commit = CommitDraft {
        vault_id,
        seq: 1,
        prev_hash: Digest::ZERO,
        epoch: 0,
        device_id: draft.device_id,
        time_ms: draft.now_ms,
        state_hash: state.hash(),
        changes: vec![settings.to_change()],
        root: Digest::ZERO,
        live: 0,
    };
    (commit.root, commit.live) = root_after(&Ledger::empty(vault_id), &commit)?;
    Ok(draft.device_key.sign_commit(commit))
}
