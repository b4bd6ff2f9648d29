//! Two nodes over one database and one bucket.
#![cfg(feature = "services-tests")]

use std::{
    thread,
    time::{Duration, Instant},
};

use etui_testkit::{Device, Exchange, Meeting, Stage};

/// Longer than any news takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

#[test]
fn what_one_node_takes_is_news_on_the_other() {
    let stage = Stage::new();
    let (left, right) = (stage.node("left"), stage.node("right"));
    let (_left_server, _right_server) = (left.serve(), right.serve());
    let (one, two) = (left.device("one"), right.device("two"));
    one.sign_up();
    one.add("Before", "ada", "before");
    one.ok(&["sync"]);
    two.log_in();
    assert_eq!(two.field("Before", "password"), "before");
    // Nobody asks the second device to sync: it hears of it.
    one.add("News", "ada", "news");
    wait_for(&two, "News");
    two.add("Answer", "ada", "answer");
    wait_for(&one, "Answer");
}

#[test]
fn both_nodes_take_edits_at_once_and_a_dead_node_is_not_missed() {
    let stage = Stage::new();
    let (left, right) = (stage.node("left"), stage.node("right"));
    let (left_server, right_server) = (left.serve(), right.serve());
    let (one, two) = (left.device("one"), right.device("two"));
    one.sign_up();
    let id = one.add("Mail", "ada", "password");
    one.ok(&["sync"]);
    two.log_in();
    for round in 0..5 {
        one.ok(&["edit", &id, "--set", &format!("username=left-{round}")]);
        two.ok(&["edit", &id, "--set", &format!("title=Mail {round}")]);
    }
    left_server.kill();
    one.add("Alone", "ada", "saved while its node was dead");
    left.give_over_to(&right_server);
    for device in [&one, &two, &one] {
        device.ok(&["sync"]);
    }
    assert_eq!(one.json(&["status"])["head_code"], two.json(&["status"])["head_code"]);
    for device in [&one, &two] {
        assert_eq!(device.field(&id, "username"), "left-4");
        assert_eq!(device.field(&id, "title"), "Mail 4");
        assert_eq!(device.field("Alone", "password"), "saved while its node was dead");
    }
}

#[test]
fn of_two_pushes_at_once_one_wins_and_the_other_merges_and_lands() {
    let stage = Stage::new();
    let (left, right) = (stage.node("left"), stage.node("right"));
    let (_left_server, _right_server) = (left.serve(), right.serve());
    let (one, two) = (left.device("one"), right.device("two"));
    one.sign_up();
    one.ok(&["sync"]);
    two.log_in();
    for round in 0..5 {
        for device in [&one, &two] {
            device.ok(&["sync"]);
        }
        let before = [&one, &two].map(|device| device.wire().traffic().len());
        Meeting::arrange(&[one.wire(), two.wire()]);
        let titles = ["one", "two"].map(|device| format!("{round} of {device}"));
        for (device, title) in [&one, &two].into_iter().zip(&titles) {
            device.add(title, "ada", "at the same moment");
        }
        for device in [&one, &two] {
            for title in &titles {
                wait_for(device, title);
            }
        }
        let mut first_answers: Vec<u16> = [&one, &two]
            .into_iter()
            .zip(before)
            .map(|(device, before)| first_push(&device.wire().traffic()[before..]).status)
            .collect();
        first_answers.sort_unstable();
        assert_eq!(first_answers, [200, 409], "in round {round}");
    }
    for device in [&one, &two] {
        device.ok(&["sync"]);
        assert_eq!(device.unsent(), 0);
    }
    assert_eq!(one.json(&["status"])["head_code"], two.json(&["status"])["head_code"]);
}

fn first_push(traffic: &[Exchange]) -> &Exchange {
    let mut pushes = traffic.iter().filter(|exchange| exchange.path.ends_with("/commits"));
    pushes.next().expect("a push")
}

fn wait_for(device: &Device, title: &str) {
    let started = Instant::now();
    let titled = |entry: &serde_json::Value| entry["title"] == title;
    while !device.json(&["list"]).as_array().expect("a list").iter().any(titled) {
        assert!(started.elapsed() < PATIENCE, "{title} was never heard of");
        thread::sleep(BETWEEN_LOOKS);
    }
}
