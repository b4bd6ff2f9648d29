//! Lies to a device that knows the account.

use etui_testkit::{
    Stage,
    evil::{Subject, catalogue},
};

use crate::{
    insider::{Insider, long_line_of_states},
    scene::Scene,
};

#[test]
fn it_corrupts_a_record() {
    Scene::new().is_refused(catalogue::corrupted_record(), "forged");
}

#[test]
fn it_keeps_a_record_back() {
    Scene::new().is_refused(catalogue::missing_record(), "missing");
}

#[test]
fn it_adds_a_record() {
    Scene::new().is_refused(catalogue::extra_record(), "extra");
}

#[test]
fn it_gives_one_record_in_the_place_of_another() {
    Scene::new().is_refused(catalogue::repeated_record(), "wrong_context");
}

#[test]
fn it_breaks_an_answer_off() {
    Scene::new().is_refused(catalogue::truncated_answer(), "truncated");
}

#[test]
fn it_shows_another_head_at_the_same_place() {
    Scene::new().is_refused(catalogue::other_head(), "fork");
}

#[test]
fn it_forges_a_state() {
    let mut forged = None;
    let scene = Scene::after(|_, victim| forged = Some(Insider::of(victim).with_memory(128 << 10).forged()));
    scene.is_refused(forged.expect("it was made").as_mutation(), "state_signature");
}

#[test]
fn it_answers_without_end() {
    Scene::new().is_refused(catalogue::endless_states(), "limit");
}

/// Each answer is verified before the next is asked for.
#[test]
fn it_shows_a_line_of_states_without_end() {
    let scene = Scene::new();
    let passed = scene.victim.wire().traffic().len();
    scene.is_refused(long_line_of_states(&scene.victim), "state_signature");
    let newest = scene.other.json(&["status"])["state_version"].clone();
    let asked = scene.victim.wire().traffic();
    let asked = asked[passed..].iter().filter(|exchange| exchange.path.starts_with("/v1/states?after="));
    let beyond = asked.filter(|exchange| exchange.path != format!("/v1/states?after={newest}"));
    assert_eq!(beyond.count(), 0, "nobody asks for what comes after a state that does not verify");
}

#[test]
fn it_shows_an_old_head() {
    Scene::new().is_refused(catalogue::old_head(), "rollback");
}

#[test]
fn it_replays_an_old_state() {
    Scene::new().is_refused(catalogue::old_state(), "state_rollback");
}

/// Nobody but an owner of the account's keys could sign such a state; a device that knows better is not moved by that.
#[test]
fn it_lowers_the_derivation_for_a_device_that_knows_better() {
    let mut weaker = None;
    let scene = Scene::after(|other, victim| {
        let insider = Insider::of(victim);
        let costlier = insider.with_memory(128 << 10);
        weaker = Some(insider.after(&costlier).with_memory(64 << 10));
        // The victim learns of the costlier derivation and brings it to the server.
        let lying = victim.wire().tell(costlier.as_mutation());
        victim.fails(5, &["sync"]);
        drop(lying);
        victim.ok(&["heal"]);
        // Whoever changes how the account is unlocked ends all other sessions, also by giving a server something back.
        other.log_in_again();
        assert_eq!(other.json(&["status"])["state_version"], 3);
    });
    scene.is_refused(weaker.expect("it was signed").as_mutation(), "kdf_pin");
}

#[test]
fn it_lies_in_two_ways_at_once() {
    let mutation = catalogue::extra_record().and(catalogue::old_state());
    Scene::new().is_refused(mutation, "state_rollback");
}

#[test]
fn it_calls_the_token_expired_once() {
    let scene = Scene::new();
    let passed = scene.victim.wire().traffic().len();
    let lying = scene.victim.wire().tell(catalogue::expired_token().times(1));
    scene.victim.wire().mend();
    scene.victim.ok(&["sync"]);
    assert_eq!(lying.times(), 1);
    drop(lying);
    let renewals = |path: &str| path == "/v1/sessions/refresh";
    let traffic = scene.victim.wire().traffic();
    assert_eq!(traffic[passed..].iter().filter(|exchange| renewals(&exchange.path)).count(), 1);
    scene.nothing_secret_left(&scene.victim);
    scene.converges();
}

#[test]
fn it_calls_every_token_expired() {
    Scene::new().fails(catalogue::expired_token(), 1, |error| {
        assert_eq!(error["code"], "failed");
        assert_eq!(error["message"], "the server answered: The access token has expired.");
        let hint = error["hint"].as_str().expect("a next step");
        assert!(hint.contains("not even a fresh token") && hint.contains("stay on this device"), "{hint}");
    });
}

/// What a proxy in front of a server that is gone says by itself.
#[test]
fn there_is_only_a_gateway_left() {
    let stage = Stage::new();
    let _server = stage.serve();
    let device = stage.device("one");
    device.sign_up();
    device.ok(&["sync"]);
    let gateway = etui_testkit::evil::Mutation::new(
        "gateway",
        |subject| subject != Subject::Events,
        |_, mut answer| {
            answer.status = http::StatusCode::BAD_GATEWAY;
            answer.body = b"<html>Bad Gateway</html>".to_vec();
            answer
        },
    );
    let _lying = device.wire().tell(gateway);
    assert_eq!(device.failure(6, &["sync"])["code"], "offline");
}
