//! Two nodes over one database and one bucket.
#![cfg(feature = "services-tests")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use etui_api::session::{Refresh, Session, Token};
use etui_testkit::{Device, Exchange, Meeting, Stage};
use futures_util::future::join_all;

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

/// Fifty holders of one refresh token, at once, on two nodes: the same request is given the same token however often its answer
/// was lost; of different requests no two are left with tokens that work.
#[test]
fn of_fifty_refreshes_over_http_no_two_tokens_are_left() {
    const AT_ONCE: usize = 50;
    let stage = Stage::new();
    let (left, right) = (stage.node("left"), stage.node("right"));
    let (left_server, right_server) = (left.serve(), right.serve());
    let nodes = [left_server.address(), right_server.address()];
    let device = left.device("one");
    device.sign_up();
    let first = session_of(&device.wire().traffic()).refresh_token.expect("a program is given it");

    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let at_once = |token: &Token, id: fn(usize) -> String| {
        let asked = (0..AT_ONCE).map(|number| refresh(&client, nodes[number % 2], token, id(number)));
        runtime.block_on(join_all(asked))
    };
    let given = at_once(&first, |_| "the same request, again".to_owned());
    let tokens: BTreeSet<_> =
        given.iter().map(|answer| answer.as_ref().expect("each is answered").expose()).collect();
    assert_eq!(tokens.len(), 1, "the same one");

    let next = given[0].as_ref().expect("each is answered");
    let given: Vec<_> =
        at_once(next, |number| format!("request {number} of fifty")).into_iter().flatten().collect();
    assert!(!given.is_empty(), "one came first");
    let left_over = given.iter().filter(|token| {
        let again = refresh(&client, nodes[0], token, "a request afterwards".to_owned());
        runtime.block_on(again).is_some()
    });
    assert_eq!(left_over.count(), 0, "all others were copies, and a copy ends the session");
}

/// What the device was given when it signed up.
fn session_of(traffic: &[Exchange]) -> Session {
    let signed_up = traffic.iter().find(|exchange| exchange.path == "/v1/accounts").expect("it signed up");
    serde_json::from_slice(&signed_up.answer_body).expect("a session")
}

/// The next token, if there is one.
async fn refresh(
    client: &reqwest::Client,
    node: SocketAddr,
    token: &Token,
    request_id: String,
) -> Option<Token> {
    let body = Refresh { refresh_token: Some(token.clone()), request_id: Some(Token::new(request_id)) };
    let request = client.post(format!("http://{node}/v1/sessions/refresh")).json(&body);
    let answer = request.send().await.expect("an answer");
    match answer.status().as_u16() {
        200 => answer.json::<Session>().await.expect("a session").refresh_token,
        status => {
            assert_eq!(status, 401);
            None
        }
    }
}
