//! What a person does wrong: it is said, and it costs nothing.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::{fs::symlink, net::UnixListener},
    path::PathBuf,
    process::{Command, Stdio},
};

use etui_testkit::{Device, EMAIL, Stage};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

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

#[test]
fn a_sign_in_that_fails_leaves_the_device_unlocked() {
    let stage = Stage::new();
    let server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("Bank", "ada", "kept-through-it-all");
    stage.write("wrong", "not the right one at all");
    let again = one.credentials("login");
    let instead = |place: usize, value: &'static str| {
        let mut other = again;
        other[place] = value;
        other
    };
    for (place, value) in [(2, "http://127.0.0.1:1"), (4, "eve@example.org")] {
        let said = one.failure(1, &instead(place, value));
        assert_eq!(said["message"], format!("this device's account is {EMAIL} at {}", again[2]));
        assert!(said["hint"].as_str().is_some_and(|hint| !hint.contains("logout")), "{said}");
    }
    for place in [6, 8] {
        let said = one.failure(1, &instead(place, "wrong"));
        assert!(said["message"].as_str().is_some_and(|message| message.contains("password")), "{said}");
    }
    assert_eq!(one.field("Bank", "password"), "kept-through-it-all");
    one.ok(&["sync"]);
    server.kill();
    one.fails(6, &again);
    assert_eq!(one.field("Bank", "password"), "kept-through-it-all");
    let _server = stage.serve();
    one.log_in();
    one.ok(&["sync"]);

    for verb in ["signup", "login"] {
        let other =
            one.run(&instead(4, "eve@example.org").map(|word| if word == "login" { verb } else { word }));
        assert!(!other.status.success());
    }
}

#[test]
fn a_server_with_a_new_address_is_followed_if_it_has_the_account() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, other_way) = (stage.device("one"), stage.device("other-way"));
    one.sign_up();
    one.ok(&["sync"]);
    let bank = one.add("Bank", "ada", "sent-to-the-new-address");
    let new_address = other_way.wire().url();
    let mut moved = one.credentials("login");
    moved[2] = &new_address;
    let said = one.failure(1, &moved);
    assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("etui lock")), "{said}");

    one.lock_for_good();
    let (elsewhere, before) = (Stage::new(), fs::read(one.home().join("device.json")).expect("it is there"));
    let _strange_server = elsewhere.serve();
    let stranger = elsewhere.device("stranger");
    stranger.sign_up();
    let strange_address = stranger.wire().url();
    let mut strange = moved;
    strange[2] = &strange_address;
    let said = one.failure(1, &strange);
    assert!(
        said["message"].as_str().is_some_and(|message| message.contains("this device's account is")),
        "{said}"
    );
    assert_eq!(
        fs::read(one.home().join("device.json")).expect("it is there"),
        before,
        "it stays where it was"
    );

    one.ok(&moved);
    assert_eq!(one.json(&["status"])["server"], new_address.as_str());
    one.wire().cut();
    one.ok(&["sync"]);
    one.lock_for_good();
    one.unlock();
    one.ok(&["sync"]);
    other_way.log_in();
    assert_eq!(other_way.field(&bank, "password"), "sent-to-the-new-address");
}

#[test]
fn a_prompt_that_is_interrupted_gives_the_terminal_back() {
    let stage = Stage::new();
    let server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.lock_for_good();
    drop(server);
    for interrupt in [Interrupt::Key, Interrupt::Signal("INT"), Interrupt::Signal("TERM")] {
        let seen = interrupted(&one, interrupt);
        let after = seen.split("ended ").nth(1).expect("it ended");
        assert!(after.starts_with("130") || after.starts_with("143"), "{interrupt:?}: {seen}");
        let words: Vec<&str> = after.split([' ', ';', '\r', '\n']).collect();
        for on in ["echo", "icanon", "isig"] {
            assert!(words.contains(&on), "{interrupt:?}, {on}: {seen}");
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Interrupt {
    Key,
    Signal(&'static str),
}

/// What is seen on a terminal where a prompt for a password is interrupted, and the terminal's settings after that.
fn interrupted(device: &Device, interrupt: Interrupt) -> String {
    // The shell lives on, and says which terminal and which process it is.
    let script =
        "trap : INT; tty; sh -c 'echo \"process $$.\"; exec \"$ETUI\" unlock'; echo ended $?; stty -a";
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", script, "/dev/null"]);
    terminal.env("ETUI_HOME", device.home()).env("ETUI", etui()).env("SHELL", "/bin/sh");
    let mut terminal = terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs (package bsdutils)");
    let (mut keyboard, mut screen) =
        (terminal.stdin.take().expect("piped"), terminal.stdout.take().expect("piped"));
    let mut seen = String::new();
    while !seen.contains("password: ") {
        let mut bytes = [0; 256];
        let length = screen.read(&mut bytes).expect("it shows something");
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    let path = seen.lines().next().expect("the terminal").trim().to_owned();
    let slave = File::open(path).expect("it is there");
    let is_hidden = || !tcgetattr(&slave).expect("a terminal").local_modes.contains(LocalModes::ECHO);
    while !is_hidden() {
        std::thread::yield_now();
    }
    match interrupt {
        Interrupt::Key => keyboard.write_all(&[3]).expect("it is typed"),
        Interrupt::Signal(name) => {
            let process =
                seen.split("process ").nth(1).and_then(|rest| rest.split('.').next()).expect("its number");
            let sent = Command::new("kill").args(["-s", name, process]).status().expect("kill runs");
            assert!(sent.success());
        }
    }
    screen.read_to_string(&mut seen).expect("it ends");
    drop(keyboard);
    terminal.wait().expect("it ends");
    seen
}

fn etui() -> PathBuf {
    let here = std::env::current_exe().expect("a test");
    here.ancestors().nth(2).expect("the folder of the build").join("etui")
}

/// A server that shows an old account to a new device is found by a person who compares two devices.
#[test]
fn a_new_device_says_what_it_was_shown() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two, three) = (stage.device("one"), stage.device("two"), stage.device("three"));
    one.ok(&[&one.credentials("signup")[..], &["--device-name", "Desk"]].concat());
    for title in ["Bank", "Mail"] {
        one.add(title, "ada", "a-password");
    }
    one.ok(&["sync"]);
    let status = one.json(&["status"]);
    let (time_ms, device) = (&status["vaults"][0]["head_time_ms"], &status["vaults"][0]["head_device"]);
    assert_eq!(device, "Desk");
    assert!(one.ok(&["status"]).contains("by Desk at 20"));

    let shown = two.json(&two.credentials("login"));
    assert_eq!(shown["head"], json!({ "time_ms": time_ms, "device": "Desk", "entries": 2 }));
    two.ok(&["logout"]);
    let output = two.run(&two.credentials("login"));
    let (seen, noted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(seen.contains("2 entries; newest change by Desk at 20"), "{seen}");
    assert!(noted.contains("could show an old account to a new device"), "{noted}");
    let again = two.ok(&two.credentials("login"));
    assert!(!again.contains("newest change"), "this one has pins: {again}");

    let kit = one.json(&["recovery", "create"]);
    stage.write("kit", kit["code"].as_str().expect("a code"));
    stage.write("new", "another velvet harbour maple");
    one.ok(&["recovery", "test", "--kit-file", "kit"]);
    let mut recover = [&["recovery", "use", "--kit-file", "kit"], &three.credentials("login")[1..]].concat();
    *recover.last_mut().expect("the master password") = "new";
    assert_eq!(three.json(&recover)["head"], shown["head"]);
}

#[test]
fn a_new_master_password_is_taken_up_while_unlocked_and_a_wrong_one_is_said() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    stage.write("new", "another velvet harbour maple");
    stage.write("wrong", "not the right one at all");
    one.change_master_password("master", "new");
    two.log_in_again();
    let opens_with = || two.json(&["status"])["store_opens_with"].clone();
    assert_eq!(opens_with(), "former_master_password");
    two.fails(1, &["unlock", "--master-password-file", "wrong"]);
    two.ok(&["unlock", "--master-password-file", "master"]);
    assert_eq!(opens_with(), "former_master_password", "and it is unlocked still");
    two.ok(&["unlock", "--master-password-file", "new"]);
    assert_eq!(opens_with(), "master_password");
    two.fails(1, &["unlock", "--master-password-file", "master"]);
    two.ok(&["lock"]);
    two.ok(&["unlock", "--master-password-file", "new"]);
    assert_eq!(opens_with(), "master_password");
}

#[test]
fn a_damaged_backup_is_not_blamed_on_the_server() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.add("Bank", "ada", "a-password");
    one.ok(&["export", "--to", "backup.etui"]);
    let path = stage.path().join("backup.etui");
    let mut bytes = fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("a file");
    let said = one.failure(5, &["backup", "verify", "backup.etui"]);
    assert_eq!(said["hint"], "this file is damaged or not genuine: use another copy", "{said}");
}

#[test]
fn what_is_named_or_written_wrongly_is_said_in_full() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    for username in ["ada", "eve"] {
        one.add("Mail", username, "a-password");
    }
    let said = one.failure(2, &["get", "Mail"]);
    let message = said["message"].as_str().expect("a sentence");
    assert!(message.contains("Mail, ada") && message.contains("Mail, eve"), "{message}");
    let bank = one.add("Bank", "ada", "a-password");
    let said = one.failure(2, &["restore", &bank]);
    assert_eq!(said["message"], "restoring an entry: Bank is not in the trash");

    fs::write(stage.path().join("utf-16"), [0xff, 0xfe, b'{', 0]).expect("a file");
    let said = one.failure(2, &["import", "--format", "jsonl", "utf-16"]);
    assert_eq!(said["message"], "reading the file: it is not UTF-8");
    assert_eq!(entries(&one), 3);
}

#[test]
fn a_login_password_that_must_not_be_chosen_is_asked_for_once() {
    let stage = Stage::new();
    let one = stage.device("one");
    let place = "--server http://localhost:1 --email ada@example.org";
    let seen = one.fails_on_terminal(&format!("signup {place}"), &["short", "short", "short"]);
    assert!(seen.contains("Login password: ") && !seen.contains("again"), "{seen}");
}

fn entries(device: &Device) -> usize {
    device.json(&["list"]).as_array().expect("a list").len()
}
