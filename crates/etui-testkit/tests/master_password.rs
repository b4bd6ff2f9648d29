//! What a master password costs, what it may not be like, and changing it while everything breaks.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use etui_testkit::{Device, Stage, copy_folder};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

const NEW_PASSWORD: &str = "another velvet harbour maple";

#[test]
fn what_a_guess_costs_is_chosen_never_falls_and_much_memory_is_asked_about() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    let sign_up = one.credentials("signup");
    one.ok(&[&sign_up[..], &["--kdf", "m=262145,t=3"]].concat());
    assert_eq!(kdf(&one)["m_kib"], 262_145);

    let log_in = two.credentials("login");
    let said = two.fails(2, &log_in);
    assert!(said.contains("257 MiB") && said.contains("--accept-kdf-memory"), "{said}");
    assert!(!two.home().join("device.json").exists(), "nothing is set up");
    let seen = two.on_terminal(&log_in.join(" "), &["y"]);
    assert!(seen.contains("takes 257 MiB of memory on this device"), "{seen}");
    // From then on the device has the descriptor pinned.
    two.ok(&["lock"]);
    two.unlock();

    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    let kit = one.json(&["recovery", "create"]);
    fs::write(stage.path().join("kit"), kit["code"].as_str().expect("a code")).expect("a file");
    one.ok(&["recovery", "test", "--kit-file", "kit"]);
    let three = stage.device("three");
    let mut recover = [&["recovery", "use", "--kit-file", "kit"], &log_in[1..8], &["new"]].concat();
    assert!(three.fails(2, &recover).contains("--accept-kdf-memory"));
    assert!(!three.home().join("vault.db").exists(), "nothing is set up");
    recover.push("--accept-kdf-memory");
    three.ok(&recover);
    assert_eq!(kdf(&three)["m_kib"], 262_145, "a kit lowers nothing");

    fs::write(stage.path().join("master"), NEW_PASSWORD).expect("a file");
    let change =
        ["--old-password-file", "master", "--new-password-file", "new", "--login-password-file", "login"];
    let lower = [&["change-master-password"], &change[..], &["--kdf", "m=65536", "--json"]].concat();
    let said = three.fails(5, &lower);
    assert!(said.contains("\"kdf_pin\""), "{said}");
    three.change_master_password("master", "new");
    assert_eq!(kdf(&three)["m_kib"], 262_145, "kept");
}

#[test]
fn by_default_a_guess_costs_what_every_device_can_afford_and_calibrating_raises_it() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    let default = kdf(&one);
    assert_eq!((&default["m_kib"], &default["t"], &default["p"]), (&65_536.into(), &3.into(), &4.into()));
    let files =
        ["--old-password-file", "master", "--new-password-file", "master", "--login-password-file", "login"];
    one.ok(&[&["change-master-password", "--kdf", "calibrate"], &files[..]].concat());
    let calibrated = kdf(&one);
    assert_ne!(calibrated["salt"], default["salt"]);
    let cost = |kdf: &serde_json::Value, name: &str| kdf[name].as_u64().expect("a number");
    assert!(cost(&calibrated, "m_kib") >= 65_536 && cost(&calibrated, "t") >= 3, "{calibrated}");
    assert!(cost(&calibrated, "m_kib") <= 262_144, "no other device has to ask: {calibrated}");
    one.ok(&["lock"]);
    one.unlock();
}

#[test]
fn the_same_password_stretched_further_elsewhere_is_followed_without_a_word() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    one.ok(&["sync"]);
    let files =
        ["--old-password-file", "master", "--new-password-file", "master", "--login-password-file", "login"];
    one.ok(&[&["change-master-password", "--kdf", "t=4"], &files[..]].concat());
    two.log_in_again();
    assert_eq!((ways_in(&two), &kdf(&two)["t"]), (2, &3.into()), "the old one opens, the new one is known");
    two.ok(&["lock"]);
    two.unlock();
    assert_eq!((ways_in(&two), &kdf(&two)["t"]), (1, &4.into()), "followed");
    assert_eq!(two.json(&["status"])["store_opens_with"], "master_password");
}

#[test]
fn login_and_master_password_are_never_alike_at_sign_in_or_at_a_change() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    let alike = format!("My {}", etui_testkit::LOGIN_PASSWORD.to_uppercase());
    fs::write(stage.path().join("alike"), alike).expect("a file");
    let files =
        ["--old-password-file", "master", "--new-password-file", "alike", "--login-password-file", "login"];
    let change = [&["change-master-password", "--json"], &files[..]].concat();
    assert!(one.fails(5, &change).contains("\"password_reuse\""));
    one.ok(&["lock"]);
    one.unlock();

    // Refused before anything is sent: no server is there to hear it.
    server.kill();
    let mut log_in = two.credentials("login").to_vec();
    log_in[8] = "alike";
    log_in.push("--json");
    assert!(two.fails(5, &log_in).contains("\"password_reuse\""));
}

/// Kills the agent while it encrypts the store under the new master password.
#[test]
fn taking_up_a_new_master_password_survives_a_kill_at_any_point() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    import_many(&one, stage.path());
    one.ok(&["sync"]);
    two.log_in();
    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    one.change_master_password("master", "new");
    two.log_in_again();
    let id = two.add("Unsent", "ada", "kept-through-it-all");
    two.ok(&["lock"]);
    let before = stage.path().join("before");
    copy_folder(two.home(), &before);

    let mut caught = 0;
    for round in 0..8 {
        fs::remove_dir_all(two.home()).expect("the half-done folder goes");
        copy_folder(&before, two.home());
        kill_while_encrypting(&two, &TAKE_UP, Duration::from_millis(2) * round * round);
        caught += usize::from(is_half_done(two.home()));
        if two.run(&["unlock", "--master-password-file", "master"]).status.success() {
            assert_eq!(two.field(&id, "password"), "kept-through-it-all", "round {round}");
            two.ok(&["lock"]);
        }
        two.ok(&["unlock", "--master-password-file", "new", "--old-master-password-file", "master"]);
        assert_eq!(two.field(&id, "password"), "kept-through-it-all", "round {round}");
        two.ok(&["lock"]);
        two.ok(&["unlock", "--master-password-file", "new"]);
        assert_eq!(two.json(&["list"]).as_array().map(Vec::len), Some(501), "round {round}");
        two.ok(&["lock"]);
    }
    assert!(caught > 0, "some round was caught in the act");
}

const TAKE_UP: [&str; 5] =
    ["unlock", "--master-password-file", "new", "--old-master-password-file", "master"];

/// The same on the device where it is changed.
#[test]
fn changing_the_master_password_survives_a_kill_at_any_point() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    import_many(&one, stage.path());
    let id = one.add("Bank", "ada", "kept-through-it-all");
    one.ok(&["sync"]);
    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    let mut caught = 0;
    for round in 0..4 {
        let (from, to) = if round % 2 == 0 { ("master", "new") } else { ("new", "master") };
        let files =
            ["--old-password-file", from, "--new-password-file", to, "--login-password-file", "login"];
        let change = [&["change-master-password"], &files[..]].concat();
        kill_while_encrypting(&one, &change, Duration::from_millis(5) * round * round);
        caught += usize::from(is_half_done(one.home()));
        one.ok(&["unlock", "--master-password-file", to, "--old-master-password-file", from]);
        assert_eq!(one.field(&id, "password"), "kept-through-it-all", "round {round}");
        one.ok(&["sync"]);
    }
    assert!(caught > 0, "some round was caught in the act");
}

/// Runs a command, and kills the agent so long after it has begun to write the pages anew.
fn kill_while_encrypting(device: &Device, arguments: &[&str], so_long_after: Duration) {
    let mut running = device.command(arguments).stderr(Stdio::null()).spawn().expect("etui runs");
    let stream = loop {
        match UnixStream::connect(device.home().join("agent.sock")) {
            // Kept open: an agent that holds nothing yet ends with a connection.
            Ok(stream) => break stream,
            Err(_) => assert!(!has_ended(&mut running), "the agent listens before it unlocks"),
        }
    };
    let agent = rustix::net::sockopt::socket_peercred(&stream).expect("its process").pid;
    // Looked at a hundred times for each look at the process: the pages are written within milliseconds.
    while !(0..100).any(|_| is_half_done(device.home())) && !has_ended(&mut running) {}
    let begun = Instant::now();
    while begun.elapsed() < so_long_after {}
    kill_and_wait(agent);
    running.wait().expect("it ends");
}

/// Whether the journal holds old pages to go back to.
fn is_half_done(home: &Path) -> bool {
    fs::metadata(home.join("vault.db-journal")).is_ok_and(|journal| journal.len() > 64 * 1024)
}

/// Until it is gone, and with it its socket and its lock.
fn kill_and_wait(process: Pid) {
    let process = pidfd_open(process, PidfdFlags::empty()).expect("the agent");
    pidfd_send_signal(&process, Signal::KILL).expect("it is killed");
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None).expect("it ends");
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("a child").is_some()
}

fn import_many(device: &Device, folder: &Path) {
    let line =
        |number| format!("{{\"type\":\"login\",\"title\":\"Entry {number}\",\"password\":\"p{number}\"}}\n");
    fs::write(folder.join("many.jsonl"), (0..500).map(line).collect::<String>()).expect("a file");
    device.ok(&["import", "--format", "jsonl", "many.jsonl"]);
}

/// What the derivation that opens the store costs.
fn kdf(device: &Device) -> serde_json::Value {
    plain_file(device)["store_key"]["master_password"]["ways_in"][0]["kdf"].clone()
}

fn ways_in(device: &Device) -> usize {
    plain_file(device)["store_key"]["master_password"]["ways_in"].as_array().map_or(0, Vec::len)
}

fn plain_file(device: &Device) -> serde_json::Value {
    let file = fs::read(device.home().join("device.json")).expect("the plain file");
    serde_json::from_slice(&file).expect("JSON")
}
