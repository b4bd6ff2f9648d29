//! Lies about what came after the head.

use etui_chain::{Change, Digest, Head, Op, Refusal};
use etui_crypto::{SigningKey, VaultKey, random_id, seal_vault_key};
use etui_sync::{StateChange, StateFrames};

use crate::{
    kit::{Random, device::Device, wire::Fate},
    scene::{Scene, resign, with_root},
};

#[test]
fn an_old_or_another_head_is_refused() {
    let mut scene = Scene::new();
    let head = scene.victim.engine.head(&scene.vault_id);

    let mut old = scene.pull();
    (old.commits, old.records) = (Vec::new(), Vec::new());
    old.header.head = Head { seq: head.seq - 1, hash: Digest::of(&[b"old"]) };
    scene.pull_is_refused("an old head", Refusal::Rollback, old);

    let mut other = scene.pull();
    (other.commits, other.records) = (Vec::new(), Vec::new());
    other.header.head = Head { seq: head.seq, hash: Digest::of(&[b"other"]) };
    scene.pull_is_refused("another head at the pinned place", Refusal::Fork, other);

    let branched = scene.pull_with(|draft| draft.prev_hash = Digest::of(&[b"a branch"]));
    scene.pull_is_refused("a commit of another branch", Refusal::Fork, branched);

    let mut mislabelled = scene.pull();
    mislabelled.header.head.hash = Digest::of(&[b"not the last commit"]);
    scene.pull_is_refused("a head that the commits do not lead to", Refusal::Forged, mislabelled);
    scene.converges();
}

#[test]
fn an_old_or_another_state_behind_the_head_is_refused() {
    let mut scene = Scene::new();
    let mut old = scene.pull();
    old.header.state_version -= 1;
    scene.pull_is_refused("an older state", Refusal::StateRollback, old);
    let mut other = scene.pull();
    other.header.state_hash = Digest::of(&[b"other"]);
    scene.pull_is_refused("another state of the same version", Refusal::Fork, other);
    scene.converges();
}

#[test]
fn what_is_left_out_or_put_in_is_refused() {
    let mut scene = Scene::new();
    let mut pull = scene.pull();
    pull.records.pop();
    scene.pull_is_refused("a record left out", Refusal::Missing, pull);

    let mut pull = scene.pull();
    pull.records.push(pull.records[0].clone());
    scene.pull_is_refused("a record too many", Refusal::Extra, pull);

    let mut pull = scene.pull();
    pull.commits.remove(0);
    scene.pull_is_refused("the first commit left out", Refusal::Missing, pull);

    let mut pull = scene.pull();
    pull.commits.pop();
    scene.pull_is_refused("the last commit left out", Refusal::Missing, pull);

    let mut pull = scene.pull();
    pull.commits.push(pull.commits[1].clone());
    scene.pull_is_refused("a commit twice", Refusal::Extra, pull);

    let mut pull = scene.pull();
    pull.commits.swap(0, 1);
    scene.pull_is_refused("commits out of order", Refusal::Missing, pull);

    let mut pull = scene.pull();
    pull.commits[1] = pull.commits[0].clone();
    scene.pull_is_refused("a commit in the place of the next", Refusal::Rollback, pull);
    scene.converges();
}

#[test]
fn records_in_the_wrong_place_or_altered_are_refused() {
    let mut scene = Scene::new();
    let mut pull = scene.pull();
    pull.records[0] = pull.records[1].clone();
    scene.pull_is_refused("one entry's record in the place of another's", Refusal::WrongContext, pull);

    let place =
        scene.pull().records.iter().position(|record| record[24..40] == *scene.entry.as_bytes()).unwrap();
    let mut pull = scene.pull();
    pull.records[place] = scene.half_way.vaults[&scene.vault_id].records[&scene.entry].clone();
    scene.pull_is_refused("an older version", Refusal::Rollback, pull);

    for (what, offset, refusal) in [
        ("magic", 0, Refusal::Format),
        ("suite", 4, Refusal::UnknownSuite),
        ("type", 5, Refusal::Format),
        ("vault", 8, Refusal::WrongContext),
        ("object", 24, Refusal::WrongContext),
        ("version", 40, Refusal::WrongContext),
        ("epoch", 51, Refusal::WrongContext),
        ("part", 55, Refusal::WrongContext),
        ("salt", 60, Refusal::Forged),
        ("commitment", 90, Refusal::Forged),
        ("text", 130, Refusal::Forged),
    ] {
        let mut pull = scene.pull();
        pull.records[place][offset] ^= 0x80;
        scene.pull_is_refused(what, refusal, pull);
    }

    let mut pull = scene.pull();
    pull.records[place].truncate(135);
    scene.pull_is_refused("a record cut short", Refusal::Truncated, pull);
    scene.converges();
}

#[test]
fn commits_that_the_account_did_not_make_are_refused() {
    let mut scene = Scene::new();
    let stranger = SigningKey::generate(&mut Random::new(300));
    let mut pull = scene.pull();
    pull.commits[0] = resign(&pull.commits[0], &stranger, |_| {});
    scene.pull_is_refused("a stranger's signature", Refusal::Forged, pull);

    let mut pull = scene.pull();
    pull.commits[0] = resign(&pull.commits[0], &stranger, |draft| {
        draft.device_id = random_id(&mut Random::new(301)).unwrap();
    });
    scene.pull_is_refused("a device that is not listed", Refusal::Forged, pull);

    let pull = scene.pull_with(|draft| draft.state_hash = Digest::of(&[b"unknown"]));
    scene.pull_is_refused("a state that nobody delivered", Refusal::Missing, pull);

    let first_state = scene.wire.server.states[0].hash();
    assert_eq!(scene.victim.engine.oldest_state().hash(), first_state, "the victim holds it");
    let pull = scene.pull_with(|draft| draft.state_hash = first_state);
    scene.pull_is_refused("a state that is over", Refusal::Forged, pull);

    let foreign = random_id(&mut Random::new(302)).unwrap();
    let pull = scene.pull_with(|draft| draft.vault_id = foreign);
    scene.pull_is_refused("a commit of another vault", Refusal::WrongContext, pull);
    scene.converges();
}

#[test]
fn commits_that_break_the_rules_of_the_chain_are_refused() {
    let mut scene = Scene::new();
    let pull = scene.pull_with(|draft| draft.root = Digest::of(&[b"another tree"]));
    scene.pull_is_refused("another root", Refusal::Forged, pull);
    let pull = scene.pull_with(|draft| draft.live += 1);
    scene.pull_is_refused("another count", Refusal::Forged, pull);
    let pull = scene.pull_with(|draft| draft.changes[0].version += 1);
    scene.pull_is_refused("a version skipped", Refusal::Forged, pull);
    let pull = scene.pull_with(|draft| draft.epoch = 1);
    scene.pull_is_refused("another epoch than the state's", Refusal::Forged, pull);

    let absent = random_id(&mut Random::new(303)).unwrap();
    let pull = scene.pull_with(|draft| {
        draft.changes =
            vec![Change { object_id: absent, version: 1, op: Op::Purge, record_hash: Digest::ZERO }];
    });
    scene.pull_is_refused("the purge of what is not there", Refusal::Forged, pull);
    scene.converges();
}

#[test]
fn a_purged_id_that_comes_back_is_refused() {
    let mut scene = Scene::new();
    scene.other.purge(&scene.account, scene.vault_id, scene.entry).unwrap();
    scene.other.sync(&scene.account, &mut scene.wire);
    let leaves = scene.other.engine.leaves(&scene.vault_id).to_vec();

    let mut pull = scene.pull();
    let last = pull.commits.last().unwrap().clone();
    let first_put = Change {
        object_id: scene.entry,
        version: 1,
        op: Op::Put,
        record_hash: Digest::of(&[b"a record made in vain"]),
    };
    let again = resign(&last, &scene.other.key, |draft| {
        (draft.seq, draft.prev_hash, draft.changes) = (last.seq + 1, last.hash(), vec![first_put]);
        *draft = with_root(draft.clone(), &leaves);
    });
    pull.header.head = Head { seq: again.seq, hash: again.hash() };
    pull.commits.push(again);
    scene.pull_is_refused("a purged id used again", Refusal::Forged, pull);

    scene.victim.sync(&scene.account, &mut scene.wire);
    scene.other.sync(&scene.account, &mut scene.wire);
    assert_eq!(scene.victim.engine.head_code(), scene.other.engine.head_code());
    assert!(scene.victim.engine.current(&scene.vault_id, &scene.entry).is_none());
}

#[test]
fn a_removed_device_can_commit_no_more() {
    let mut scene = Scene::new();
    let at_removal = scene.pull();
    let (victim_id, wire) = (scene.victim.engine.device_id(), &mut scene.wire);
    let mut third = Device::join(&scene.account, &wire.server, 400);
    third.sync(&scene.account, wire);
    third.wish =
        Some(StateChange { remove_devices: vec![scene.other.engine.device_id()], ..StateChange::default() });
    third.push_state(&scene.account, wire, Fate::Delivered).unwrap();
    assert!(third.engine.state().device_key(&victim_id).is_some());
    let removal = third.engine.state().hash();
    scene.victim.pull_states(&scene.wire.server).unwrap();
    assert_eq!(scene.victim.engine.state().hash(), removal);

    let mut pull = scene.pull();
    let last = at_removal.commits.last().unwrap().clone();
    let another = resign(&last, &scene.other.key, |draft| {
        (draft.seq, draft.prev_hash, draft.state_hash) = (last.seq + 1, last.hash(), removal);
        draft.changes.clear();
    });
    pull.header.head = Head { seq: another.seq, hash: another.hash() };
    pull.commits.push(another);
    scene.pull_is_refused("a commit by a removed device", Refusal::Forged, pull);
    scene.victim.sync(&scene.account, &mut scene.wire);
    third.sync(&scene.account, &mut scene.wire);
    assert_eq!(scene.victim.engine.head_code(), third.engine.head_code());
}

#[test]
fn an_epoch_never_falls() {
    let mut scene = Scene::new();
    let mut random = Random::new(500);
    let key = VaultKey::generate(scene.vault_id, 1, &mut random);
    let sealed = seal_vault_key(scene.account.keyset.newest_root_key(), &key, &mut random).unwrap();
    scene.account.vault_keys.insert(key);
    let risen = scene.state_with(|body| {
        let server_head = scene.wire.server.vaults[&scene.vault_id].ledger.head();
        let vault = &mut body.vaults[0];
        (vault.epoch, vault.head_seq, vault.head_hash) = (1, server_head.seq, server_head.hash);
        vault.keys.push((1, sealed.hash));
    });
    let mut writer = etui_api::frame::FrameWriter::new();
    writer.push(&etui_api::frame::Frame::State(risen.as_bytes()));
    writer.push(&etui_api::frame::Frame::NamedRecord(sealed.bytes.as_slice()));
    scene.wire.server.push_state(&writer.finish()).unwrap();
    let frames = StateFrames { states: vec![risen.clone()], named_records: vec![sealed.bytes] };
    let step = scene.victim.engine.accept_states(frames).unwrap();
    scene.victim.adopt(step).unwrap();

    let fallen = scene.state_with(|body| {
        body.vaults[0].epoch = 0;
        let signed = &risen.vaults[0];
        (body.vaults[0].head_seq, body.vaults[0].head_hash) = (signed.head_seq, signed.head_hash);
    });
    scene.state_is_refused("a state that takes the epoch back", Refusal::Forged, fallen);

    let mut pull = scene.pull();
    let last = pull.commits.last().unwrap().clone();
    let fallen = resign(&last, &scene.other.key, |draft| {
        (draft.seq, draft.prev_hash, draft.state_hash) = (last.seq + 1, last.hash(), risen.hash());
        draft.changes.clear();
    });
    pull.header.head = Head { seq: fallen.seq, hash: fallen.hash() };
    pull.commits.push(fallen);
    scene.pull_is_refused("a commit that takes the epoch back", Refusal::Forged, pull);
    scene.converges();
}

#[test]
fn a_vault_listed_no_more_is_read_only() {
    let mut scene = Scene::new();
    let state = scene.state_with(|body| body.vaults.clear());
    let step = scene
        .victim
        .engine
        .accept_states(StateFrames { states: vec![state.clone()], named_records: Vec::new() });
    scene.victim.adopt(step.unwrap()).unwrap();
    let mut pull = scene.pull();
    (pull.header.state_version, pull.header.state_hash) = (state.version, state.hash());
    scene.pull_is_refused("commits of a vault listed no more", Refusal::VaultUnsigned, pull);
    assert!(scene.victim.engine.current(&scene.vault_id, &scene.entry).is_some(), "the copy here stays");
}
