//! What the product is for, told with real processes.

use std::fs;

use etui_testkit::{Stage, copy_folder};

#[test]
fn a_password_saved_on_one_device_is_read_on_another() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    let id = one.add("GitHub", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    two.log_in();
    assert_eq!(two.ok(&["get", "GitHub", "--field", "password"]), "hunter2-correct\n");
    let list = two.json(&["list"]);
    assert_eq!(list[0]["title"], "GitHub");
    assert_eq!(list[0]["type"], "login");
    assert_eq!(list[0]["id"], id.as_str());

    two.ok(&["edit", &id, "--set", "username=ada2"]);
    two.ok(&["sync"]);
    one.ok(&["sync"]);
    assert_eq!(one.field("GitHub", "username"), "ada2");
    one.ok(&["rm", &id]);
    assert_eq!(one.json(&["list"]).as_array().map(Vec::len), Some(0));
    one.ok(&["restore", &id]);
    assert_eq!(one.json(&["search", "git"])[0]["id"], id.as_str());
    one.ok(&["export", "--to", "backup.etui"]);
    one.ok(&["backup", "verify", "backup.etui"]);
    assert_eq!(one.json(&["status"])["head_code"].as_str().map(str::len), Some(8));
}

#[test]
fn both_devices_edit_while_the_server_is_away_and_converge_with_both_values() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    let id = one.add("Mail", "ada", "first-password");
    one.ok(&["sync"]);
    two.log_in();
    server.kill();

    one.ok(&["edit", &id, "--set", "username=from-one"]);
    two.ok(&["edit", &id, "--set", "username=from-two"]);
    let only_on_two = two.add("Forum", "ada", "second-password");
    one.fails(6, &["sync"]);

    let _server = stage.serve();
    for device in [&one, &two, &one] {
        device.ok(&["sync"]);
    }
    assert_eq!(one.json(&["status"])["head_code"], two.json(&["status"])["head_code"]);
    for device in [&one, &two] {
        let shown = device.ok(&["get", &id]) + &device.ok(&["get", &id, "--json"]);
        assert!(shown.contains("from-one") && shown.contains("from-two"), "both are kept: {shown}");
        assert_eq!(device.field(&only_on_two, "password"), "second-password");
    }
}

#[test]
fn what_is_wrong_is_said_with_the_right_exit_code() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    one.fails(4, &["get", "Nowhere"]);
    one.ok(&["lock"]);
    one.fails(3, &["list"]);
    fs::write(stage.path().join("wrong"), "not the master password at all").expect("a file");
    let said = one.fails(1, &["unlock", "--master-password-file", "wrong"]);
    assert!(said.contains("master password"), "{said}");
    one.unlock();

    let mut wrong = two.credentials("login");
    wrong[6] = "wrong";
    let wrong_password = two.fails(1, &wrong);
    let mut unknown = two.credentials("login");
    unknown[4] = "nobody@example.org";
    let unknown_email = two.fails(1, &unknown);
    assert_eq!(wrong_password, unknown_email, "one answer for both");
    server.kill();
    one.fails(6, &["sync"]);
}

#[test]
fn a_new_master_password_opens_and_the_old_one_does_not() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("Bank", "ada", "kept-through-it-all");
    fs::write(stage.path().join("new"), "another velvet harbour maple").expect("a file");
    one.change_master_password("master", "new");
    one.ok(&["lock"]);
    one.fails(1, &["unlock", "--master-password-file", "master"]);
    one.ok(&["unlock", "--master-password-file", "new"]);
    assert_eq!(one.field("Bank", "password"), "kept-through-it-all");
}

#[test]
fn no_saved_entry_is_lost_when_server_and_agent_are_killed() {
    let stage = Stage::new();
    let mut server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    let mut saved = Vec::new();
    for round in 0..5 {
        saved.push(one.add(&format!("Entry {round}"), "ada", &format!("password-{round}")));
        server.kill();
        saved.push(one.add(&format!("Offline {round}"), "ada", &format!("password-{round}")));
        one.ok(&["lock"]);
        server = stage.serve();
        one.unlock();
    }
    one.ok(&["sync"]);
    let two = stage.device("two");
    two.log_in();
    for id in &saved {
        assert!(two.field(id, "password").starts_with("password-"));
    }
    drop(server);
}

#[test]
fn a_restored_server_is_refused_and_then_healed() {
    let stage = Stage::new();
    let server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("Before", "ada", "before-the-backup");
    one.ok(&["sync"]);
    server.kill();
    let backup = stage.path().join("backup");
    copy_folder(&stage.data(), &backup);

    let server = stage.serve();
    let after = one.add("After", "ada", "after-the-backup");
    one.ok(&["sync"]);
    server.kill();
    fs::remove_dir_all(stage.data()).expect("the data goes");
    fs::rename(&backup, stage.data()).expect("the backup comes back");

    let _server = stage.serve();
    one.ok(&one.credentials("login"));
    let refused = one.fails(5, &["sync"]);
    assert!(refused.contains("rollback"), "{refused}");
    assert_eq!(one.field(&after, "password"), "after-the-backup", "the local copy wins");
    one.ok(&["heal"]);
    one.ok(&["sync"]);
    let two = stage.device("two");
    two.log_in();
    assert_eq!(two.field(&after, "password"), "after-the-backup");
}

#[test]
fn a_recovery_kit_opens_the_account_once_it_was_tested() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    one.add("Bank", "ada", "found-again");
    one.ok(&["sync"]);
    let kit = one.ok(&["recovery", "create"]);
    let words: Vec<&str> = kit
        .lines()
        .filter(|line| line.trim_start().starts_with(|first: char| first.is_ascii_digit()))
        .flat_map(str::split_whitespace)
        .filter(|word| word.parse::<u8>().is_err())
        .collect();
    assert_eq!(words.len(), 24, "{kit}");
    let account = kit.split_whitespace().find(|word| word.len() == 32).expect("the account id");
    fs::write(stage.path().join("kit"), words.join(" ")).expect("a file");
    fs::write(stage.path().join("new"), "another velvet harbour maple").expect("a file");
    one.ok(&["recovery", "test", "--kit-file", "kit"]);

    let mut arguments = vec!["recovery", "use", "--kit-file", "kit", "--account", account];
    let credentials = two.credentials("login");
    arguments.extend(&credentials[1..8]);
    arguments.push("new");
    two.ok(&arguments);
    assert_eq!(two.field("Bank", "password"), "found-again");
    two.ok(&["lock"]);
    two.ok(&["unlock", "--master-password-file", "new"]);
}

#[test]
fn people_come_by_invitation_where_a_server_asks_for_one() {
    const GIVEN: [&str; 2] = ["--invitation-file", "invitation"];
    let stage = Stage::new();
    let node = stage.node("inviting").with("ETUI_SIGN_UP", "invite");
    let _server = node.serve();
    let (one, two) = (node.device("one"), node.device("two"));
    let refused = one.fails(2, &one.credentials("signup"));
    assert!(refused.contains("takes new accounts by invitation"), "{refused}");
    stage.write("invitation", &node.administer(&["admin", "invite"]));
    one.ok(&[&one.credentials("signup")[..], &GIVEN].concat());
    let again = two.fails(1, &[&two.credentials("signup")[..], &GIVEN].concat());
    assert!(again.contains("needs an invitation"), "it counts once: {again}");
    two.log_in();
}
