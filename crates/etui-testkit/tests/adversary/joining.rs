//! Lies to a device that does not know the account yet.

use etui_api::ErrorCode;
use etui_testkit::{
    Device, Exchange,
    evil::{Mutation, Subject, catalogue},
};

use serde_json::Value;

use crate::scene::{Scene, credentials_of, nothing_was_uploaded};

#[test]
fn it_lowers_or_raises_the_derivation() {
    let scene = Scene::new();
    let beyond_bounds = [
        ("m_kib", 8, "kdf_floor"),
        ("m_kib", 65_535, "kdf_floor"),
        ("t", 1, "kdf_floor"),
        ("p", 0, "kdf_floor"),
        ("p", 3, "kdf_floor"),
        ("m_kib", u32::MAX, "kdf_ceiling"),
        ("t", u32::MAX, "kdf_ceiling"),
        ("p", 255, "kdf_ceiling"),
    ];
    for (member, value, refusal) in beyond_bounds {
        is_refused(&scene, catalogue::weaker_derivation(member, value), refusal);
    }
    joins(&scene);
}

#[test]
fn it_corrupts_or_keeps_back_or_adds_a_record() {
    let scene = Scene::new();
    is_refused(&scene, catalogue::corrupted_record(), "forged");
    is_refused(&scene, catalogue::missing_record(), "missing");
    is_refused(&scene, catalogue::extra_record(), "extra");
    joins(&scene);
}

#[test]
fn it_answers_without_end() {
    let scene = Scene::new();
    is_refused(&scene, catalogue::endless_keysets(), "limit");
    is_refused(&scene, catalogue::endless_states(), "limit");
    joins(&scene);
}

#[test]
fn it_names_another_derivation_within_bounds() {
    let scene = Scene::new();
    is_refused(&scene, catalogue::weaker_derivation("t", 4), "keyset_hash");
    joins(&scene);
}

#[test]
fn it_gives_the_keyset_of_another_account() {
    let scene = Scene::new();
    let email = "mallory@example.org";
    let (first, second) = (scene.stage.device("mallory-one"), scene.stage.device("mallory-two"));
    first.ok(&credentials_of(&first, "signup", email));
    second.ok(&credentials_of(&second, "login", email));
    is_refused(&scene, catalogue::replaced_keyset(&keysets_given_to(&second)), "keyset_hash");
    joins(&scene);
}

/// With the same master password the old keyset opens: only the signed state tells that it is over.
#[test]
fn it_gives_a_keyset_that_was_replaced() {
    let scene = Scene::new();
    let old = keysets_given_to(&scene.victim);
    scene.stage.write("between", "another velvet harbour maple");
    for [old, new] in [["master", "between"], ["between", "master"]] {
        scene.other.change_master_password(old, new);
    }
    scene.victim.wire().mend();
    scene.victim.log_in_again();
    // What the victim has sent now must not arrive while nothing is to change.
    scene.other.ok(&["sync"]);
    is_refused(&scene, catalogue::replaced_keyset(&old), "keyset_hash");
    joins(&scene);
}

/// The device reads, and finishes being set up at the next sign-in.
#[test]
fn it_does_not_take_the_state_that_lists_the_device() {
    let scene = Scene::new();
    let device = scene.stage.device("new");
    let lying = device.wire().tell(catalogue::takes_nothing());
    let error = device.failure(1, &device.credentials("login"));
    assert_eq!(error["hint"], "try again in a moment", "{error}");
    assert_eq!(lying.times(), 1);
    drop(lying);
    device.unlock();
    assert_eq!(device.contents(), scene.other.contents());

    scene.victim.wire().mend();
    scene.converges();
    joins_late(&scene, &device);
}

/// The same before there is such a state: nothing is on its way that could finish it by itself.
#[test]
fn it_fails_just_before_the_device_is_listed() {
    let scene = Scene::new();
    let device = scene.stage.device("new");
    let later_states = |subject| subject == Subject::States;
    let lying = device.wire().tell(Mutation::new("no_later_states", later_states, |question, answer| {
        if question.query.is_empty() { answer } else { answer.problem(ErrorCode::Internal) }
    }));
    device.fails(1, &device.credentials("login"));
    assert_eq!(lying.times(), 1);
    drop(lying);
    device.unlock();
    device.add("Added too early", "ada", "early-password");
    let error = device.failure(1, &["sync"]);
    assert_eq!(error["hint"], "run `etui login` again", "{error}");

    scene.victim.wire().mend();
    scene.converges();
    joins_late(&scene, &device);
    assert_eq!(scene.other.field("Added too early", "password"), "early-password");
}

fn joins_late(scene: &Scene, device: &Device) {
    let id = device.add("Added by the new one", "ada", "new-password");
    let other = &scene.other;
    device.log_in();
    device.ok(&["sync"]);
    assert_eq!((device.unsent(), &device.json(&["status"])["device_listed"]), (0, &Value::Bool(true)));
    other.ok(&["sync"]);
    assert_eq!(other.field(&id, "password"), "new-password");
    assert_eq!(device.contents(), other.contents());
}

fn is_refused(scene: &Scene, mutation: Mutation, refusal: &str) {
    let device = scene.stage.device("new");
    let before = scene.other.contents();
    let lying = device.wire().tell(mutation);
    let error = device.failure(5, &device.credentials("login"));
    assert_eq!(error["refusal"], refusal, "{error}");
    assert_eq!(lying.times(), 1);
    drop(lying);

    assert_eq!(device.json(&["status"])["account_id"], Value::Null, "nothing is set up");
    assert!(!device.home().join("vault.db").exists());
    nothing_was_uploaded(&device.wire().traffic());
    scene.nothing_secret_left(&device);
    assert_eq!(scene.other.contents(), before);
}

fn joins(scene: &Scene) {
    let device = scene.stage.device("new");
    device.log_in();
    assert_eq!(device.contents(), scene.other.contents());
    scene.victim.wire().mend();
    scene.converges();
    device.ok(&["sync"]);
    assert_eq!(device.contents(), scene.other.contents());
}

fn keysets_given_to(device: &Device) -> Exchange {
    let traffic = device.wire().traffic();
    traffic
        .into_iter()
        .find(|exchange| exchange.path == "/v1/keysets")
        .expect("a new device asks for keysets")
}
