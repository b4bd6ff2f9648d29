//! Lies about what was sent.

use etui_chain::{Digest, Head, Refusal};
use etui_sync::{StateChange, StateFrames, StateInFlight, state_frames};

use crate::{
    kit::{vault::successor, wire::Fate},
    scene::{Scene, change},
};

#[test]
fn a_confirmation_of_something_else_is_refused() {
    let mut scene = Scene::new();
    let vault_id = scene.vault_id;
    scene.victim.pull(&scene.account, vault_id, &scene.wire.server).unwrap();
    scene.victim.push(&scene.account, vault_id, &mut scene.wire, Fate::RequestLost).unwrap();
    let seq = scene.victim.engine.head(&vault_id).seq + 1;
    let another = Head { seq, hash: Digest::of(&[b"another"]) };
    scene.is_refused("another head confirmed", Refusal::Fork, |_, victim| {
        victim.engine.confirm_push(vault_id, another)
    });
    scene.converges();
}

#[test]
fn a_confirmation_against_a_signed_head_is_refused() {
    let mut scene = Scene::new();
    let vault_id = scene.vault_id;
    scene.victim.pull(&scene.account, vault_id, &scene.wire.server).unwrap();
    scene.victim.push(&scene.account, vault_id, &mut scene.wire, Fate::RequestLost).unwrap();
    // Another device's commit wins and a state is signed over it; the victim is told that its own has won.
    let (other, account) = (&mut scene.other, &scene.account);
    change(account, other, vault_id, scene.entry, "won");
    other.push(account, vault_id, &mut scene.wire, Fate::Delivered).unwrap();
    let state = account.keyset.identity().sign_state(successor(account, other));
    let frames = StateFrames { states: vec![state.clone()], named_records: Vec::new() };
    scene.wire.server.push_state(&state_frames(&StateInFlight { state, named_records: Vec::new() })).unwrap();
    let step = scene.victim.engine.accept_states(frames).unwrap();
    scene.victim.adopt(step).unwrap();

    let own = scene.victim.engine.in_flight(&vault_id).unwrap().commit.clone();
    scene.is_refused("the loser confirmed", Refusal::Forged, |_, victim| {
        victim.engine.confirm_push(vault_id, Head { seq: own.seq, hash: own.hash() })
    });
    scene.converges();
}

#[test]
fn a_confirmation_of_another_state_is_refused() {
    let mut scene = Scene::new();
    scene.victim.pull(&scene.account, scene.vault_id, &scene.wire.server).unwrap();
    let identity = scene.account.keyset.identity();
    let step = scene.victim.engine.prepare_state(&StateChange::default(), identity, 1).unwrap();
    scene.victim.adopt(step).unwrap();
    scene.is_refused("another state confirmed", Refusal::Fork, |_, victim| {
        victim.engine.confirm_state(Digest::of(&[b"another"]))
    });
    scene.converges();
}
