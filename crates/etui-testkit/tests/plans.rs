//! What a plan does to people and their devices: it keeps back what is too much, and nothing else.

use etui_testkit::{EMAIL, Stage};

#[test]
fn a_plan_keeps_back_new_entries_and_nothing_else() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    stage.administer(&["plan", "define", "small", r#"{"entries": 3}"#]);
    stage.administer(&["plan", "set", EMAIL, "small"]);
    let ids = ["First", "Second", "Third"].map(|title| one.add(title, "ada", "a-password"));
    one.ok(&["sync"]);
    two.log_in();

    let fourth = one.add("Fourth", "ada", "the-fourth");
    let said = one.fails(1, &["sync"]);
    for words in [
        "room for 3 entries",
        "stays on this device and is not sent (1)",
        "Nothing is lost",
        "etui rm --purge",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(one.unsent(), 1);
    let shown = one.ok(&["plan"]);
    assert!(shown.contains("small") && shown.contains("3 of 3"), "{shown}");

    // What is there is changed in both directions, while the new one waits.
    one.ok(&["edit", &ids[0], "--set", "username=from-one"]);
    two.ok(&["edit", &ids[1], "--set", "username=from-two"]);
    two.ok(&["sync"]);
    one.fails(1, &["sync"]);
    two.ok(&["sync"]);
    assert_eq!(two.field(&ids[0], "username"), "from-one");
    assert_eq!(one.field(&ids[1], "username"), "from-two");
    assert_eq!(two.json(&["list"]).as_array().map(Vec::len), Some(3));

    // Killed and unlocked again, the device has forgotten what it was told, and nothing of its own.
    one.kill_agent();
    one.unlock();
    assert_eq!((one.unsent(), one.field(&fourth, "password")), (1, "the-fourth".to_owned()));
    one.fails(1, &["sync"]);

    // Whoever makes room gets it.
    one.ok(&["rm", &ids[2], "--purge", "--yes"]);
    one.ok(&["sync"]);
    two.ok(&["sync"]);
    assert_eq!((one.unsent(), two.field(&fourth, "password")), (0, "the-fourth".to_owned()));

    // So does a larger plan.
    let fifth = one.add("Fifth", "ada", "the-fifth");
    one.fails(1, &["sync"]);
    stage.administer(&["plan", "define", "small", r#"{"entries": 4}"#]);
    one.ok(&["sync"]);
    two.ok(&["sync"]);
    assert_eq!(two.field(&fifth, "password"), "the-fifth");
    assert_eq!(one.contents(), two.contents());
    assert_eq!(one.json(&["status"])["head_code"], two.json(&["status"])["head_code"]);
}

#[test]
fn a_smaller_plan_takes_nothing_away() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two, three) = (stage.device("one"), stage.device("two"), stage.device("three"));
    one.sign_up();
    let ids = ["First", "Second", "Third"].map(|title| one.add(title, "ada", "a-password"));
    one.ok(&["sync"]);
    two.log_in();
    stage.administer(&["plan", "define", "small", r#"{"entries": 1, "devices": 1}"#]);
    stage.administer(&["plan", "set", EMAIL, "small"]);

    for device in [&one, &two] {
        device.ok(&["sync"]);
        assert_eq!(device.json(&["list"]).as_array().map(Vec::len), Some(3), "everything is read");
    }
    two.ok(&["edit", &ids[0], "--set", "username=changed"]);
    two.ok(&["rm", &ids[1], "--purge", "--yes"]);
    two.ok(&["export", "--to", "whole.etui"]);
    two.ok(&["backup", "verify", "whole.etui"]);
    two.ok(&["sync"]);
    one.ok(&["sync"]);
    assert_eq!(one.field(&ids[0], "username"), "changed");
    let shown = one.ok(&["plan"]);
    assert!(shown.contains("2 of 1: nothing can be added"), "{shown}");

    let said = three.fails(1, &three.credentials("login"));
    assert!(said.contains("room for 1 devices") && said.contains("etui devices remove"), "{said}");
    let id = two.json(&["status"])["device_id"].as_str().expect("an id").to_owned();
    one.ok(&["devices", "remove", &id, "--yes"]);
    let said = three.fails(1, &three.credentials("login"));
    assert!(said.contains("room for 1 devices"), "one is one more than none: {said}");
    stage.administer(&["plan", "set", EMAIL, "--default"]);
    three.log_in();
    assert_eq!(three.field(&ids[0], "username"), "changed");
    three.add("Fourth", "ada", "a-password");
    three.ok(&["sync"]);
}

#[test]
fn an_account_is_administered_beside_the_running_server() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("First", "ada", "a-password");
    one.ok(&["sync"]);
    let listed = stage.administer(&["accounts", "--search", "ADA"]);
    assert!(listed.contains(EMAIL) && listed.contains("administrator"), "the first account: {listed}");
    let shown: serde_json::Value =
        serde_json::from_str(&stage.administer(&["show", EMAIL, "--json"])).expect("JSON");
    assert_eq!((&shown["email"], &shown["entitlements"]["used"]["entries"]), (&EMAIL.into(), &1.into()));

    let refused = stage.fails_to_administer(&["disable", EMAIL]);
    assert!(refused.contains("the last administrator"), "{refused}");
    let refused = stage.fails_to_administer(&["sign-out", EMAIL]);
    assert!(refused.contains("--yes"), "{refused}");
    stage.administer(&["sign-out", EMAIL, "--yes"]);
    let said = one.fails(1, &["sync"]);
    assert!(said.contains("etui login"), "{said}");
    one.log_in();
    one.ok(&["sync"]);

    stage.administer(&["flag", "share", "search", "0"]);
    stage.administer(&["flag", "set", EMAIL, "search", "on"]);
    assert!(one.ok(&["plan"]).contains("search"));
    stage.administer(&["flag", "remove", "search", "--yes"]);
    let refused = stage.fails_to_administer(&["plan", "set", EMAIL, "gold"]);
    assert!(refused.contains("`gold`"), "{refused}");
    let figures = stage.administer(&["statistics"]);
    assert!(figures.contains("1 within a day"), "{figures}");
}
