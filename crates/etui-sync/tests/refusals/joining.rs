//! Lies to a device that knows nothing yet, and about vaults that it does not hold.

use std::collections::BTreeMap;

use etui_chain::{Digest, Refusal, VaultId};
use etui_crypto::{SigningKey, random_id};
use etui_sync::{EngineError, Snapshot, Step, join};

use crate::{
    kit::{Account, Random, vault::add_vault},
    scene::{Scene, resign},
};

/// What a new device is refused, given what it is shown of the account's one vault.
fn refusal_of(scene: &Scene, alter: impl FnOnce(&mut BTreeMap<VaultId, Snapshot>)) -> Option<Refusal> {
    let (state, named_records) = scene.wire.server.newest_with_records();
    let mut snapshots = BTreeMap::from([(scene.vault_id, scene.wire.server.snapshot(scene.vault_id))]);
    alter(&mut snapshots);
    let device_id = random_id(&mut Random::new(309)).unwrap();
    named(join(device_id, state, named_records, snapshots))
}

fn named(result: Result<Step, EngineError>) -> Option<Refusal> {
    match result {
        Ok(_) => None,
        Err(EngineError::Refused(refused)) => Some(refused.refusal),
        Err(error) => panic!("{error}"),
    }
}

/// The same, given what is done to the snapshot.
fn snapshot_refusal(scene: &Scene, alter: impl FnOnce(&mut Snapshot)) -> Option<Refusal> {
    refusal_of(scene, |snapshots| alter(snapshots.get_mut(&scene.vault_id).unwrap()))
}

#[test]
fn a_snapshot_holds_exactly_the_live_records() {
    let scene = Scene::new();
    assert_eq!(snapshot_refusal(&scene, |_| {}), None);
    let missing = snapshot_refusal(&scene, |snapshot| drop(snapshot.records.pop()));
    assert_eq!(missing, Some(Refusal::Missing));
    let twice = snapshot_refusal(&scene, |snapshot| snapshot.records.push(snapshot.records[0].clone()));
    assert_eq!(twice, Some(Refusal::Extra));
    let in_place_of_another =
        snapshot_refusal(&scene, |snapshot| snapshot.records[0] = snapshot.records[1].clone());
    assert_eq!(in_place_of_another, Some(Refusal::Extra));
    let copied = snapshot_refusal(&scene, |snapshot| {
        let mut copy = snapshot.records[0].clone();
        copy[24] ^= 1;
        snapshot.records.push(copy);
    });
    assert_eq!(copied, Some(Refusal::Extra));
    let old = scene.half_way.vaults[&scene.vault_id].records[&scene.entry].clone();
    let rolled_back = snapshot_refusal(&scene, |snapshot| {
        let place = snapshot.records.iter().position(|record| record[24..40] == old[24..40]).unwrap();
        snapshot.records[place] = old.clone();
    });
    assert_eq!(rolled_back, Some(Refusal::Forged));
    let altered = snapshot_refusal(&scene, |snapshot| *snapshot.records[0].last_mut().unwrap() ^= 1);
    assert_eq!(altered, Some(Refusal::Forged));
    let foreign = snapshot_refusal(&scene, |snapshot| snapshot.records[0][8] ^= 1);
    assert_eq!(foreign, Some(Refusal::WrongContext));
    let of_another_type = snapshot_refusal(&scene, |snapshot| snapshot.records[0][5] = 3);
    assert_eq!(of_another_type, Some(Refusal::Format));
}

#[test]
fn a_newest_commit_is_one_that_the_newest_state_vouches_for() {
    let scene = Scene::new();
    let old = snapshot_refusal(&scene, |snapshot| {
        snapshot.commit = scene.wire.server.vaults[&scene.vault_id].commits[0].clone();
    });
    assert_eq!(old, Some(Refusal::Rollback), "below the head that the state names");
    let resigned = |alter: fn(&mut etui_chain::CommitDraft)| {
        snapshot_refusal(&scene, |snapshot| {
            snapshot.commit = resign(&snapshot.commit, &scene.other.key, alter);
        })
    };
    assert_eq!(resigned(|draft| draft.state_hash = Digest::of(&[b"unknown"])), Some(Refusal::Missing));
    assert_eq!(resigned(|draft| draft.epoch = 1), Some(Refusal::Forged));
    let stranger = SigningKey::generate(&mut Random::new(310));
    let forged =
        snapshot_refusal(&scene, |snapshot| snapshot.commit = resign(&snapshot.commit, &stranger, |_| {}));
    assert_eq!(forged, Some(Refusal::Forged));
    let at_the_signed_head = snapshot_refusal(&scene, |snapshot| {
        let signed = scene.wire.server.newest().vaults[0].head_seq;
        let commits = &scene.wire.server.vaults[&scene.vault_id].commits;
        let signed = commits.iter().find(|commit| commit.seq == signed).unwrap();
        snapshot.commit = resign(signed, &scene.other.key, |draft| draft.time_ms += 1);
    });
    assert_eq!(at_the_signed_head, Some(Refusal::Forged));
}

#[test]
fn vaults_are_those_that_the_state_lists() {
    let scene = Scene::new();
    assert_eq!(refusal_of(&scene, BTreeMap::clear), Some(Refusal::Missing));
    let (_, elsewhere, _) = Account::found(311);
    let planted_id = *elsewhere.vaults.keys().next().unwrap();
    let planted =
        refusal_of(&scene, |snapshots| drop(snapshots.insert(planted_id, elsewhere.snapshot(planted_id))));
    assert_eq!(planted, Some(Refusal::VaultUnsigned));
    let swapped = refusal_of(&scene, |snapshots| {
        snapshots.insert(scene.vault_id, elsewhere.snapshot(planted_id));
    });
    assert_eq!(swapped, Some(Refusal::WrongContext));
}

#[test]
fn an_unlisted_vault_and_one_already_held_are_refused_later_too() {
    let mut scene = Scene::new();
    let (_, elsewhere, _) = Account::found(312);
    let planted_id = *elsewhere.vaults.keys().next().unwrap();
    let planted = elsewhere.snapshot(planted_id);
    scene.is_refused("a planted vault", Refusal::VaultUnsigned, |_, victim| {
        victim.engine.accept_snapshot(planted_id, planted)
    });
    let vault_id = scene.vault_id;
    let held = scene.half_way.snapshot(vault_id);
    scene.is_refused("an old snapshot of a held vault", Refusal::Extra, |_, victim| {
        victim.engine.accept_snapshot(vault_id, held)
    });
    scene.converges();
}

#[test]
fn a_vault_listed_later_is_pulled_whole_and_checked() {
    let mut scene = Scene::new();
    let new_id = add_vault(&mut scene.account, &mut scene.other, &mut scene.wire.server).unwrap();
    let early = scene.wire.server.snapshot(new_id);
    scene.is_refused("a vault before its state", Refusal::VaultUnsigned, |_, victim| {
        victim.engine.accept_snapshot(new_id, early)
    });
    scene.victim.pull_states(&scene.wire.server).unwrap();
    let mut empty = scene.wire.server.snapshot(new_id);
    empty.records.clear();
    scene.is_refused("a new vault without its settings", Refusal::Missing, |_, victim| {
        victim.engine.accept_snapshot(new_id, empty)
    });
    scene.converges();
}
