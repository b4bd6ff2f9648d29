//! New devices: they are named where somebody looks, and where the account asks for it they wait for another one.

use etui_testkit::Stage;

const WRONG: &str = "not the master password";

#[test]
fn a_new_device_is_named_until_it_was_shown() {
    let stage = Stage::new();
    let server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.sign_up();
    assert_eq!(one.json(&["status"])["device_news"], serde_json::json!([]));

    two.ok(&[&two.credentials("login")[..], &["--device-name", "phone"]].concat());
    one.ok(&["sync"]);
    let id = two.json(&["status"])["device_id"].clone();
    let news = one.json(&["status"])["device_news"].clone();
    assert_eq!((&news[0]["id"], &news[0]["new"], &news[1]), (&id, &true.into(), &serde_json::Value::Null));
    assert!(one.ok(&["status"]).contains("! A new device, phone ("));
    assert_eq!(
        two.json(&["status"])["device_news"],
        serde_json::json!([]),
        "what was there first is not new"
    );
    assert!(one.ok(&["devices"]).lines().any(|line| line.contains("phone") && line.ends_with("new")));
    assert!(!one.ok(&["status"]).contains("new device"), "it was shown");

    // Who has the login password alone is named, too.
    stage.write("wrong", WRONG);
    let mut guess = three.credentials("login");
    guess[8] = "wrong";
    three.fails(1, &guess);
    let seen = one.ok(&["status"]);
    assert!(seen.contains("has signed in and has not opened the account"), "{seen}");

    server.kill();
    assert_eq!(one.json(&["status"])["device_news"], serde_json::Value::Null, "nobody says so");
}

#[test]
fn a_device_that_waits_says_what_to_do_and_is_named_on_the_others() {
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.sign_up();
    one.add("Bank", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    one.json(&["account", "approval", "on"]);

    let waits = two.failure(1, &two.credentials("login"));
    let news = one.json(&["status"])["device_news"].clone();
    assert_eq!(news[0]["awaits_approval"], true, "{news}");
    let short = &news[0]["id"].as_str().expect("an id")[..8];
    assert!(waits["message"].as_str().is_some_and(|message| message.contains(short)), "{waits}");
    let hint = waits["hint"].as_str().expect("what to do");
    assert!(hint.contains(&format!("etui devices approve {short}")), "{hint}");
    assert!(hint.contains("/account in a browser") && hint.contains("etui-server admin sign-out"), "{hint}");
    let seen = one.ok(&["status"]);
    assert!(seen.contains(&format!("! A new device waits, {short}")), "{seen}");

    one.json(&["devices", "approve", short]);
    two.log_in();
    assert_eq!(two.field("Bank", "password"), "hunter2-correct");

    // Every device is lost. What the hint says whoever runs the server can do lets the next one in.
    let waits = three.failure(1, &three.credentials("login"));
    assert!(waits["message"].as_str().is_some_and(|message| message.contains("waits until")), "{waits}");
    stage.administer(&["sign-out", etui_testkit::EMAIL, "--yes"]);
    three.log_in();
    assert_eq!(three.field("Bank", "password"), "hunter2-correct");
}
