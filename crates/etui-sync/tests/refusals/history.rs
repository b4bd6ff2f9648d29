//! Lies about the time before a device joined.

use etui_chain::{Change, Commit, CommitDraft, Digest, Op, Refusal, StateBody};
use etui_crypto::SigningKey;
use etui_sync::{EngineError, StateFrames};

use crate::{
    kit::{Account, Random, device::Device},
    scene::{Scene, body, resign, with_root},
};

/// A scene whose victim joined after several states, commits and a purge.
fn late() -> Scene {
    let mut scene = long_ago();
    scene.victim = Device::join(&scene.account, &scene.wire.server, 320);
    scene.victim.sync(&scene.account, &mut scene.wire);
    scene.victim.create(&scene.account, scene.vault_id, &body(&scene.account, "mine")).unwrap();
    scene
}

/// Before the victim joins.
fn long_ago() -> Scene {
    let mut scene = Scene::new();
    scene.victim.sync(&scene.account, &mut scene.wire);
    let purged = scene.other.create(&scene.account, scene.vault_id, &body(&scene.account, "gone")).unwrap();
    scene.other.sync(&scene.account, &mut scene.wire);
    scene.other.purge(&scene.account, scene.vault_id, purged).unwrap();
    scene.other.sync(&scene.account, &mut scene.wire);
    for seed in [318, 319] {
        Device::join(&scene.account, &scene.wire.server, seed).sync(&scene.account, &mut scene.wire);
    }
    scene.other.sync(&scene.account, &mut scene.wire);
    for title in ["above the newest signed head", "the newest"] {
        scene.other.create(&scene.account, scene.vault_id, &body(&scene.account, title)).unwrap();
        scene.other.sync(&scene.account, &mut scene.wire);
    }
    scene
}

fn states(scene: &Scene) -> StateFrames {
    scene.wire.server.states_between(0, scene.victim.engine.states_begin().unwrap())
}

fn commits(scene: &Scene) -> Vec<Commit> {
    let begin = scene.victim.engine.commits_begin(&scene.vault_id).unwrap();
    scene.wire.server.commits_between(scene.vault_id, 0, begin)
}

fn states_are_refused(scene: &mut Scene, what: &str, refusal: Refusal, alter: impl FnOnce(&mut StateFrames)) {
    let mut frames = states(scene);
    alter(&mut frames);
    scene.is_refused(what, refusal, |_, victim| Ok(victim.engine.accept_older_states(frames)?));
}

fn commits_are_refused(
    scene: &mut Scene,
    what: &str,
    refusal: Refusal,
    alter: impl FnOnce(&mut Vec<Commit>),
) {
    let (mut older, vault_id) = (commits(scene), scene.vault_id);
    alter(&mut older);
    scene.is_refused(what, refusal, |_, victim| victim.engine.accept_older_commits(vault_id, &older));
}

fn with_states() -> Scene {
    let mut scene = late();
    let step = scene.victim.engine.accept_older_states(states(&scene)).unwrap();
    scene.victim.adopt(step).unwrap();
    scene
}

#[test]
fn older_states_are_those_that_the_verified_ones_build_on() {
    let mut scene = late();
    states_are_refused(&mut scene, "none", Refusal::Missing, |frames| frames.states.clear());
    states_are_refused(&mut scene, "the last left out", Refusal::Missing, |frames| {
        drop(frames.states.pop());
    });
    states_are_refused(&mut scene, "a gap", Refusal::Missing, |frames| {
        let last = frames.states.pop().unwrap();
        frames.states.pop();
        frames.states.push(last);
    });
    let held = scene.victim.engine.oldest_state().as_ref().clone();
    states_are_refused(&mut scene, "one held already", Refusal::Extra, |frames| frames.states.push(held));
    let (_, elsewhere, _) = Account::found(321);
    states_are_refused(&mut scene, "another account's", Refusal::WrongContext, |frames| {
        *frames.states.last_mut().unwrap() = elsewhere.newest().clone();
    });
    let identity = scene.account.keyset.identity();
    let altered = |frames: &StateFrames| {
        let mut body = StateBody::clone(frames.states.last().unwrap());
        body.time_ms += 1;
        identity.sign_state(body)
    };
    let mut frames = states(&scene);
    let other = altered(&frames);
    *frames.states.last_mut().unwrap() = other;
    scene.is_refused("one that the identity signed too", Refusal::Forged, |_, victim| {
        Ok(victim.engine.accept_older_states(frames)?)
    });
    states_are_refused(&mut scene, "a record that nobody names", Refusal::KeysetHash, |frames| {
        frames.named_records.push(b"planted".to_vec());
    });
    scene.victim.fetch_history(&scene.wire.server).unwrap();
    scene.converges();
}

#[test]
fn older_commits_are_those_that_the_verified_ones_build_on() {
    let mut scene = with_states();
    commits_are_refused(&mut scene, "none", Refusal::Missing, Vec::clear);
    commits_are_refused(&mut scene, "the last left out", Refusal::Missing, |older| drop(older.pop()));
    commits_are_refused(&mut scene, "a gap", Refusal::Missing, |older| drop(older.remove(older.len() - 2)));
    let (begin, vault_id) = (scene.victim.engine.commits_begin(&scene.vault_id).unwrap(), scene.vault_id);
    let held = scene.wire.server.commits_between(vault_id, begin - 1, begin + 1).remove(0);
    commits_are_refused(&mut scene, "one held already", Refusal::Extra, |older| older.push(held));
    let (_, elsewhere, _) = Account::found(322);
    let foreign = elsewhere.vaults.values().next().unwrap().commits[0].clone();
    commits_are_refused(&mut scene, "another vault's", Refusal::WrongContext, |older| older.push(foreign));
    let mut older = commits(&scene);
    let last = older.pop().unwrap();
    older.push(resign(&last, &scene.other.key, |draft| draft.time_ms += 1));
    scene.is_refused("another, by a device that may", Refusal::Forged, |_, victim| {
        victim.engine.accept_older_commits(vault_id, &older)
    });
    scene.victim.fetch_history(&scene.wire.server).unwrap();
    scene.converges();
}

#[test]
fn states_come_before_commits() {
    let mut scene = late();
    commits_are_refused(&mut scene, "commits without their states", Refusal::Missing, |_| {});
    scene.victim.fetch_history(&scene.wire.server).unwrap();
    scene.converges();
}

/// What is refused of a chain that was made by a device which broke a rule and one which built on that: the newest
/// commit but one is altered, the newest follows it, and the victim joined at the newest.
fn refusal_behind(key: Option<&SigningKey>, alter: impl FnOnce(&Scene, &mut CommitDraft)) -> Option<Refusal> {
    let mut scene = long_ago();
    let chain = scene.wire.server.vaults.get_mut(&scene.vault_id).unwrap();
    let (newest, before) = (chain.commits.pop().unwrap(), chain.commits.pop().unwrap());
    let mut draft = CommitDraft::clone(&before);
    alter(&scene, &mut draft);
    let broken = key.unwrap_or(&scene.other.key).sign_commit(draft);
    let on_top = resign(&newest, &scene.other.key, |draft| draft.prev_hash = broken.hash());
    let chain = scene.wire.server.vaults.get_mut(&scene.vault_id).unwrap();
    chain.commits.extend([broken, on_top]);
    scene.victim = Device::join(&scene.account, &scene.wire.server, 330);
    let step = scene.victim.engine.accept_older_states(states(&scene)).unwrap();
    scene.victim.adopt(step).unwrap();
    match scene.victim.engine.accept_older_commits(scene.vault_id, &commits(&scene)) {
        Ok(_) => None,
        Err(EngineError::Refused(refused)) => Some(refused.refusal),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn older_commits_keep_the_rules_that_newer_ones_keep() {
    assert_eq!(refusal_behind(None, |_, _| {}), None);
    let stranger = SigningKey::generate(&mut Random::new(331));
    assert_eq!(refusal_behind(Some(&stranger), |_, _| {}), Some(Refusal::Forged), "signed by a stranger");
    let another_state = |_: &Scene, draft: &mut CommitDraft| draft.state_hash = Digest::of(&[b"unknown"]);
    assert_eq!(refusal_behind(None, another_state), Some(Refusal::Forged));
    assert_eq!(refusal_behind(None, |_, draft| draft.epoch = 1), Some(Refusal::Forged), "the epoch fell");
    let live_is_purged = |scene: &Scene, draft: &mut CommitDraft| {
        draft.changes[0].object_id = scene.entry;
        (draft.changes[0].op, draft.changes[0].record_hash) = (Op::Purge, Digest::ZERO);
    };
    assert_eq!(refusal_behind(None, live_is_purged), Some(Refusal::Forged), "a purged id is live");
    let too_new = |scene: &Scene, draft: &mut CommitDraft| {
        draft.changes[0].object_id = scene.entry;
        draft.changes[0].version = 99;
    };
    assert_eq!(refusal_behind(None, too_new), Some(Refusal::Forged), "a version above the newest");
}

#[test]
fn a_purged_id_that_comes_back_is_refused_by_who_joined_later() {
    let mut scene = late();
    scene.victim.fetch_history(&scene.wire.server).unwrap();
    let vault_id = scene.vault_id;
    let changes = scene.wire.server.vaults[&vault_id].commits.iter().flat_map(|commit| &commit.changes);
    let purged = changes.clone().find(|change| change.op == Op::Purge).unwrap().object_id;
    let record = changes.clone().find(|change| change.object_id == purged).unwrap().record_hash;
    scene.other.sync(&scene.account, &mut scene.wire);
    scene.other.create(&scene.account, vault_id, &body(&scene.account, "a new one")).unwrap();
    scene.other.sync(&scene.account, &mut scene.wire);
    let before = scene.victim.engine.leaves(&vault_id).to_vec();
    let mut pull = scene.pull();
    pull.commits[0] = resign(&pull.commits[0], &scene.other.key, |draft| {
        draft.changes = vec![Change { object_id: purged, version: 1, op: Op::Put, record_hash: record }];
        *draft = with_root(draft.clone(), &before);
    });
    pull.header.head.hash = pull.commits[0].hash();
    scene.pull_is_refused("a purged id", Refusal::Forged, pull);
    scene.converges();
}
