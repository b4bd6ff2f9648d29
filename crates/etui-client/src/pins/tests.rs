//! Pins against real stores: the same, ahead, behind, and of another past.

use etui_chain::RecordType;
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, LocalStoreKey, MasterPassword, SigningKey,
    derive_master_key, random_id,
};
use etui_sync::{AccountDraft, Context, Edit, Step, VaultKeys, create_account};
use tempfile::TempDir;

use super::*;
use crate::{OsRandom, merge::ModelMerge};

/// A device without a server: it takes its own word for what was accepted.
struct Past {
    folder: TempDir,
    store: Store,
    engine: Engine,
    vault_keys: VaultKeys,
    device_key: SigningKey,
    keyset: Keyset,
}

impl Past {
    fn begin() -> Self {
        let account_id = random_id(&mut OsRandom).unwrap();
        let device_id = random_id(&mut OsRandom).unwrap();
        let kdf = KdfParameters::FLOOR.describe([7; 32], false);
        let password = MasterPassword::new("correct horse battery staple").unwrap();
        let checked = CheckedKdf::new(kdf, None).unwrap();
        let master_key = derive_master_key(&password, None, &checked, account_id).unwrap();
        let keyset = Keyset::generate(account_id, None, &mut OsRandom);
        let device_key = SigningKey::generate(&mut OsRandom);
        let draft = AccountDraft {
            account_id,
            device_id,
            device_key: &device_key,
            kdf,
            master_key: &KeysetKey::from_master(&master_key),
            keyset: &keyset,
            account_settings: b"{}",
            vault_settings: b"{}",
            now_ms: 1,
        };
        let (account, vault_keys) = create_account(&draft, &mut OsRandom).unwrap();
        let step = account.into_step(device_id).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut store =
            Store::create(&folder.path().join("vault.db"), &LocalStoreKey::from_bytes(&[1; 32])).unwrap();
        store.apply(&step.writes).unwrap();
        Self { folder, store, engine: step.engine, vault_keys, device_key, keyset }
    }

    fn take(&mut self, step: Step) {
        self.store.apply(&step.writes).unwrap();
        self.engine = step.engine;
    }

    fn context(&self) -> Context<'_> {
        Context {
            vault_keys: &self.vault_keys,
            device_key: &self.device_key,
            merge: &ModelMerge,
            random: Box::leak(Box::new(OsRandom)),
            now_ms: 2,
        }
    }

    fn commit(&mut self) {
        let vault_id = self.engine.default_vault().unwrap();
        let object_id = random_id(&mut OsRandom).unwrap();
        let edit = Edit::Create { object_id, record_type: RecordType::Entry, body: b"{}" };
        let step = self.engine.edit(vault_id, vec![edit], &mut self.context()).unwrap();
        self.take(step);
        let step = self.engine.prepare_push(vault_id, usize::MAX, &mut self.context()).unwrap().unwrap();
        self.take(step);
        let commit = &self.engine.in_flight(&vault_id).unwrap().commit;
        let head = Head { seq: commit.seq, hash: commit.hash() };
        let step = self.engine.confirm_push(vault_id, head).unwrap();
        self.take(step);
    }

    fn sign_state(&mut self) {
        let change = etui_sync::StateChange::default();
        let step = self.engine.prepare_state(&change, self.keyset.identity(), 3).unwrap();
        self.take(step);
        let hash = self.engine.state_in_flight().unwrap().state.hash();
        let step = self.engine.confirm_state(hash).unwrap();
        self.take(step);
    }

    /// As if the folder had been copied now.
    fn copy(&self) -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["vault.db", "vault.db-wal"] {
            std::fs::copy(self.folder.path().join(name), folder.path().join(name)).unwrap();
        }
        let store_key = LocalStoreKey::from_bytes(&[1; 32]);
        let store = Store::open(&folder.path().join("vault.db"), &store_key).unwrap().unwrap();
        (folder, store)
    }
}

fn refusal(pins: &Pins, store: &Store) -> Option<Refusal> {
    pins.check(store).err().map(|error| error.refusal().expect("a refusal"))
}

#[test]
fn a_store_that_stands_there_or_is_ahead_is_accepted_and_one_behind_is_local_rollback() {
    let mut past = Past::begin();
    for advance in [Past::commit, Past::sign_state, Past::commit] {
        let (before, (_folder, copy)) = (Pins::of(&past.engine), past.copy());
        advance(&mut past);
        let now = Pins::of(&past.engine);
        assert_ne!(before, now);
        assert_eq!(refusal(&now, &past.store), None, "where it stands");
        assert_eq!(refusal(&before, &past.store), None, "ahead");
        assert_eq!(refusal(&now, &copy), Some(Refusal::LocalRollback), "behind");
        assert_eq!(refusal(&before, &copy), None);
    }
}

#[test]
fn a_store_of_another_past_is_local_rollback() {
    let mut past = Past::begin();
    past.commit();
    let (_folder, mut other) = past.copy();
    past.commit();
    let pins = Pins::of(&past.engine);
    // The same places with other commits, as from a device that went on elsewhere.
    let vault_id = past.engine.default_vault().unwrap();
    let bytes = past.store.commit(vault_id, 1).unwrap().unwrap();
    other.apply(&[etui_sync::Write::Commit { vault_id, seq: pins.heads[&vault_id].seq, bytes }]).unwrap();
    assert_eq!(refusal(&pins, &other), Some(Refusal::LocalRollback));
    let stranger = Past::begin();
    assert_eq!(refusal(&pins, &stranger.store), Some(Refusal::LocalRollback));
}

#[test]
fn the_form_is_fixed() {
    let vault_id = VaultId::new([2; 16]).unwrap();
    let heads = [(vault_id, Head { seq: 5, hash: Digest::new([3; 32]) })].into();
    let pins = Pins { state_version: 4, state_hash: Digest::new([1; 32]), heads };
    let bytes =
        [&b"ETP1"[..], &[0, 0, 0, 0, 0, 0, 0, 4], &[1; 32], &[2; 16], &[0, 0, 0, 0, 0, 0, 0, 5], &[3; 32]]
            .concat();
    assert_eq!(pins.to_bytes(), bytes);
    assert_eq!(Pins::from_bytes(&bytes).unwrap(), pins);
    for length in (0..bytes.len()).filter(|length| *length != FIXED_BYTES) {
        assert_eq!(Pins::from_bytes(&bytes[..length]).unwrap_err().refusal, Refusal::Format, "{length}");
    }
    assert_eq!(Pins::from_bytes(&[b'X'; 100]).unwrap_err().refusal, Refusal::Format);
}
