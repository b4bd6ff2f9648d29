//! Lies about the account.

use etui_chain::{Digest, KdfDescriptor, Refusal, Signature, StateBody};
use etui_crypto::{KdfParameters, Keyset, SigningKey, random_id};
use etui_sync::StateFrames;

use crate::{
    kit::{Random, vault::successor},
    scene::{PINNED, Scene},
};

#[test]
fn old_states_and_other_branches_are_refused() {
    let mut scene = Scene::new();
    let first = scene.wire.server.states[0].clone();
    scene.state_is_refused("the first state again", Refusal::StateRollback, first);
    let same_version = scene.state_with(|body| {
        (body.version, body.previous) = (body.version - 1, scene.wire.server.states[0].hash());
    });
    scene.state_is_refused("another state of the pinned version", Refusal::Fork, same_version);
    let branched = scene.state_with(|body| body.previous = Digest::of(&[b"a branch"]));
    scene.state_is_refused("a state of another branch", Refusal::Fork, branched);
    let far = scene.state_with(|body| body.version += 1);
    scene.state_is_refused("a state with one left out before it", Refusal::Missing, far);

    let below = scene.state_with(|body| body.vaults[0].head_seq -= 1);
    scene.state_is_refused("a head below the accepted one", Refusal::Fork, below);
    let beside = scene.state_with(|body| body.vaults[0].head_hash = Digest::of(&[b"beside"]));
    scene.state_is_refused("a head beside the accepted one", Refusal::Fork, beside);
    let fallen =
        scene.state_with(|body| (body.vaults[0].head_seq, body.vaults[0].head_hash) = (0, Digest::ZERO));
    scene.state_is_refused("a head taken back", Refusal::Forged, fallen);
    let foreign = scene.state_with(|body| body.account_id = random_id(&mut Random::new(304)).unwrap());
    scene.state_is_refused("a state of another account", Refusal::WrongContext, foreign);
    scene.converges();
}

#[test]
fn states_that_the_identity_did_not_sign_are_refused() {
    let mut scene = Scene::new();
    let body = || successor(&scene.account, &scene.victim);
    let unsigned = body().sign_with(vec![Signature::new([7; 64])]);
    let stranger = SigningKey::generate(&mut Random::new(305));
    let renamed = stranger.sign_state(StateBody { identity_key: stranger.public_key(), ..body() });
    let body_of_stranger = StateBody { identity_key: stranger.public_key(), ..body() };
    let rotated = scene.account.keyset.identity().sign_handover(&stranger, body_of_stranger);
    scene.state_is_refused("a signature made up", Refusal::StateSignature, unsigned);
    scene.state_is_refused("a stranger's state", Refusal::StateSignature, renamed);
    scene.state_is_refused("a new identity", Refusal::StateSignature, rotated);
    scene.converges();
}

#[test]
fn a_weaker_or_endless_derivation_is_refused() {
    let mut scene = Scene::new();
    let KdfParameters { m_kib, t, p } = PINNED;
    let (floor, ceiling) = (KdfParameters::FLOOR, KdfParameters::CEILING);
    for (what, parameters, refusal) in [
        ("m below the pin", KdfParameters { m_kib: m_kib - 1, ..PINNED }, Refusal::KdfPin),
        ("t below the pin", KdfParameters { t: t - 1, ..PINNED }, Refusal::KdfPin),
        ("p below the pin", KdfParameters { p: p - 1, ..PINNED }, Refusal::KdfPin),
        ("m below the floor", KdfParameters { m_kib: floor.m_kib - 1, ..PINNED }, Refusal::KdfFloor),
        ("t below the floor", KdfParameters { t: floor.t - 1, ..PINNED }, Refusal::KdfFloor),
        ("p below the floor", KdfParameters { p: floor.p - 1, ..PINNED }, Refusal::KdfFloor),
        ("m above the ceiling", KdfParameters { m_kib: ceiling.m_kib + 1, ..PINNED }, Refusal::KdfCeiling),
        ("t above the ceiling", KdfParameters { t: ceiling.t + 1, ..PINNED }, Refusal::KdfCeiling),
        ("p above the ceiling", KdfParameters { p: ceiling.p + 1, ..PINNED }, Refusal::KdfCeiling),
    ] {
        let state = scene.state_with(|body| body.kdf = parameters.describe([7; 32], false));
        scene.state_is_refused(what, refusal, state);
    }
    scene.converges();
}

#[test]
fn a_second_secret_once_used_is_not_dropped() {
    let mut scene = Scene::new();
    let with = scene.state_with(|body| body.kdf.sk_used = true);
    let mut body = StateBody::clone(&with);
    (body.version, body.previous) = (with.version + 1, with.hash());
    body.kdf = KdfDescriptor { sk_used: false, ..body.kdf };
    let without = scene.account.keyset.identity().sign_state(body);
    let frames = StateFrames { states: vec![with, without], named_records: Vec::new() };
    scene.states_are_refused("the second secret dropped", Refusal::KdfPin, frames);
    scene.converges();
}

#[test]
fn keysets_are_those_that_the_state_names() {
    let mut scene = Scene::new();
    let mut frames = scene.wire.server.states_after(scene.victim.engine.state().version);
    frames.named_records.push(b"a keyset that nobody named".to_vec());
    scene.states_are_refused("a keyset that the state does not name", Refusal::KeysetHash, frames);

    let state = scene.state_with(|body| body.keysets[0].record_hash = Digest::of(&[b"a new keyset"]));
    scene.state_is_refused("a named keyset left out", Refusal::Missing, state.clone());
    let frames = StateFrames { states: vec![state], named_records: vec![b"another keyset".to_vec()] };
    scene.states_are_refused("another keyset than the named one", Refusal::KeysetHash, frames);
    scene.converges();
}

#[test]
fn what_was_unlocked_is_what_the_state_vouches_for() {
    let scene = Scene::new();
    let (state, keyset) = (scene.wire.server.newest(), &scene.account.keyset);
    let listed = state.keysets[0];
    let refusal = |keyset: &Keyset, hash: Digest, used: KdfDescriptor| {
        etui_sync::check_unlocked(state, keyset, listed.id, listed.kind, hash, Some(&used))
            .map_err(|refused| refused.refusal)
    };
    assert_eq!(refusal(keyset, listed.record_hash, state.kdf), Ok(()));
    assert_eq!(refusal(keyset, Digest::of(&[b"replaced"]), state.kdf), Err(Refusal::KeysetHash));
    let weaker = KdfParameters::FLOOR.describe(state.kdf.salt, false);
    assert_eq!(refusal(keyset, listed.record_hash, weaker), Err(Refusal::KeysetHash));
    let stranger = Keyset::generate(keyset.account_id(), None, &mut Random::new(306));
    assert_eq!(refusal(&stranger, listed.record_hash, state.kdf), Err(Refusal::StateSignature));
    let elsewhere = Keyset::generate(random_id(&mut Random::new(307)).unwrap(), None, &mut Random::new(308));
    assert_eq!(refusal(&elsewhere, listed.record_hash, state.kdf), Err(Refusal::WrongContext));
}
