//! An account is looked at, taken along, deleted, kept after all, and deleted for good: by its holder, with the real programs.

use std::fs;

use etui_testkit::{
    EMAIL, Stage,
    canary::{Canary, files, leak},
};

const SECRET: &str = "canary-of-a-leaving-account";

#[test]
fn whoever_leaves_takes_everything_along_and_may_stay_after_all() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    one.add("Bank", "ada", SECRET);
    one.ok(&["sync"]);
    let before = one.contents();

    let events = one.json(&["account", "events"]);
    let did = |action: &str| events.as_array().expect("a list").iter().any(|event| event["action"] == action);
    assert!(did("sign_up") && did("new_device"), "{events}");
    let newcomer = events.as_array().and_then(|events| events.iter().find(|it| it["action"] == "new_device"));
    let newcomer = newcomer.expect("it was told");
    assert!(newcomer["actor_device_name"].is_string(), "who did it has its name: {newcomer}");
    assert_eq!(newcomer["actor_device_id"], newcomer["device_id"], "it has signed itself in");

    let file = stage.path().join("everything.jsonl");
    let report = one.json(&["account", "download", "--to", file.to_str().expect("a path")]);
    let text = fs::read_to_string(&file).expect("a file");
    assert_eq!(report["bytes"].as_u64(), Some(text.len() as u64));
    assert!(text.contains(EMAIL) && text.lines().count() > 10);
    assert_eq!(leak(&[Canary::text("the secret", SECRET)], text.as_bytes()), None, "sealed as it is");

    assert!(one.fails_on_terminal("account delete", &["no"]).contains("nothing was changed"));
    one.json(&["account", "delete", "--yes"]);
    two.fails(1, &["sync"]);
    assert!(one.fails(1, &["sync"]).contains("being deleted"));
    assert_eq!(one.contents(), before, "what is on the device stays");
    one.ok(&["account", "keep"]);
    one.ok(&["sync"]);
    two.log_in();
    assert_eq!(two.contents(), before);
}

#[test]
fn a_new_device_keeps_an_account_that_is_leaving() {
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| stage.device(name));
    one.sign_up();
    one.add("Bank", "ada", SECRET);
    one.ok(&["sync"]);
    one.json(&["account", "delete", "--yes"]);
    // The one that could keep it is gone.
    one.ok(&["logout", "--force"]);

    let log_in = two.credentials("login");
    let refused = two.failure(1, &log_in);
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("--keep-account")), "{refused}");
    let seen = two.fails_on_terminal(&log_in.join(" "), &["n"]);
    assert!(seen.contains("is being deleted") && seen.contains("Keep it"), "{seen}");
    let seen = two.on_terminal(&log_in.join(" "), &["y"]);
    assert!(seen.contains("Signed in"), "{seen}");
    assert_eq!(two.field("Bank", "password"), SECRET);
    three.log_in();
    two.ok(&["sync"]);

    two.json(&["account", "delete", "--yes"]);
    four.ok(&[&four.credentials("login")[..], &["--keep-account"]].concat());
    assert_eq!(four.field("Bank", "password"), SECRET);
    two.ok(&["sync"]);

    // A device that is one already signs in either way, and is asked the same.
    assert!(two.fails(1, &["account", "keep"]).contains("is not being deleted"));
    assert!(two.fails(2, &["account", "delete"]).contains("give `--yes`"), "nobody is there to confirm it");
    two.json(&["account", "delete", "--yes"]);
    let again = four.run(&four.credentials("login"));
    let noted = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        again.status.success() && noted.contains("being deleted") && noted.contains("account keep"),
        "{noted}"
    );
    assert!(four.fails(1, &["sync"]).contains("being deleted"));
    four.on_terminal(&four.credentials("login").join(" "), &["y"]);
    four.ok(&["sync"]);
    two.ok(&["sync"]);
}

#[test]
fn whoever_has_left_is_nowhere_on_the_server() {
    let stage = Stage::new();
    stage.set("deletion_grace_days = 0\n");
    let server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("Bank", "ada", SECRET);
    one.ok(&["sync"]);
    let status = one.json(&["status"]);
    let id = |name: &str| status[name].as_str().expect("an id").to_owned();
    let canaries = [
        Canary::text("the address", EMAIL),
        of_id("the account", &id("account_id")),
        of_id("the device", &id("device_id")),
    ];
    let log = stage.path().join("server.log");
    let anywhere = || {
        let held = files(&stage.data()).into_iter().map(|(_, bytes)| bytes);
        held.chain([fs::read(&log).expect("a log")]).find_map(|bytes| leak(&canaries, &bytes))
    };
    assert!(anywhere().is_some(), "the search finds what is there");

    one.json(&["account", "delete", "--yes"]);
    stage.purge();
    assert_eq!(anywhere(), None);
    one.fails(1, &["sync"]);
    server.stop();
    assert_eq!(anywhere(), None);
}

fn of_id(name: &str, hex: &str) -> Canary {
    Canary::bytes(name, &data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex"))
}
