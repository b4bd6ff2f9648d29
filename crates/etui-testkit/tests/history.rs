//! What every device must hold to heal a server, and what becomes of data that is refused; with real processes.

use std::{fs, path::Path};

use etui_testkit::{Device, Keyring, Server, Stage, copy_folder};

/// Stops the server and keeps a copy of its data.
fn back_up(stage: &Stage, server: Server) -> Server {
    server.kill();
    copy_folder(&stage.data(), &stage.path().join("server-backup"));
    stage.serve()
}

/// Stops the server and starts it on the copy: whatever came since is lost. Devices have to sign in again.
fn restore(stage: &Stage, server: Server, devices: &[&Device]) -> Server {
    server.kill();
    fs::remove_dir_all(stage.data()).expect("the data goes");
    copy_folder(&stage.path().join("server-backup"), &stage.data());
    let server = stage.serve();
    for device in devices {
        device.log_in();
    }
    server
}

fn head_code(device: &Device) -> String {
    device.json(&["status"])["head_code"].as_str().expect("a head code").to_owned()
}

#[test]
fn a_device_that_joined_after_the_backup_heals_the_server_alone() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two, three) = (stage.device("one"), stage.device("two"), stage.device("three"));
    one.sign_up();
    let before = one.add("Before", "ada", "before-the-backup");
    one.ok(&["sync"]);
    let server = back_up(&stage, server);

    let between = one.add("Between", "ada", "between-backup-and-joining");
    one.ok(&["sync"]);
    one.ok(&["edit", &before, "--set", "username=changed-since"]);
    one.ok(&["sync"]);
    let gone = one.add("Gone", "ada", "not-needed");
    one.ok(&["sync"]);
    one.ok(&["rm", &gone, "--purge", "--yes"]);
    one.ok(&["sync"]);
    two.log_in();
    two.ok(&["sync"]);
    assert_eq!(two.json(&["status"])["history_complete"], true);
    let after = two.add("After", "ada", "after-joining");
    two.ok(&["sync"]);
    one.ok(&["lock"]);
    fs::remove_dir_all(one.home()).expect("the first device is lost");

    let _server = restore(&stage, server, &[&two]);
    let refused = two.fails(5, &["sync"]);
    assert!(refused.contains("rollback"), "{refused}");
    let healed = two.json(&["heal"]);
    assert!(healed["states"].as_u64() >= Some(1) && healed["commits"].as_u64() >= Some(5), "{healed}");
    two.ok(&["sync"]);
    three.log_in();
    three.ok(&["sync"]);
    assert_eq!(three.field(&between, "password"), "between-backup-and-joining");
    assert_eq!(three.field(&before, "username"), "changed-since");
    assert_eq!(three.field(&after, "password"), "after-joining");
    three.fails(4, &["get", &gone]);
    two.ok(&["sync"]);
    assert_eq!(head_code(&two), head_code(&three));

    for device in [&two, &three] {
        let exported = device.json(&["export", "--to", "whole.etui"]);
        assert_eq!(exported["history_complete"], true, "{exported}");
        let arguments = ["backup", "verify", "whole.etui", "--master-password-file", "master"];
        let verified = device.json(&arguments);
        assert_eq!(verified["opened"]["readable"], 4, "three entries and the settings: {verified}");
    }
}

/// Flips the last bit of a commit's signature in the server's database; done twice, it is as it was.
fn tamper_with_commit(stage: &Stage, seq: i64) {
    let database = rusqlite::Connection::open(stage.data().join("etui.db")).expect("the server's database");
    let select = "SELECT body FROM vault_commit WHERE seq = ?1";
    let mut body: Vec<u8> = database.query_row(select, [seq], |row| row.get(0)).expect("a commit");
    *body.last_mut().expect("a signature") ^= 1;
    let update = "UPDATE vault_commit SET body = ?1 WHERE seq = ?2";
    assert_eq!(database.execute(update, rusqlite::params![body, seq]).expect("an update"), 1);
}

#[test]
fn a_history_that_was_tampered_with_is_refused_and_harms_nothing() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    let kept = one.add("Kept", "ada", "from-the-beginning");
    one.ok(&["sync"]);
    one.ok(&["edit", &kept, "--set", "username=changed"]);
    one.ok(&["sync"]);
    server.kill();
    tamper_with_commit(&stage, 1);

    let server = stage.serve();
    two.log_in();
    let refused = two.fails(5, &["sync"]);
    assert!(refused.contains("forged"), "{refused}");
    let status = two.json(&["status"]);
    assert_eq!(status["history_complete"], false, "{status}");
    assert!(status["set_aside"].as_u64() >= Some(1), "{status}");
    let listed = two.json(&["refused", "list"]);
    let asked = listed[0]["asked"].as_str().expect("what was asked");
    assert!(asked.contains("/commits?after="), "{listed}");
    assert_eq!(two.field(&kept, "password"), "from-the-beginning");
    let added = two.add("Added", "ada", "sent-all-the-same");
    two.fails(5, &["sync"]);
    one.ok(&["sync"]);
    assert_eq!(one.field(&added, "password"), "sent-all-the-same");
    let exported = two.json(&["export", "--to", "partial.etui"]);
    assert_eq!(exported["history_complete"], false, "{exported}");

    server.kill();
    tamper_with_commit(&stage, 1);
    let _server = stage.serve();
    two.ok(&["sync"]);
    assert_eq!(two.json(&["status"])["history_complete"], true);
}

#[test]
fn what_was_refused_is_kept_for_a_person_to_look_at() {
    let stage = Stage::new();
    let server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.ok(&["sync"]);
    assert_eq!(one.json(&["refused", "list"]).as_array().map(Vec::len), Some(0));
    let server = back_up(&stage, server);
    one.add("After", "ada", "after-the-backup");
    one.ok(&["sync"]);

    let server = restore(&stage, server, &[&one]);
    one.fails(5, &["sync"]);
    one.fails(5, &["sync"]);
    one.ok(&["export", "--to", "whole.etui"]);
    one.ok(&["backup", "verify", "whole.etui"]);
    one.ok(&["lock"]);
    server.kill();
    one.unlock();
    let listed = one.json(&["refused", "list"]);
    let [refused] = listed.as_array().expect("a list").as_slice() else { panic!("{listed}") };
    assert_eq!(refused["refusal"], "rollback");
    assert!(refused["times"].as_u64() >= Some(2), "counted, not kept twice: {refused}");
    assert!(
        refused["length_bytes"].as_u64() > Some(0) && refused["asked"].as_str() > Some("GET /v1/vaults/")
    );
    assert_eq!(one.json(&["status"])["set_aside"], 1);

    one.ok(&["refused", "export", "--to", "refused.jsonl"]);
    let exported = fs::read_to_string(stage.path().join("refused.jsonl")).expect("a file");
    let line: serde_json::Value = serde_json::from_str(exported.trim_end()).expect("one JSON object");
    let bytes = data_encoding::BASE64URL_NOPAD.decode(line["bytes"].as_str().expect("bytes").as_bytes());
    assert_eq!(bytes.expect("base64url").len() as u64, refused["length_bytes"].as_u64().expect("a length"));
    one.ok(&["refused", "clear"]);
    assert_eq!(one.json(&["status"])["set_aside"], 0);
}

#[test]
fn a_person_decides_a_fork_and_nothing_is_lost() {
    let stage = Stage::new();
    let server = stage.serve();
    let keyring = Keyring::start(&stage);
    // Its pins name the branch that is left.
    let (one, two) = (stage.device_with(&keyring, "one"), stage.device("two"));
    one.sign_up();
    let shared = one.add("Shared", "ada", "of-both");
    let contested = one.add("Contested", "ada", "of-both");
    one.ok(&["sync"]);
    two.log_in();
    two.ok(&["sync"]);
    one.ok(&["sync"]);
    let server = back_up(&stage, server);

    one.ok(&["edit", &shared, "--set", "username=sent-by-one"]);
    one.ok(&["edit", &contested, "--set", "username=mine"]);
    let made_by_one = one.add("Made by one", "ada", "only-on-one");
    one.ok(&["sync"]);
    two.ok(&["lock"]);
    let _server = restore(&stage, server, &[]);
    two.unlock();
    two.log_in();
    for username in ["first", "second", "third", "theirs"] {
        two.ok(&["edit", &contested, "--set", &format!("username={username}")]);
        two.ok(&["sync"]);
    }
    let made_by_two = two.add("Made by two", "ada", "only-on-two");
    two.ok(&["sync"]);

    one.log_in();
    let unsent = one.add("Not sent", "ada", "saved-after-the-fork");
    let refused = one.fails(5, &["sync"]);
    let code = head_code(&two);
    assert!(
        refused.contains("fork") && refused.contains(&code) && refused.contains(&head_code(&one)),
        "{refused}"
    );
    let healing = one.fails(5, &["heal"]);
    assert!(healing.contains("fork"), "{healing}");
    let wrong = one.fails(5, &["sync", "--follow-server", "00000000"]);
    assert!(wrong.contains(&code), "{wrong}");
    assert_eq!(one.field(&made_by_one, "password"), "only-on-one", "nothing has changed");

    let followed = one.json(&["sync", "--follow-server", &code.to_lowercase()]);
    let left = followed["left_branch"].as_str().expect("a path").to_owned();
    one.ok(&["backup", "verify", &left, "--master-password-file", "master"]);
    one.ok(&["lock"]);
    one.unlock();
    for device in [&one, &two, &one] {
        device.ok(&["sync"]);
    }
    assert_eq!(head_code(&one), head_code(&two));
    for device in [&one, &two] {
        assert_eq!(device.field(&shared, "username"), "sent-by-one");
        assert_eq!(device.field(&made_by_one, "password"), "only-on-one");
        assert_eq!(device.field(&made_by_two, "password"), "only-on-two");
        assert_eq!(device.field(&unsent, "password"), "saved-after-the-fork");
        let shown = device.ok(&["get", &contested]) + &device.ok(&["get", &contested, "--json"]);
        assert!(shown.contains("mine") && shown.contains("theirs"), "both are kept: {shown}");
    }
    one.fails(1, &["sync", "--follow-server", &code]);
    let exported = one.json(&["export", "--to", "after.etui"]);
    assert_eq!(exported["history_complete"], true, "{exported}");
    one.ok(&["logout"]);
    assert!(!Path::new(&left).exists(), "nothing of the account is left in the folder");
}

/// Else the keyring would name a branch that the store has dropped, and the store would open no more.
#[test]
fn without_its_keyring_a_device_stays_on_its_branch() {
    let stage = Stage::new();
    let server = stage.serve();
    let mut keyring = Keyring::start(&stage);
    let (one, two) = (stage.device_with(&keyring, "one"), stage.device("two"));
    one.sign_up();
    one.add("Shared", "ada", "of-both");
    one.ok(&["sync"]);
    two.log_in();
    two.ok(&["sync"]);
    one.ok(&["sync"]);
    let server = back_up(&stage, server);
    let sent = one.add("Sent", "ada", "only-on-one");
    one.ok(&["sync"]);
    let _server = restore(&stage, server, &[&two, &one]);
    two.add("Theirs", "ada", "only-on-two");
    two.ok(&["sync"]);

    // A screen lock closes the keyring; what is saved then gives the device's keeper of pins its first trouble.
    keyring.lock();
    let unsent = one.add("Not sent", "ada", "saved-after-the-fork");
    let code = head_code(&two);
    let before = head_code(&one);
    let follow = ["sync", "--follow-server", &code];
    for _ in 0..2 {
        let error = one.failure(1, &follow);
        assert!(error["message"].as_str().is_some_and(|text| text.contains("keyring is locked")), "{error}");
        assert_eq!(error["hint"], "unlock the keyring and try again", "{error}");
        assert_eq!((head_code(&one), one.unsent()), (before.clone(), 1), "nothing has changed");
    }
    one.ok(&["lock"]);
    keyring.restart();
    one.unlock();
    assert_eq!(one.field(&unsent, "password"), "saved-after-the-fork");
    one.ok(&follow);
    one.ok(&["lock"]);
    one.unlock();
    one.ok(&["sync"]);
    two.ok(&["sync"]);
    for device in [&one, &two] {
        assert_eq!(device.field(&unsent, "password"), "saved-after-the-fork");
        assert_eq!(device.field(&sent, "password"), "only-on-one");
        assert_eq!(device.field("Theirs", "password"), "only-on-two");
    }
}

#[test]
fn the_branch_of_one_device_is_kept_and_the_others_follow() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two, three) = (stage.device("one"), stage.device("two"), stage.device("three"));
    one.sign_up();
    one.add("Before", "ada", "before-the-fork");
    one.ok(&["sync"]);
    two.log_in();
    two.ok(&["sync"]);
    one.ok(&["sync"]);
    let server = back_up(&stage, server);
    let by_one = one.add("By one", "ada", "only-on-one");
    one.ok(&["sync"]);
    one.ok(&["lock"]);
    let server = restore(&stage, server, &[&two]);
    let by_two = two.add("By two", "ada", "only-on-two");
    two.ok(&["sync"]);
    three.log_in();
    let by_three = three.add("By three", "ada", "only-on-three");
    three.ok(&["sync"]);

    one.unlock();
    let _server = restore(&stage, server, &[&one]);
    one.ok(&["heal"]);
    one.ok(&["sync"]);
    for device in [&two, &three] {
        device.log_in();
        device.fails(5, &["sync"]);
        device.ok(&["sync", "--follow-server", &head_code(&one)]);
        device.ok(&["sync"]);
        one.ok(&["sync"]);
    }
    two.ok(&["sync"]);
    for device in [&one, &two, &three] {
        assert_eq!(head_code(device), head_code(&one));
        assert_eq!(device.json(&["status"])["device_listed"], true);
        assert_eq!(device.field(&by_one, "password"), "only-on-one");
        assert_eq!(device.field(&by_two, "password"), "only-on-two");
        assert_eq!(device.field(&by_three, "password"), "only-on-three");
    }
}
