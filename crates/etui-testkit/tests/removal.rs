//! A device that is taken off the account: what it still can, what it no longer can, and that the others go on.

use etui_testkit::{Device, Stage};
use serde_json::{Value, json};

#[test]
fn a_removed_device_keeps_what_it_has_and_sends_nothing_more() {
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, lost, third] = ["one", "lost", "third"].map(|name| stage.device(name));
    one.sign_up();
    let mail = one.add("Mail", "ada", "mail-password");
    one.ok(&["sync"]);
    for device in [&lost, &third] {
        device.log_in();
    }
    let lost_id = id_of(&lost);
    let own = lost.failure(2, &["devices", "remove", &lost_id, "--yes"]);
    assert_eq!(own["hint"], "run `etui logout` here, or remove it from another device");

    // It is in a drawer, with an edit that was never sent.
    lost.wire().cut();
    lost.ok(&["edit", &mail, "--set", "username=from-the-drawer"]);
    let kept = lost.add("Only here", "ada", "drawer-password");
    let before = lost.contents();
    third.ok(&["devices", "remove", &lost_id, "--yes"]);
    assert!(!listed(&third).contains(&lost_id));
    one.ok(&["edit", &mail, "--set", "username=after-the-removal"]);
    one.ok(&["sync"]);

    lost.wire().mend();
    is_signed_out(&lost);
    assert_eq!(lost.contents(), before, "it reads all that it had");
    assert_eq!(lost.unsent(), 2);
    // Whoever has both passwords may sign in from it, and learns that its changes go nowhere.
    let output = lost.run(&lost.credentials("login"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("does not list this device"), "{said}");
    let doctor = lost.run(&["doctor", "--json"]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let health = |check: &str| {
        let mut all = findings.as_array().expect("a list").iter();
        all.find(|finding| finding["check"] == check).map(|finding| finding["health"].clone())
    };
    let healths = ["session", "device", "unsent"].map(|check| health(check).expect(check));
    assert_eq!((doctor.status.code(), healths), (Some(1), [json!("good"), json!("bad"), json!("warning")]));
    let removed = lost.failure(1, &["sync"]);
    let message = removed["message"].as_str().expect("a sentence");
    assert!(message.contains("removed from the account") && message.contains('2'), "{message}");
    assert!(removed["hint"].as_str().is_some_and(|hint| hint.contains("etui export")), "{removed}");
    let status = lost.json(&["status"]);
    assert_eq!((&status["device_listed"], &status["unsent"]), (&json!(false), &json!(2)));
    assert_eq!(status["last_sync"]["failure"]["message"], message);
    assert_eq!(lost.field(&kept, "password"), "drawer-password");
    assert_eq!(lost.json(&["export", "--to", "drawer.etui"])["unsent"], 2);
    assert_eq!(lost.json(&["backup", "verify", "drawer.etui"])["unsent"], 2);
    lost.fails(1, &["logout"]);

    let uploads = lost.wire().traffic().into_iter().filter(|exchange| exchange.path.ends_with("/commits"));
    assert_eq!(uploads.count(), 0, "it sent no commit");
    for device in [&one, &third] {
        device.ok(&["sync"]);
        assert_eq!(device.field(&mail, "username"), "after-the-removal");
        device.fails(4, &["get", "Only here"]);
    }
    third.ok(&["edit", &mail, "--set", "username=going-on"]);
    third.ok(&["sync"]);
    one.ok(&["sync"]);
    assert_eq!(one.field(&mail, "username"), "going-on");

    // Given up here, the folder can become a new device.
    lost.ok(&["logout", "--force"]);
    lost.log_in();
    assert_eq!(lost.contents(), one.contents());
    assert_ne!(id_of(&lost), lost_id);
    lost.ok(&["edit", &mail, "--set", "username=welcome-back"]);
    lost.ok(&["sync"]);
    one.ok(&["sync"]);
    assert_eq!(one.field(&mail, "username"), "welcome-back");
}

/// The server calls its session over, and it stays over.
fn is_signed_out(device: &Device) {
    for _ in 0..2 {
        let error = device.failure(1, &["sync"]);
        assert_eq!(error["message"], "this device is signed out of the server", "{error}");
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.starts_with("run `etui login` again"), "{hint}");
    }
    let traffic = device.wire().traffic();
    let renewals = traffic.iter().filter(|exchange| exchange.path == "/v1/sessions/refresh").count();
    let over = traffic.iter().rfind(|exchange| exchange.status == 401).expect("the server refused");
    assert!(
        String::from_utf8_lossy(&over.answer_body).contains("session_ended"),
        "after {renewals} renewals"
    );
    device.ok(&["lock"]);
    device.unlock();
    assert_eq!(device.failure(1, &["sync"])["message"], "this device is signed out of the server");
}

fn id_of(device: &Device) -> String {
    device.json(&["status"])["device_id"].as_str().expect("an id").to_owned()
}

fn listed(device: &Device) -> Vec<String> {
    let devices = device.json(&["devices"]);
    let listed =
        devices.as_array().expect("a list").iter().filter(|device| device["listed"] == Value::Bool(true));
    listed.map(|device| device["id"].as_str().expect("an id").to_owned()).collect()
}
