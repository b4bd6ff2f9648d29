//! A small real backup, and everything that can become of its bytes.

use std::{collections::BTreeMap, fs, path::PathBuf};

use etui_api::frame::FrameReader;
use etui_chain::{Commit, CommitDraft, DeviceId, Head, RecordType, Refusal, VaultId};
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
        let step =
            self.with_context(|context| self.engine.prepare_push(vault_id, usize::MAX, context).unwrap());
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
        let mut file = NewFile::create(&to, IfThere::Replace).unwrap();
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

/// What a backup is refused for, once its frames were altered and written anew.
fn refusal_of(account: &Account, alter: impl FnOnce(&mut Vec<Frame>)) -> Option<Refusal> {
    let whole = fs::read(account.backup()).unwrap();
    let mut frames = FrameReader::read_all(&whole[MAGIC.len()..]).unwrap();
    alter(&mut frames);
    match verify::verify(&written(&frames)[..], None, |_| {}) {
        Ok(_) => None,
        Err(verify::Unverified::Wrong(error)) => Some(error.refusal().unwrap()),
        Err(error) => panic!("{error:?}"),
    }
}

fn written(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    for frame in frames {
        writer.push(frame);
    }
    [MAGIC, &writer.finish()].concat()
}

fn place(frames: &[Frame], wanted: fn(&Frame) -> bool, number: usize) -> usize {
    frames.iter().enumerate().filter(|(_, frame)| wanted(frame)).nth(number).unwrap().0
}

#[test]
fn what_is_left_out_put_in_or_moved_is_refused_by_its_name() {
    let account = Account::new();
    let [state, named, commit, record]: [fn(&Frame) -> bool; 4] = [
        |frame| matches!(frame, Frame::State(_)),
        |frame| matches!(frame, Frame::NamedRecord(_)),
        |frame| matches!(frame, Frame::Commit(_)),
        |frame| matches!(frame, Frame::Record(_)),
    ];
    let left_out =
        |wanted, number| refusal_of(&account, |frames| drop(frames.remove(place(frames, wanted, number))));
    let twice = |wanted, number| {
        refusal_of(&account, |frames| {
            let place = place(frames, wanted, number);
            frames.insert(place, frames[place].clone());
        })
    };
    let swapped = |wanted| {
        refusal_of(&account, |frames| {
            let (first, second) = (place(frames, wanted, 0), place(frames, wanted, 1));
            frames.swap(first, second);
        })
    };
    assert_eq!(refusal_of(&account, |_| {}), None);
    assert_eq!(refusal_of(&account, Vec::clear), Some(Refusal::Missing));
    assert_eq!(swapped(state), Some(Refusal::StateRollback));
    assert_eq!(twice(state, 1), Some(Refusal::StateRollback));
    assert_eq!(twice(named, 0), Some(Refusal::Extra));
    assert_eq!(swapped(commit), Some(Refusal::Missing));
    assert_eq!(left_out(commit, 1), Some(Refusal::Missing));
    assert_eq!(twice(commit, 1), Some(Refusal::Missing));
    assert_eq!(left_out(record, 0), Some(Refusal::Missing));
    assert_eq!(twice(record, 0), Some(Refusal::Extra));
    assert_eq!(left_out(record, 3), Some(Refusal::Missing), "the unsent one");
    let out_of_place = refusal_of(&account, |frames| {
        let (commit, record) = (place(frames, commit, 0), place(frames, record, 0));
        frames.swap(commit, record);
    });
    assert_eq!(out_of_place, Some(Refusal::VaultUnsigned));
    let planted = refusal_of(&account, |frames| frames.insert(2, Frame::NamedRecord(b"planted".to_vec())));
    assert_eq!(planted, Some(Refusal::KeysetHash));
    let newest_named = account.engine.state().settings_hash.unwrap();
    let not_there = refusal_of(&account, |frames| {
        frames.retain(
            |frame| !matches!(frame, Frame::NamedRecord(bytes) if record_hash(bytes) == newest_named),
        );
    });
    assert_eq!(not_there, Some(Refusal::Missing));
}

#[test]
fn what_the_account_did_not_sign_is_refused() {
    let account = Account::new();
    let resigned = |bytes: &[u8], key: &SigningKey| {
        let mut draft = CommitDraft::clone(&Commit::parse(bytes).unwrap());
        draft.time_ms += 1;
        Frame::Commit(key.sign_commit(draft).as_bytes().to_vec())
    };
    let commit = |number: usize| {
        move |frames: &[Frame]| place(frames, |frame| matches!(frame, Frame::Commit(_)), number)
    };
    let refusal_of_commit = |number, key: &SigningKey| {
        refusal_of(&account, |frames| {
            let place = commit(number)(frames);
            let Frame::Commit(bytes) = &frames[place] else { panic!("a commit") };
            frames[place] = resigned(bytes, key);
        })
    };
    let stranger = SigningKey::generate(&mut OsRandom);
    assert_eq!(refusal_of_commit(0, &stranger), Some(Refusal::Forged));
    assert_eq!(refusal_of_commit(0, &account.device_key), Some(Refusal::Fork), "the next one says another");
    assert_eq!(refusal_of_commit(1, &account.device_key), Some(Refusal::Forged), "a state says another");
    assert_eq!(refusal_of_commit(2, &stranger), Some(Refusal::Forged));
    for number in [0, 1] {
        let unsigned_state = refusal_of(&account, |frames| {
            let Frame::State(bytes) = &mut frames[number] else { panic!("a state") };
            *bytes.last_mut().unwrap() ^= 1;
        });
        assert_eq!(unsigned_state, Some(Refusal::StateSignature));
    }
    let below_the_signed_head = refusal_of(&account, |frames| {
        let (second, settings) = (commit(1)(frames), VaultId::from(account.vault_id().id()));
        frames.truncate(frames.len() - 2);
        frames.drain(second..second + 2);
        frames.retain(
            |frame| !matches!(frame, Frame::Record(record) if record[24..40] != *settings.as_bytes()),
        );
    });
    assert_eq!(below_the_signed_head, Some(Refusal::Rollback));
}

/// As a device writes it that joined late and had no time to fetch the history.
#[test]
fn a_backup_without_the_beginning_says_so() {
    let account = Account::new();
    let whole = fs::read(account.backup()).unwrap();
    let mut frames = FrameReader::read_all(&whole[MAGIC.len()..]).unwrap();
    let named: Vec<Digest> = account.engine.state().named_records().collect();
    let mut commits = 0;
    frames.remove(0);
    frames.retain(|frame| match frame {
        Frame::NamedRecord(bytes) => named.contains(&record_hash(bytes)),
        Frame::Commit(_) => {
            commits += 1;
            commits > 1
        }
        _ => true,
    });
    let report = verify::verify(&written(&frames)[..], None, |_| {}).unwrap();
    assert!(!report.history_complete);
    assert_eq!((report.entries, report.vaults[0].head_seq), (2, 3));
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
