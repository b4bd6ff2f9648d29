//! The corners that a schedule seldom turns, each by itself.

#[path = "corners/following.rs"]
mod following;
#[path = "corners/healing.rs"]
mod healing;
#[expect(dead_code, reason = "the fleet uses more of it")]
#[path = "fleet/kit.rs"]
mod kit;

use etui_api::frame::{Frame, FrameWriter};
use etui_chain::{ObjectId, RecordType, Refusal, Refused, VaultId};
use etui_crypto::{VaultKey, seal_vault_key};
use etui_sync::{Edit, EngineError, Merge, MergedBody, Notice, StateChange, StateFrames};
use etui_vault::{Entry, EntryType, FieldPath};

use kit::{
    Account, Random,
    device::Device,
    vault::{add_vault, successor},
    wire::{Fate, Wire},
};

/// Two devices on a par, one entry that both hold.
struct Pair {
    account: Account,
    wire: Wire,
    one: Device,
    two: Device,
    vault_id: VaultId,
    entry: ObjectId,
}

impl Pair {
    fn new() -> Self {
        let (account, server, mut one) = Account::found(1);
        let vault_id = account.vault_id;
        let mut wire = Wire::to(server);
        let body = Entry::new(EntryType::Login, "shared", account.now()).encode().unwrap();
        let entry = one.create(&account, vault_id, &body).unwrap();
        one.sync(&account, &mut wire);
        let mut two = Device::join(&account, &wire.server, 2);
        two.sync(&account, &mut wire);
        one.sync(&account, &mut wire);
        Self { account, wire, one, two, vault_id, entry }
    }

    fn one_writes(&mut self, path: FieldPath, value: &str) {
        write(&self.account, &mut self.one, self.vault_id, self.entry, path, value);
    }

    fn two_writes(&mut self, path: FieldPath, value: &str) {
        write(&self.account, &mut self.two, self.vault_id, self.entry, path, value);
    }

    fn one_pushes(&mut self, fate: Fate) {
        self.one.push(&self.account, self.vault_id, &mut self.wire, fate).unwrap();
    }

    /// Both talk with the server; what they then see of every entry.
    fn settle(&mut self) -> Vec<String> {
        self.one.sync(&self.account, &mut self.wire);
        self.two.sync(&self.account, &mut self.wire);
        self.one.sync(&self.account, &mut self.wire);
        assert_eq!(self.one.engine.head_code(), self.two.engine.head_code());
        let ids = self.one.visible(self.vault_id);
        ids.into_iter().map(|id| self.one.body(&self.account, self.vault_id, id)).collect()
    }

    /// What device one is told when it takes in the server's changes.
    fn notices_of_one(&mut self) -> Vec<Notice> {
        let after = self.one.engine.head(&self.vault_id).seq;
        let pull = self.wire.server.changes(self.vault_id, after);
        self.one.accept_pull(&self.account, self.vault_id, pull).unwrap().notices
    }
}

fn write(
    account: &Account,
    device: &mut Device,
    vault_id: VaultId,
    entry: ObjectId,
    path: FieldPath,
    value: &str,
) {
    let before = Entry::decode(device.body(account, vault_id, entry).as_bytes()).unwrap();
    let edit = etui_vault::Edit::Set { path, value: value.into() };
    let after = etui_vault::apply(&before, &[edit], account.now()).unwrap();
    device.change(account, vault_id, entry, &after.encode().unwrap()).unwrap();
}

fn refusal(error: &EngineError) -> Option<Refusal> {
    let EngineError::Refused(refused) = error else { return None };
    Some(refused.refusal)
}

#[test]
fn a_commit_that_loses_takes_the_newer_edit_of_its_entry_along() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "sent");
    pair.one_pushes(Fate::RequestLost);
    pair.one_writes(FieldPath::Password, "typed meanwhile");
    pair.two_writes(FieldPath::Username, "won");
    pair.two.sync(&pair.account, &mut pair.wire);
    assert_eq!(pair.notices_of_one(), [Notice::Conflict(pair.vault_id, pair.entry)]);
    let seen = pair.settle();
    assert_eq!(seen.len(), 1);
    for value in ["sent", "typed meanwhile", "won"] {
        assert!(seen[0].contains(value), "{value} is lost");
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_in_the_chain() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "arrived");
    pair.one_pushes(Fate::AnswerLost);
    pair.one_writes(FieldPath::Username, "newer");
    pair.two.sync(&pair.account, &mut pair.wire);
    pair.two_writes(FieldPath::Password, "on top");
    pair.two.sync(&pair.account, &mut pair.wire);
    assert_eq!(pair.notices_of_one(), [], "own bytes are no conflict");
    let seen = pair.settle();
    for value in ["arrived", "newer", "on top"] {
        assert!(seen[0].contains(value), "{value} is lost");
    }
}

#[test]
fn a_state_that_comes_between_sends_a_commit_back_to_the_outbox() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "too late");
    pair.one_pushes(Fate::RequestLost);
    for seed in [3, 4] {
        let mut joined = Device::join(&pair.account, &pair.wire.server, seed);
        joined.sync(&pair.account, &mut pair.wire);
    }
    pair.one_pushes(Fate::Delivered);
    assert!(
        pair.one.engine.in_flight(&pair.vault_id).is_some(),
        "its fate is not known before the states are"
    );
    pair.one.pull_states(&pair.wire.server).unwrap();
    pair.one.pull(&pair.account, pair.vault_id, &pair.wire.server).unwrap();
    assert!(pair.one.engine.in_flight(&pair.vault_id).is_none());
    assert_eq!(pair.one.engine.unsent(), 1);
    assert!(pair.settle()[0].contains("too late"));
}

#[test]
fn a_commit_taken_just_before_states_came_is_found_under_its_own_state() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "in time");
    pair.one_pushes(Fate::AnswerLost);
    for seed in [3, 4] {
        let mut joined = Device::join(&pair.account, &pair.wire.server, seed);
        joined.sync(&pair.account, &mut pair.wire);
    }
    pair.one.pull_states(&pair.wire.server).unwrap();
    pair.one_pushes(Fate::Delivered);
    assert_eq!(
        pair.one.engine.unsent(),
        0,
        "the server confirms what it holds, whatever the newest state is"
    );
    assert!(pair.settle()[0].contains("in time"));
}

#[test]
fn nothing_is_signed_below_a_head_that_the_state_names() {
    let mut pair = Pair::new();
    pair.two_writes(FieldPath::Username, "theirs");
    pair.two.sync(&pair.account, &mut pair.wire);
    let mut joined = Device::join(&pair.account, &pair.wire.server, 3);
    joined.sync(&pair.account, &mut pair.wire);
    pair.one.pull_states(&pair.wire.server).unwrap();
    pair.one_writes(FieldPath::Password, "mine");

    let mut context = pair.account.context(&pair.one.key, &mut pair.one.random);
    assert!(
        pair.one.engine.prepare_push(pair.vault_id, usize::MAX, &mut context).unwrap().is_none(),
        "pull first"
    );
    let identity = pair.account.keyset.identity();
    let error = pair.one.engine.prepare_state(&StateChange::default(), identity, 1).unwrap_err();
    assert_eq!(error, EngineError::Busy);
    assert!(pair.settle()[0].contains("mine"));
}

#[test]
fn a_purge_while_its_entry_is_on_the_way_holds() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "last words");
    pair.one_pushes(Fate::AnswerLost);
    pair.one.purge(&pair.account, pair.vault_id, pair.entry).unwrap();
    assert!(pair.settle().is_empty(), "nobody edited it meanwhile");
}

#[test]
fn a_purge_loses_against_an_edit_from_elsewhere() {
    let mut pair = Pair::new();
    pair.one.purge(&pair.account, pair.vault_id, pair.entry).unwrap();
    pair.one_pushes(Fate::RequestLost);
    pair.two_writes(FieldPath::Username, "still in use");
    pair.two.sync(&pair.account, &mut pair.wire);
    assert_eq!(pair.notices_of_one(), [Notice::PurgeUndone(pair.vault_id, pair.entry)]);
    assert!(pair.settle()[0].contains("still in use"));
}

#[test]
fn an_edit_of_what_was_purged_elsewhere_lives_on_as_a_new_entry() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "still in use");
    pair.one_pushes(Fate::RequestLost);
    pair.two.purge(&pair.account, pair.vault_id, pair.entry).unwrap();
    pair.two.sync(&pair.account, &mut pair.wire);
    let notices = pair.notices_of_one();
    assert!(
        matches!(notices[..], [Notice::KeptAsNew(_, new_id)] if new_id != pair.entry),
        "a purged id is never used again"
    );
    assert!(pair.settle()[0].contains("still in use"));
}

#[test]
fn a_new_entry_purged_before_it_is_sent_leaves_nothing() {
    let mut pair = Pair::new();
    let head = pair.one.engine.head(&pair.vault_id);
    let body = Entry::new(EntryType::Login, "a slip", 1).encode().unwrap();
    let slip = pair.one.create(&pair.account, pair.vault_id, &body).unwrap();
    pair.one.purge(&pair.account, pair.vault_id, slip).unwrap();
    assert_eq!(pair.one.engine.unsent(), 0);
    pair.one_pushes(Fate::Delivered);
    assert_eq!(pair.one.engine.head(&pair.vault_id), head, "nothing is sent for it");

    let slip = pair.one.create(&pair.account, pair.vault_id, &body).unwrap();
    pair.one_pushes(Fate::RequestLost);
    pair.one.purge(&pair.account, pair.vault_id, slip).unwrap();
    pair.two_writes(FieldPath::Username, "wins the race");
    pair.two.sync(&pair.account, &mut pair.wire);
    assert_eq!(pair.settle().len(), 1);
    assert!(!pair.wire.server.vaults[&pair.vault_id].ledger.is_purged(&slip), "the server never saw it");
}

#[test]
fn a_state_that_a_commit_overtook_is_signed_again() {
    let mut pair = Pair::new();
    let wish = StateChange { remove_devices: vec![pair.two.engine.device_id()], ..StateChange::default() };
    pair.one.wish = Some(wish);
    pair.one.push_state(&pair.account, &mut pair.wire, Fate::RequestLost).unwrap();
    pair.two_writes(FieldPath::Username, "first");
    pair.two.sync(&pair.account, &mut pair.wire);
    pair.one.push_state(&pair.account, &mut pair.wire, Fate::Delivered).unwrap();
    assert!(pair.one.engine.state_in_flight().is_some(), "refused, and no newer state to be shown");
    pair.one.pull(&pair.account, pair.vault_id, &pair.wire.server).unwrap();
    assert!(pair.one.engine.state_in_flight().is_none(), "it can never be taken any more");
    pair.one.assert_durable();
    pair.one.sync(&pair.account, &mut pair.wire);
    assert!(pair.one.engine.state().device_key(&pair.two.engine.device_id()).is_none());
}

#[test]
fn one_state_at_a_time_and_none_beside_a_commit() {
    let mut pair = Pair::new();
    let wish = StateChange::default();
    let identity = pair.account.keyset.identity();
    let step = pair.one.engine.prepare_state(&wish, identity, 1).unwrap();
    pair.one.adopt(step).unwrap();
    assert_eq!(pair.one.engine.prepare_state(&wish, identity, 2).unwrap_err(), EngineError::Busy);

    pair.two_writes(FieldPath::Username, "on its way");
    pair.two.push(&pair.account, pair.vault_id, &mut pair.wire, Fate::RequestLost).unwrap();
    let identity = pair.account.keyset.identity();
    assert_eq!(pair.two.engine.prepare_state(&wish, identity, 1).unwrap_err(), EngineError::Busy);
    pair.settle();
}

#[test]
fn an_own_commit_overtakes_an_own_state() {
    let mut pair = Pair::new();
    let wish = StateChange { remove_devices: vec![pair.two.engine.device_id()], ..StateChange::default() };
    pair.one.wish = Some(wish);
    pair.one.push_state(&pair.account, &mut pair.wire, Fate::RequestLost).unwrap();
    pair.one_writes(FieldPath::Username, "first");
    pair.one_pushes(Fate::Delivered);
    assert!(pair.one.engine.state_in_flight().is_none());
    pair.one.sync(&pair.account, &mut pair.wire);
}

#[test]
fn a_state_found_among_those_of_others_is_one_s_own() {
    let mut pair = Pair::new();
    let id = pair.two.engine.device_id();
    pair.one.wish = Some(StateChange { remove_devices: vec![id], ..StateChange::default() });
    pair.one.push_state(&pair.account, &mut pair.wire, Fate::AnswerLost).unwrap();
    let mut joined = Device::join(&pair.account, &pair.wire.server, 3);
    joined.sync(&pair.account, &mut pair.wire);
    pair.one.pull_states(&pair.wire.server).unwrap();
    assert!(pair.one.engine.state_in_flight().is_none());
    assert!(pair.one.engine.state().device_key(&id).is_none());
    pair.one.sync(&pair.account, &mut pair.wire);
}

#[test]
fn a_vault_newly_listed_waits_to_be_pulled_before_anything_is_signed() {
    let mut pair = Pair::new();
    let new_id = add_vault(&mut pair.account, &mut pair.two, &mut pair.wire.server).unwrap();
    pair.one.pull_states(&pair.wire.server).unwrap();
    let identity = pair.account.keyset.identity();
    let error = pair.one.engine.prepare_state(&StateChange::default(), identity, 1).unwrap_err();
    assert_eq!(error, EngineError::Busy, "its head is not known yet");
    let edit = Edit::Create { object_id: pair.entry, record_type: RecordType::Entry, body: b"{}" };
    let mut context = pair.account.context(&pair.one.key, &mut pair.one.random);
    let error = pair.one.engine.edit(new_id, vec![edit], &mut context).unwrap_err();
    assert_eq!(error, EngineError::NoVault);
    pair.settle();
    assert!(pair.one.holds(&new_id) && pair.two.holds(&new_id));
}

#[test]
fn edits_made_before_the_epoch_rose_are_sealed_again() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "of epoch 0");
    let mut random = Random::new(9);
    let key = VaultKey::generate(pair.vault_id, 1, &mut random);
    let sealed = seal_vault_key(pair.account.keyset.newest_root_key(), &key, &mut random).unwrap();
    pair.account.vault_keys.insert(key);
    let mut body = successor(&pair.account, &pair.two);
    body.vaults[0].epoch = 1;
    body.vaults[0].keys.push((1, sealed.hash));
    let state = pair.account.keyset.identity().sign_state(body);
    let mut writer = FrameWriter::new();
    writer.push(&Frame::State(state.as_bytes()));
    writer.push(&Frame::NamedRecord(sealed.bytes.as_slice()));
    pair.wire.server.push_state(&writer.finish()).unwrap();
    assert!(pair.settle()[0].contains("of epoch 0"));
    assert_eq!(pair.two.engine.epoch(&pair.vault_id), 1);
}

#[test]
fn edits_that_could_never_be_sent_are_refused_at_once() {
    let mut pair = Pair::new();
    let settings = ObjectId::from(pair.vault_id.id());
    let create = |object_id| Edit::Create { object_id, record_type: RecordType::Entry, body: b"{}" };
    let error_of = |device: &mut Device, edit: Edit<'_>| {
        let mut context = pair.account.context(&device.key, &mut device.random);
        device.engine.edit(pair.vault_id, vec![edit], &mut context).unwrap_err()
    };
    let one = &mut pair.one;
    assert_eq!(refusal(&error_of(one, create(pair.entry))), Some(Refusal::Extra), "the id is in use");
    let synced = one.store.record(pair.vault_id, settings);
    let purge = Edit::Purge { object_id: settings, synced };
    assert_eq!(refusal(&error_of(one, purge)), Some(Refusal::Format), "settings live as long as the vault");

    one.purge(&pair.account, pair.vault_id, pair.entry).unwrap();
    let change =
        || Edit::Change { object_id: pair.entry, record_type: RecordType::Entry, body: b"{}", synced: None };
    assert_eq!(error_of(one, change()), EngineError::NoObject, "it waits to be purged");
    one.push(&pair.account, pair.vault_id, &mut pair.wire, Fate::RequestLost).unwrap();
    assert_eq!(error_of(one, change()), EngineError::NoObject, "its purge is on the way");
    assert_eq!(refusal(&error_of(one, create(pair.entry))), Some(Refusal::Extra));
    one.push(&pair.account, pair.vault_id, &mut pair.wire, Fate::Delivered).unwrap();
    assert_eq!(refusal(&error_of(one, create(pair.entry))), Some(Refusal::Extra), "the id is gone for good");
}

/// A merge of two entries that do not fit into one.
struct TooLarge;

impl Merge for TooLarge {
    fn merge(&self, _: RecordType, _: &[u8], _: &[u8], _: &[u8], _: u64) -> Result<MergedBody, Refused> {
        Err(Refusal::Limit.because("an entry that is too large"))
    }
}

#[test]
fn edits_that_cannot_be_joined_are_kept_as_two_entries() {
    let mut pair = Pair::new();
    pair.one_writes(FieldPath::Username, "mine");
    pair.two_writes(FieldPath::Username, "theirs");
    pair.two.sync(&pair.account, &mut pair.wire);
    let pull = pair.wire.server.changes(pair.vault_id, pair.one.engine.head(&pair.vault_id).seq);
    let mut context = pair.account.context(&pair.one.key, &mut pair.one.random);
    context.merge = &TooLarge;
    let step = pair.one.engine.accept_pull(pair.vault_id, pull, &mut context).unwrap();
    assert!(matches!(step.notices[..], [Notice::KeptAsNew(_, new_id)] if new_id != pair.entry));
    pair.one.adopt(step).unwrap();
    let seen = pair.settle();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].contains("mine"), seen[1].contains("mine"));
    assert_ne!(seen[0].contains("theirs"), seen[1].contains("theirs"));
}

#[test]
fn an_empty_answer_is_no_change() {
    let pair = Pair::new();
    let step = pair.one.engine.accept_states(StateFrames::default()).unwrap();
    assert!(step.writes.is_empty());
}
