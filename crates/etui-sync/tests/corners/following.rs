//! A fork, and a device that goes over to the other branch.

use std::collections::BTreeMap;

use etui_chain::{Commit, ObjectId, Op, RecordType, Refusal, State, StateBody};
use etui_crypto::SigningKey;
use etui_sync::{Edit, Engine, Notice, Parting, Step};
use etui_vault::{Entry, EntryType, FieldPath};

use crate::{
    Pair,
    kit::{Account, Random, device::Device, server::Server, vault::add_vault, wire::Wire},
    refusal, write,
};

/// Device one is on the first branch, device two on the second, which was split off when both were on a par.
struct Forked {
    pair: Pair,
    second: Wire,
    shared: Vec<ObjectId>,
    /// Purged before the branches part.
    gone: ObjectId,
}

impl Forked {
    /// Entries that both branches have, for each title.
    fn with(titles: &[&str]) -> Self {
        let mut pair = Pair::new();
        let shared = titles.iter().map(|title| create(&pair.account, &mut pair.one, title)).collect();
        let gone = create(&pair.account, &mut pair.one, "gone before");
        pair.settle();
        pair.one.purge(&pair.account, pair.vault_id, gone).unwrap();
        pair.settle();
        let second = Wire::to(pair.wire.server.clone());
        Self { pair, second, shared, gone }
    }

    fn one_writes(&mut self, index: usize, path: FieldPath, value: &str) {
        let Pair { account, one, vault_id, .. } = &mut self.pair;
        write(account, one, *vault_id, self.shared[index], path, value);
    }

    fn two_writes(&mut self, index: usize, path: FieldPath, value: &str) {
        let Pair { account, two, vault_id, .. } = &mut self.pair;
        write(account, two, *vault_id, self.shared[index], path, value);
    }

    /// Each device talks with the server of its branch.
    fn sync(&mut self) {
        self.pair.one.sync(&self.pair.account, &mut self.pair.wire);
        self.pair.two.sync(&self.pair.account, &mut self.second);
    }

    /// One goes over to the second branch, both talk with its server; what is there then, and what one was told.
    fn one_follows(&mut self) -> (Vec<String>, Vec<Notice>) {
        let Pair { account, one, two, vault_id, .. } = &mut self.pair;
        let notices = follow(one, account, &self.second.server);
        for _ in 0..2 {
            one.sync(account, &mut self.second);
            two.sync(account, &mut self.second);
        }
        assert_eq!(one.engine.head_code(), two.engine.head_code());
        assert_eq!(one.engine.unsent(), 0);
        let ids = one.visible(*vault_id);
        (ids.into_iter().map(|id| one.body(account, *vault_id, id)).collect(), notices)
    }
}

fn create(account: &Account, device: &mut Device, title: &str) -> ObjectId {
    let body = Entry::new(EntryType::Login, title, account.now()).encode().unwrap();
    device.create(account, account.vault_id, &body).unwrap()
}

/// Goes over to the branch of a server.
fn follow(device: &mut Device, account: &Account, server: &Server) -> Vec<Notice> {
    let (state, named_records) = server.newest_with_records();
    let snapshots = state.vaults.iter().map(|vault| (vault.id, server.snapshot(vault.id))).collect();
    let mut branch = device.engine.join_branch(state, named_records, snapshots).unwrap();
    if let Some(begin) = branch.engine.states_begin() {
        extend(&mut branch, |engine| engine.accept_older_states(server.states_between(0, begin)).unwrap());
    }
    let mut partings = BTreeMap::new();
    for vault_id in branch.engine.vault_ids().collect::<Vec<_>>() {
        let ours: Vec<Commit> =
            device.store.commits(vault_id).map(|bytes| Commit::parse(bytes).unwrap()).collect();
        let theirs = server.commits_between(vault_id, 0, u64::MAX);
        let common = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
        if let Some(begin) = branch.engine.commits_begin(&vault_id).filter(|begin| *begin > common as u64 + 1)
        {
            let older = server.commits_between(vault_id, common as u64, begin);
            extend(&mut branch, |engine| engine.accept_older_commits(vault_id, &older).unwrap());
        }
        let changes = ours[..common].iter().flat_map(|commit| &commit.changes);
        let purged = changes.filter(|change| change.op == Op::Purge).map(|change| change.object_id);
        let parting = Parting {
            purged: purged.collect(),
            ours: ours[common..].to_vec(),
            theirs: theirs[common..].to_vec(),
        };
        partings.insert(vault_id, parting);
    }
    let mut context = account.context(&device.key, &mut device.random);
    let record = |vault_id, object_id| device.store.record(vault_id, object_id);
    let mut step = device.engine.follow(branch, &partings, &record, &mut context).unwrap();
    let notices = std::mem::take(&mut step.notices);
    device.adopt(step).unwrap();
    notices
}

/// A further step of the same.
fn extend(step: &mut Step, further: impl FnOnce(&Engine) -> Step) {
    let next = further(&step.engine);
    step.engine = next.engine;
    step.writes.extend(next.writes);
}

#[test]
fn a_fork_is_refused_and_following_keeps_what_both_branches_made() {
    let mut forked = Forked::with(&["changed on one", "changed on two", "changed on both"]);
    forked.one_writes(0, FieldPath::Username, "sent on one");
    forked.one_writes(2, FieldPath::Username, "mine");
    create(&forked.pair.account, &mut forked.pair.one, "made on one");
    forked.two_writes(1, FieldPath::Username, "sent on two");
    forked.two_writes(2, FieldPath::Username, "theirs");
    create(&forked.pair.account, &mut forked.pair.two, "made on two");
    forked.sync();
    forked.one_writes(0, FieldPath::Password, "not sent yet");
    forked.one_writes(2, FieldPath::Notes, "added to mine");
    create(&forked.pair.account, &mut forked.pair.one, "made and not sent");
    let pull = forked
        .second
        .server
        .changes(forked.pair.vault_id, forked.pair.one.engine.head(&forked.pair.vault_id).seq);
    let error = forked.pair.one.accept_pull(&forked.pair.account, forked.pair.vault_id, pull).unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Fork));

    let (seen, notices) = forked.one_follows();
    assert_eq!(notices, [Notice::Conflict(forked.pair.vault_id, forked.shared[2])]);
    assert_eq!(seen.len(), 7);
    for value in
        ["sent on one", "not sent yet", "made on one", "made and not sent", "sent on two", "made on two"]
    {
        assert_eq!(seen.iter().filter(|body| body.contains(value)).count(), 1, "{value}");
    }
    let joined =
        |body: &String| ["\"mine\"", "theirs", "added to mine"].iter().all(|value| body.contains(value));
    assert!(seen.iter().any(joined), "both are kept: {seen:?}");
}

#[test]
fn what_was_purged_on_either_branch_is_settled_as_ever() {
    let titles =
        ["purged on one", "purged on one, changed on two", "purged on two", "purged on two, changed on one"];
    let mut forked = Forked::with(&titles);
    let vault_id = forked.pair.vault_id;
    for index in [0, 1] {
        forked.pair.one.purge(&forked.pair.account, vault_id, forked.shared[index]).unwrap();
    }
    for index in [2, 3] {
        forked.pair.two.purge(&forked.pair.account, vault_id, forked.shared[index]).unwrap();
    }
    forked.two_writes(1, FieldPath::Username, "still wanted");
    forked.one_writes(3, FieldPath::Username, "wanted here");
    forked.sync();
    let (seen, notices) = forked.one_follows();
    assert!(
        matches!(notices[..], [Notice::PurgeUndone(_, stays), Notice::KeptAsNew(_, new)]
        | [Notice::KeptAsNew(_, new), Notice::PurgeUndone(_, stays)]
        if stays == forked.shared[1] && new != forked.shared[3]),
        "{notices:?}"
    );
    for (value, count) in
        [("still wanted", 1), ("wanted here", 1), ("\"purged on one\"", 0), ("\"purged on two\"", 0)]
    {
        assert_eq!(seen.iter().filter(|body| body.contains(value)).count(), count, "{value}: {seen:?}");
    }
    let one = &forked.pair.one;
    let purged = one.store.purged(vault_id);
    assert!([0, 2, 3].iter().all(|index| purged.contains(&forked.shared[*index])));
    assert!(purged.contains(&forked.gone));
    let edit = Edit::Create { object_id: forked.gone, record_type: RecordType::Entry, body: b"{}" };
    let mut random = Random::new(44);
    let mut context = forked.pair.account.context(&one.key, &mut random);
    let error = one.engine.edit(vault_id, vec![edit], &mut context).unwrap_err();
    assert_eq!(refusal(&error), Some(Refusal::Extra), "its id is never used again");
}

#[test]
fn states_and_commits_in_flight_of_the_branch_that_is_left_do_not_stay() {
    let mut forked = Forked::with(&["one", "two"]);
    Device::join(&forked.pair.account, &forked.pair.wire.server, 40)
        .sync(&forked.pair.account, &mut forked.pair.wire);
    Device::join(&forked.pair.account, &forked.second.server, 41)
        .sync(&forked.pair.account, &mut forked.second);
    forked.one_writes(0, FieldPath::Username, "sent on one");
    forked.sync();
    forked.one_writes(0, FieldPath::Password, "in flight");
    let Pair { account, one, wire, vault_id, .. } = &mut forked.pair;
    one.push(account, *vault_id, wire, crate::Fate::RequestLost).unwrap();
    let (seen, _) = forked.one_follows();
    let both = |body: &&String| body.contains("sent on one") && body.contains("in flight");
    assert_eq!(seen.iter().filter(both).count(), 1);
    let states: Vec<_> = forked.pair.one.store.states().cloned().collect();
    let theirs: Vec<_> = forked.second.server.states.iter().map(|state| state.as_bytes().to_vec()).collect();
    assert_eq!(states, theirs);
    forked.pair.one.fetch_history(&forked.second.server).unwrap();
    let commits = forked.second.server.commits_between(forked.pair.vault_id, 0, u64::MAX);
    assert!(forked.pair.one.store.commits(forked.pair.vault_id).eq(commits.iter().map(Commit::as_bytes)));
}

#[test]
fn a_vault_that_only_the_branch_left_lists_stays_with_its_keys() {
    let mut forked = Forked::with(&["one"]);
    let Pair { account, one, wire, .. } = &mut forked.pair;
    let only_here = add_vault(account, one, &mut wire.server).unwrap();
    forked.two_writes(0, FieldPath::Username, "theirs");
    forked.sync();
    let one = &forked.pair.one;
    let keys = one.engine.state().vault(&only_here).unwrap().keys.clone();
    assert!(!keys.is_empty() && keys.iter().all(|(_, hash)| one.store.holds_named(hash)));
    forked.one_follows();
    let one = &forked.pair.one;
    assert!(one.holds(&only_here) && one.engine.state().vault(&only_here).is_none());
    assert!(keys.iter().all(|(_, hash)| one.store.holds_named(hash)), "what stays stays readable");
}

#[test]
fn only_a_branch_of_this_very_account_is_followed() {
    let forked = Forked::with(&[]);
    let error_of =
        |state| forked.pair.one.engine.join_branch(state, Vec::new(), BTreeMap::new()).unwrap_err();
    let (_, elsewhere, _) = Account::found(42);
    assert_eq!(refusal(&error_of(elsewhere.newest().clone())), Some(Refusal::WrongContext));
    let newest = forked.second.server.newest();
    let mut unsigned = newest.as_bytes().to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let unsigned = State::parse(&unsigned).unwrap();
    assert_eq!(refusal(&error_of(unsigned)), Some(Refusal::StateSignature));
    let resigned = |key: &SigningKey, alter: fn(&mut StateBody)| {
        let mut body = StateBody::clone(newest);
        body.identity_key = key.public_key();
        alter(&mut body);
        key.sign_state(body)
    };
    let of_a_stranger = resigned(&SigningKey::generate(&mut Random::new(43)), |_| {});
    assert_eq!(refusal(&error_of(of_a_stranger)), Some(Refusal::StateSignature));
    let weak = resigned(forked.pair.account.keyset.identity(), |body| body.kdf.t = 1);
    assert_eq!(refusal(&error_of(weak)), Some(Refusal::KdfFloor), "the floor holds");
    let unsealed = error_of(newest.clone());
    assert_eq!(refusal(&unsealed), Some(Refusal::Missing), "what it names has to come with it");
}
