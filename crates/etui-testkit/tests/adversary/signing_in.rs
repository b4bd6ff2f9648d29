//! Wrong passwords and unknown addresses.

use std::collections::BTreeSet;

use etui_testkit::{Device, Exchange, Stage};

use crate::scene::credentials_of;

/// The answer is made on the device: no server learns that anybody tried.
#[test]
fn a_wrong_master_password_stays_on_the_device() {
    let stage = Stage::new();
    let _server = stage.serve();
    let device = stage.device("one");
    device.sign_up();
    let id = device.add("Mail", "ada", "kept");
    device.ok(&["sync"]);
    device.ok(&["lock"]);
    let passed = device.wire().traffic();

    stage.write("wrong", "not the master password at all");
    let error = device.failure(1, &["unlock", "--master-password-file", "wrong"]);
    assert_eq!(error["message"], "that is not this account's master password");
    let hint = error["hint"].as_str().expect("a hint");
    assert!(hint.starts_with("nothing of it was sent anywhere; try again"), "{hint}");
    assert_eq!(device.wire().traffic(), passed, "no request was made");
    assert!(!device.home().join("agent.sock").exists(), "the agent that got the wrong password has ended");
    assert_eq!(device.json(&["status"])["unlocked"], false);

    device.unlock();
    assert_eq!(device.field(&id, "password"), "kept");
}

#[test]
fn a_wrong_login_password_and_an_unknown_address_look_alike() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    stage.write("wrong", "not the login password");
    let wrong_password = two.credentials("login").map(|word| if word == "login" { "wrong" } else { word });
    // The verb itself is called as the file is.
    let wrong_password = [&["login"], &wrong_password[1..]].concat();
    let unknown_address = credentials_of(&two, "login", "nobody@example.org");

    let answers = [&wrong_password[..], &unknown_address[..]].map(|arguments| {
        let error = two.failure(1, arguments);
        (error, without_its_own(&two.wire().traffic().pop().expect("a request was made")))
    });
    assert_eq!(answers[0], answers[1]);
    let (error, answer) = &answers[0];
    assert_eq!(error["message"], "the server did not accept the e-mail address and login password");
    assert!(answer.contains("sign_in_failed"), "{answer}");
    assert_eq!(signed_in(&two), BTreeSet::from(["/v1/sessions".to_owned()]), "nothing else was asked for");
}

/// The whole answer, without what is new in every answer: when it was made and what it is called in the log.
fn without_its_own(exchange: &Exchange) -> String {
    let answer = String::from_utf8(exchange.received()).expect("an answer of text");
    let id = exchange.answer_headers.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    let id = id.expect("every answer has an id");
    let lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with("date: ")).collect();
    assert!(lines.len() > 3, "{answer}");
    lines.join("\n").replace(id, "ID")
}

fn signed_in(device: &Device) -> BTreeSet<String> {
    device.wire().traffic().into_iter().map(|exchange| exchange.path).collect()
}
