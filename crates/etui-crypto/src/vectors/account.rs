//! `account.json`: one account from its master password to an opened entry, every byte fixed.

use etui_chain::{
    AccountId, Change, Commit, CommitDraft, DeviceId, Digest, Head, KdfDescriptor, KeysetEntry, KeysetId,
    KeysetKind, Ledger, ObjectId, Op, ROLE_OWNER, RecordHeader, SUITE, State, StateBody, VaultEntry, VaultId,
    head_code, record_hash,
};
use serde::{Deserialize, Serialize};

use super::{
    Mismatch,
    format::{At as _, Hex, same, secret},
};
use crate::{
    CheckedKdf, KdfParameters, KemSeed, Keyset, KeysetKey, MasterPassword, RootKey, SigningKey, VaultKey,
    derive_master_key, open_entry, open_keyset, open_vault_key, open_vault_settings, record::seal_with_salt,
    secret::Secret,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) story: Story,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Story {
    pub(super) given: Given,
    pub(super) keyset_record: Hex,
    pub(super) vault_key_record: Hex,
    pub(super) state: Hex,
    pub(super) settings_record: Hex,
    pub(super) entry_record: Hex,
    pub(super) commit: Hex,
    pub(super) head_code: String,
}

/// All that a person and a random source gave, salts of records aside: those stand in the records.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) account_id: AccountId,
    pub(super) keyset_id: KeysetId,
    pub(super) device_id: DeviceId,
    pub(super) vault_id: VaultId,
    pub(super) object_id: ObjectId,
    pub(super) master_password: String,
    pub(super) kdf_salt: Digest,
    pub(super) root_key: Digest,
    pub(super) identity_seed: Digest,
    pub(super) kem_seed: Digest,
    pub(super) device_seed: Digest,
    pub(super) vault_key: Digest,
    pub(super) time_ms: u64,
    pub(super) settings: String,
    pub(super) entry: String,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    check_as_writer(&file.story)?;
    check_as_new_device(&file.story)?;
    Ok(1)
}

/// Makes everything again from what was given.
fn check_as_writer(story: &Story) -> Result<(), Mismatch> {
    let keys = Keys::new(&story.given).at("story, keys")?;
    for (record, key, body, name) in [
        (&story.keyset_record, &keys.keyset_key.secret, keys.keyset.to_body().as_slice(), "keyset_record"),
        (
            &story.vault_key_record,
            &keys.keyset.newest_root_key().secret,
            keys.vault_key.secret.bytes().as_slice(),
            "vault_key_record",
        ),
        (&story.settings_record, &keys.vault_key.secret, story.given.settings.as_bytes(), "settings_record"),
        (&story.entry_record, &keys.vault_key.secret, story.given.entry.as_bytes(), "entry_record"),
    ] {
        let header = RecordHeader::parse(&record.0).at(name)?;
        same(&seal_with_salt(key, &header, body).bytes, &record.0, name)?;
    }
    let state =
        keys.state(&story.given, record_hash(&story.keyset_record.0), record_hash(&story.vault_key_record.0));
    same(state.as_bytes(), &story.state.0, "state")?;
    let records = (record_hash(&story.settings_record.0), record_hash(&story.entry_record.0));
    let commit = keys.commit(&story.given, &state, records).at("commit")?;
    same(commit.as_bytes(), &story.commit.0, "commit")?;
    same(&code(&story.given, &state, &commit), &story.head_code, "head_code")
}

/// Reads everything as a device does that knows the master password alone (`spec/crypto.md`, "New device").
fn check_as_new_device(story: &Story) -> Result<(), Mismatch> {
    let given = &story.given;
    let state = State::parse(&story.state.0).at("state")?;
    let kdf = CheckedKdf::new(state.kdf, None).at("state, kdf")?;
    let password = MasterPassword::new(&given.master_password).at("master_password")?;
    let master_key = derive_master_key(&password, None, &kdf, given.account_id).at("master_password")?;
    let listed = state.keysets[0];
    let keyset = open_keyset(
        &KeysetKey::from_master(&master_key),
        listed.id,
        listed.version,
        Some(listed.record_hash),
        &story.keyset_record.0,
    )
    .at("keyset_record")?;
    same(&keyset.identity().public_key(), &state.identity_key, "identity_key")?;
    state.verify_own_signature().at("state")?;

    let vault = &state.vaults[0];
    let vault_key = open_vault_key(
        &keyset,
        vault.id,
        vault.epoch,
        vault.key_record_hash(vault.epoch),
        &story.vault_key_record.0,
    )
    .at("vault_key_record")?;
    let commit = Commit::parse(&story.commit.0).at("commit")?;
    let ledger = Ledger::empty(vault.id).advance(&commit, &state).at("commit")?;
    let leaf = ledger.live().get(&given.object_id).copied();
    let hash = leaf.map(|leaf| leaf.record_hash);
    let entry = open_entry(&vault_key, given.object_id, 1, hash, &story.entry_record.0).at("entry_record")?;
    same(entry.as_slice(), given.entry.as_bytes(), "entry_record")?;
    let settings_hash = record_hash(&story.settings_record.0);
    let settings = open_vault_settings(&vault_key, 1, Some(settings_hash), &story.settings_record.0)
        .at("settings_record")?;
    same(settings.as_slice(), given.settings.as_bytes(), "settings_record")
}

/// The keys of the story.
pub(super) struct Keys {
    pub(super) keyset_key: KeysetKey,
    pub(super) keyset: Keyset,
    pub(super) device: SigningKey,
    pub(super) vault_key: VaultKey,
    kdf: KdfDescriptor,
}

impl Keys {
    pub(super) fn new(given: &Given) -> Result<Self, etui_chain::Refused> {
        let kdf = KdfParameters::FLOOR.describe(*given.kdf_salt.as_bytes(), false);
        let password = MasterPassword::new(&given.master_password)?;
        let master_key = derive_master_key(&password, None, &CheckedKdf::new(kdf, None)?, given.account_id)?;
        let keyset = Keyset::from_parts(
            vec![RootKey { account_id: given.account_id, epoch: 0, secret: secret(&given.root_key) }],
            SigningKey::from_seed(given.identity_seed.as_bytes()),
            KemSeed(secret(&given.kem_seed)),
        );
        let vault_secret = Secret::copy_of(given.vault_key.as_bytes());
        Ok(Self {
            keyset_key: KeysetKey::from_master(&master_key),
            keyset,
            device: SigningKey::from_seed(given.device_seed.as_bytes()),
            vault_key: VaultKey { vault_id: given.vault_id, epoch: 0, secret: vault_secret },
            kdf,
        })
    }

    pub(super) fn state(&self, given: &Given, keyset_hash: Digest, vault_key_hash: Digest) -> State {
        self.keyset.identity().sign_state(StateBody {
            account_id: given.account_id,
            version: 1,
            previous: Digest::ZERO,
            time_ms: given.time_ms,
            identity_key: self.keyset.identity().public_key(),
            kdf: self.kdf,
            keysets: vec![KeysetEntry {
                id: given.keyset_id,
                kind: KeysetKind::Master,
                version: 1,
                record_hash: keyset_hash,
            }],
            devices: vec![(given.device_id, self.device.public_key())],
            vaults: vec![VaultEntry {
                id: given.vault_id,
                role: ROLE_OWNER,
                epoch: 0,
                head_seq: 0,
                head_hash: Digest::ZERO,
                keys: vec![(0, vault_key_hash)],
            }],
            minimum_suite: SUITE,
            settings_hash: None,
        })
    }

    /// The first commit: the vault's settings and one entry.
    pub(super) fn commit(
        &self,
        given: &Given,
        state: &State,
        (settings_hash, entry_hash): (Digest, Digest),
    ) -> Result<Commit, etui_chain::Refused> {
        let put = |object_id, record_hash| Change { object_id, version: 1, op: Op::Put, record_hash };
        let mut changes =
            vec![put(ObjectId::from(given.vault_id.id()), settings_hash), put(given.object_id, entry_hash)];
        changes.sort_unstable_by_key(|change| change.object_id);
        let leaves = changes.iter().map(|change| etui_chain::Leaf {
            object_id: change.object_id,
            version: change.version,
            record_hash: change.record_hash,
        });
        let live = etui_chain::LiveSet::from_leaves(leaves.collect())?;
        Ok(self.device.sign_commit(CommitDraft {
            vault_id: given.vault_id,
            seq: 1,
            prev_hash: Digest::ZERO,
            epoch: 0,
            device_id: given.device_id,
            time_ms: given.time_ms,
            state_hash: state.hash(),
            changes,
            root: live.root(),
            live: 2,
        }))
    }
}

pub(super) fn code(given: &Given, state: &State, commit: &Commit) -> String {
    let head = Head { seq: commit.seq, hash: commit.hash() };
    head_code(&given.account_id, &state.hash(), &[(given.vault_id, head)])
}
