use etui_chain::{Digest, Head, Op, Refusal};
use etui_sync::StateFrames;

use super::scene::{Scene, resign};

pub(crate) fn sy01_one_entry_rolled_back() {
    let mut scene = Scene::new();
    let old = scene.half_way.vaults[&scene.vault_id].records[&scene.entry].clone();
    let mut pull = scene.pull();
    let place = pull.records.iter().position(|record| record[24..40] == old[24..40]).expect("it was changed");
    pull.records[place] = old;
    scene.pull_is_refused("the version before, with its own record", Refusal::Rollback, pull);

    let mut pull = scene.pull();
    pull.commits.pop();
    let last = pull.commits.last().expect("one");
    pull.header.head = Head { seq: last.seq, hash: last.hash() };
    let old = scene.half_way.vaults[&scene.vault_id].records[&scene.entry].clone();
    pull.records[place] = old;
    let vault_id = scene.vault_id;
    let head = pull.header.head;
    // An older head that was honest once is a server that is behind, until it has shown more.
    let step = scene.victim.accept_pull(&scene.account, vault_id, pull).expect("it is a true past");
    scene.victim.adopt(step).expect("nobody kills it");
    assert_eq!(scene.victim.engine.head(&vault_id), head);
    scene.converges();
}

/// Everything as it was: heads, states and keys, consistent and signed.
pub(crate) fn sy02_whole_account_rolled_back() {
    let mut scene = Scene::new();
    let vault_id = scene.vault_id;
    let pinned = scene.victim.engine.head(&vault_id);
    let commits = &scene.wire.server.vaults[&vault_id].commits;
    let earlier: Vec<Head> = commits
        .iter()
        .map(|commit| Head { seq: commit.seq, hash: commit.hash() })
        .filter(|head| head.seq < pinned.seq)
        .collect();
    assert!(!earlier.is_empty(), "there is a past");
    for head in earlier {
        let mut pull = scene.pull();
        (pull.commits, pull.records, pull.header.head) = (Vec::new(), Vec::new(), head);
        scene.pull_is_refused("an old head", Refusal::Rollback, pull);
    }
    let old_states = scene.wire.server.states[..scene.wire.server.states.len() - 1].to_vec();
    for state in old_states {
        let mut pull = scene.pull();
        (pull.header.state_version, pull.header.state_hash) = (state.version, state.hash());
        scene.pull_is_refused("an old state behind the head", Refusal::StateRollback, pull);
        scene.state_is_refused("an old state", Refusal::StateRollback, state);
    }
    scene.converges();
}

pub(crate) fn sy05_deleted_entry_dropped_or_resurrected() {
    let mut scene = Scene::new();
    scene.other.purge(&scene.account, scene.vault_id, scene.entry).expect("nobody kills it");
    scene.other.sync(&scene.account, &mut scene.wire);
    let purged = scene.half_way.vaults[&scene.vault_id].records[&scene.entry].clone();

    let mut pull = scene.pull();
    pull.records.push(purged);
    scene.pull_is_refused("what was deleted, delivered again", Refusal::Extra, pull);
    let mut pull = scene.pull();
    let last = pull.commits.last_mut().expect("one");
    assert!(last.changes.iter().any(|change| change.op == Op::Purge), "it is the deletion");
    *last = resign(last, &scene.other.key, |draft| draft.changes.clear());
    pull.header.head.hash = last.hash();
    scene.pull_is_refused("the deletion left out of its commit", Refusal::Forged, pull);
    let mut pull = scene.pull();
    let gone = pull.records.pop();
    assert!(gone.is_some(), "something else was changed, too");
    scene.pull_is_refused("an entry left out without a deletion", Refusal::Missing, pull);

    scene.victim.sync(&scene.account, &mut scene.wire);
    scene.other.sync(&scene.account, &mut scene.wire);
    assert_eq!(scene.victim.engine.head_code(), scene.other.engine.head_code());
    assert!(scene.victim.engine.current(&scene.vault_id, &scene.entry).is_none(), "deleted by who may");
}

/// Two devices that are shown two histories cannot be brought together again unnoticed, and their codes differ.
pub(crate) fn sy08_fork_shown_to_two_devices() {
    let mut scene = Scene::new();
    let vault_id = scene.vault_id;
    let common = scene.victim.engine.head_code();
    // To the victim the server shows another successor, signed by a device that it has in its hands.
    let branch = scene.pull_with(|draft| draft.time_ms += 1);
    let first = branch.commits[0].clone();
    let mut shown = scene.pull();
    shown.commits = vec![first.clone()];
    shown.header.head = Head { seq: first.seq, hash: first.hash() };
    let put: Vec<_> = first.changes.iter().map(|change| change.object_id).collect();
    shown.records.retain(|record| put.iter().any(|id| record[24..40] == *id.as_bytes()));
    let records = scene.half_way.vaults[&vault_id].records.clone();
    for record in &mut shown.records {
        let id = put.iter().find(|id| record[24..40] == *id.as_bytes()).expect("it was put");
        record.clone_from(&records[id]);
    }
    let step = scene.victim.accept_pull(&scene.account, vault_id, shown).expect("it verifies by itself");
    scene.victim.adopt(step).expect("nobody kills it");
    assert_ne!(scene.victim.engine.head_code(), scene.other.engine.head_code(), "people can compare them");
    assert_ne!(scene.victim.engine.head_code(), common);

    // From now on there is no way back into the common history but a person's decision.
    let head = scene.victim.engine.head(&vault_id);
    let joined = scene.wire.server.changes(vault_id, head.seq);
    scene.pull_is_refused("the other history", Refusal::Fork, joined);
    let mut joined = scene.wire.server.changes(vault_id, head.seq);
    (joined.commits, joined.records) = (Vec::new(), Vec::new());
    joined.header.head = Head { seq: head.seq, hash: Digest::of(&[b"the other's head"]) };
    scene.pull_is_refused("the other history's head", Refusal::Fork, joined);
    let frames = StateFrames { states: Vec::new(), named_records: Vec::new() };
    assert!(scene.victim.engine.accept_states(frames).is_ok_and(|step| step.writes.is_empty()));
}
