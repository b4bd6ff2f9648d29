//! What a person does wrong: it is said, and it costs nothing.

use std::{fs, os::unix::fs::symlink, os::unix::net::UnixListener};

use etui_testkit::{Device, Stage};

#[test]
fn an_export_replaces_nothing_but_a_file() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    let at = |name: &str| stage.path().join(name);
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    stage.write("own", "not to be touched");
    symlink(at("own"), at("link")).expect("a link");
    for to in ["socket", "link", "tmp", "-"] {
        one.fails(2, &["export", "--to", to]);
        one.fails(2, &["refused", "export", "--to", to]);
    }
    one.fails(2, &["recovery", "create", "--to", "-"]);
    assert!(fs::symlink_metadata(at("link")).expect("it is there").is_symlink());
    assert_eq!(fs::read_to_string(at("own")).expect("it is there"), "not to be touched");
    stage.write("backup.etui.unfinished", "a file of this person");
    one.ok(&["export", "--to", "backup.etui"]);
    one.ok(&["export", "--to", "backup.etui"]);
    assert!(at("backup.etui.unfinished").exists());
}

#[test]
fn a_pipe_that_brings_nothing_wipes_nothing() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    let bank = one.add("Bank", "ada", "kept-through-it-all");
    stage.write("empty", "\n");
    for arguments in [
        &["edit", &bank, "--password-file", "-"][..],
        &["edit", &bank, "--password-file", "empty"],
        &["edit", &bank, "--set-file", "password=empty"],
        &["add", "login", "--title", "Forum", "--password-file", "empty"],
        &["add", "login", "--title", "Forum", "--hidden-field-file", "PIN=empty"],
    ] {
        let said = one.failure(2, arguments);
        assert_eq!(said["message"], "reading a secret: it is empty", "{arguments:?}");
        assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("--clear")), "{said}");
    }
    assert_eq!(one.field(&bank, "password"), "kept-through-it-all");
    assert_eq!(entries(&one), 1);
    one.ok(&["edit", &bank, "--clear", "password"]);
}

#[test]
fn a_master_password_is_not_changed_with_a_wrong_login_password() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    stage.write("new", "another velvet harbour maple");
    stage.write("wrong", "not-the-login-password");
    let mut change = Device::change_of_master_password("master", "new");
    change[6] = "wrong";
    let said = one.failure(1, &change);
    assert!(said["message"].as_str().is_some_and(|message| message.contains("login password")), "{said}");
    // The session that it had is still good.
    one.ok(&["sync"]);
    one.ok(&["lock"]);
    one.fails(1, &["unlock", "--master-password-file", "new"]);
    one.unlock();
    one.change_master_password("master", "new");
    one.ok(&["sync"]);
}

fn entries(device: &Device) -> usize {
    device.json(&["list"]).as_array().expect("a list").len()
}
