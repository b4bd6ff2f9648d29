//! A small real backup, and everything that can become of its bytes.

use std::{collections::BTreeMap, fs, path::PathBuf};

use etui_api::frame::FrameReader;
use etui_chain::{DeviceId, Head, RecordType, Refusal, VaultId};
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, MasterKey, MasterPassword, SigningKey, derive_master_key,
    random_id, seal_account_settings, seal_entry,
};
use etui_sync::{AccountDraft, Context, Edit, Engine, StateChange, Step, VaultKeys, create_account};
use etui_vault::{AccountSettings, Entry, EntryType, VaultSettings};

use super::*;
use crate::{OsRandom, merge::ModelMerge};

const PASSWORD: &str = "quilt lantern orbit canary";

/// An account with two states, three commits, a record that is named no more and a change that waits, in one store.
struct Account {
    folder: tempfile::TempDir,
    store: Store,
    engine: Engine,
    keyset: Keyset,
    vault_keys: VaultKeys,
    device_key: SigningKey,
}

impl Account {
    fn new() -> Self {
        let account_id = random_id(&mut OsRandom).unwrap();
        let device_id: DeviceId = random_id(&mut OsRandom).unwrap();
        let device_key = SigningKey::generate(&mut OsRandom);
        let kdf = KdfParameters::FLOOR.describe([7; 32], false);
        let password = MasterPassword::new(PASSWORD).unwrap();
        let master_key: MasterKey =
            derive_master_key(&password, None, &CheckedKdf::new(kdf, None).unwrap(), account_id).unwrap();
        let keyset = Keyset::generate(account_id, None, &mut OsRandom);
        let draft = AccountDraft {
            account_id,
            device_id,
            device_key: &device_key,
            kdf,
            master_key: &KeysetKey::from_master(&master_key),
            keyset: &keyset,
            account_settings: &AccountSettings::new().encode().unwrap(),
            vault_settings: &VaultSettings::new("Personal").encode().unwrap(),
            now_ms: 1,
        };
        let (new, vault_keys) = create_account(&draft, &mut OsRandom).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store_key = master_key.local_store_key(device_id);
        let store = Store::create(&folder.path().join("vault.db"), &store_key).unwrap();
        let first = new.into_step(device_id).unwrap();
        let engine = first.engine.clone();
        let mut account = Self { folder, store, engine, keyset, vault_keys, device_key };
        account.take(first);
        account.commit("GitHub");
        account.replace_settings();
        account.commit("Mail");
        account.edit("not sent yet");
        account
    }

    fn vault_id(&self) -> VaultId {
        self.engine.default_vault().unwrap()
    }

    fn take(&mut self, step: Step) {
        self.store.apply(&step.writes).unwrap();
        self.engine = step.engine;
    }

    fn with_context<T>(&self, run: impl FnOnce(&mut Context<'_>) -> T) -> T {
        run(&mut Context {
            vault_keys: &self.vault_keys,
            device_key: &self.device_key,
            merge: &ModelMerge,
            random: &mut OsRandom,
            now_ms: 2,
        })
    }

    fn edit(&mut self, title: &str) {
        let body = Entry::new(EntryType::Login, title, 1).encode().unwrap();
        let object_id = random_id(&mut OsRandom).unwrap();
        let edit = Edit::Create { object_id, record_type: RecordType::Entry, body: &body };
        let vault_id = self.vault_id();
        let step = self.with_context(|context| self.engine.edit(vault_id, vec![edit], context).unwrap());
        self.take(step);
    }

    fn commit(&mut self, title: &str) {
        self.edit(title);
        let vault_id = self.vault_id();
        let step = self.with_context(|context| self.engine.prepare_push(vault_id, context).unwrap());
        self.take(step.unwrap());
        let commit = &self.engine.in_flight(&vault_id).unwrap().commit;
        let head = Head { seq: commit.seq, hash: commit.hash() };
        self.take(self.engine.confirm_push(vault_id, head).unwrap());
    }

    fn replace_settings(&mut self) {
        let body = AccountSettings::new().encode().unwrap();
        let sealed = seal_account_settings(self.keyset.newest_root_key(), 2, &body, &mut OsRandom).unwrap();
        let change = StateChange {
            settings_hash: Some(sealed.hash),
            named_records: vec![sealed.bytes],
            ..StateChange::default()
        };
        self.take(self.engine.prepare_state(&change, self.keyset.identity(), 3).unwrap());
        let hash = self.engine.state_in_flight().unwrap().state.hash();
        self.take(self.engine.confirm_state(hash).unwrap());
    }

    fn backup(&self) -> PathBuf {
        let to = self.folder.path().join("backup.etui");
        let mut file = NewFile::create(&to).unwrap();
        let unsent = self.engine.unconfirmed(&self.vault_id());
        let unsent: Vec<&[u8]> = unsent.into_iter().filter_map(Pending::record).collect();
        write_backup(&self.store, &[self.vault_id()], &unsent, &mut file, |_| {}).unwrap();
        file.written().unwrap();
        file.name().unwrap();
        to
    }
}

#[test]
fn a_backup_holds_everything_that_the_store_holds() {
    let account = Account::new();
    let path = account.backup();
    let report = verify_backup(&path, None, None).unwrap();
    assert!(report.history_complete);
    assert_eq!((report.state_version, report.entries, report.vaults.len()), (2, 2, 1));
    assert_eq!((report.vaults[0].head_seq, report.vaults[0].live, report.unsent), (3, 3, 1));
    let bytes = fs::read(&path).unwrap();
    let mut kinds = BTreeMap::new();
    for frame in FrameReader::read_all(&bytes[MAGIC.len()..]).unwrap() {
        let kind = match frame {
            Frame::State(_) => "states",
            Frame::NamedRecord(_) => "named records",
            Frame::Commit(_) => "commits",
            Frame::Record(_) => "records",
            Frame::Header(_) | Frame::End(_) => "others",
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let expected = [("states", 2), ("named records", 4), ("commits", 3), ("records", 4), ("others", 1)];
    assert_eq!(kinds, BTreeMap::from(expected));
}

#[test]
fn any_flipped_byte_and_any_shorter_or_longer_file_is_found() {
    let account = Account::new();
    let whole = fs::read(account.backup()).unwrap();
    let is_good = |bytes: &[u8]| verify::verify(bytes, None, |_| {}).is_ok();
    assert!(is_good(&whole));
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(!is_good(&flipped), "byte {place} of {}", whole.len());
        assert!(!is_good(&whole[..place]), "{place} bytes of {}", whole.len());
    }
    assert!(!is_good(&[&whole[..], &[0]].concat()));
}

#[test]
fn the_master_password_opens_every_record() {
    let account = Account::new();
    let path = account.backup();
    let right = MasterPassword::new(PASSWORD).unwrap();
    let opened = verify_backup(&path, Some(&right), None).unwrap().opened.unwrap();
    assert_eq!((opened.readable, opened.unreadable.len()), (4, 0));
    let wrong = MasterPassword::new("not the master password").unwrap();
    assert!(matches!(verify_backup(&path, Some(&wrong), None), Err(ClientError::WrongMasterPassword)));
}

/// A device may have signed a record that it sealed wrongly, and its hash is right all the same.
#[test]
fn a_record_that_does_not_open_is_named() {
    let mut account = Account::new();
    let vault_id = account.vault_id();
    let object_id = random_id(&mut OsRandom).unwrap();
    let other_key = etui_crypto::VaultKey::generate(vault_id, 0, &mut OsRandom);
    let sealed = seal_entry(&other_key, object_id, 1, b"{}", &mut OsRandom).unwrap();
    let pending = etui_sync::Pending {
        object_id,
        base: None,
        change: etui_sync::PendingChange::Put { record_type: RecordType::Entry, record: sealed.bytes },
    };
    let write = etui_sync::Write::Outbox { vault_id, object_id, bytes: pending.to_bytes() };
    account.store.apply(&[write]).unwrap();
    account.engine = Engine::restore(account.engine.device_id(), account.store.account().unwrap()).unwrap();
    account.commit("on its way with it");

    let path = account.backup();
    assert!(verify_backup(&path, None, None).is_ok(), "signed and whole");
    let right = MasterPassword::new(PASSWORD).unwrap();
    let opened = verify_backup(&path, Some(&right), None).unwrap().opened.unwrap();
    assert_eq!(opened.readable, 5);
    let unreadable: Vec<_> =
        opened.unreadable.iter().map(|(object_id, refused)| (*object_id, refused.refusal)).collect();
    assert_eq!(unreadable, [(object_id, Refusal::Commitment)]);
}
