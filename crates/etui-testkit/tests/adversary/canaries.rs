//! Nothing secret lies anywhere or passes anywhere: data folder, log, traffic, devices' folders, temporary folder.

use std::fs;

use etui_testkit::{
    EMAIL, Exchange, LOGIN_PASSWORD, MASTER_PASSWORD, Stage,
    canary::{Canary, files, leak},
};

use crate::keys::Keys;

const TEXTS: [&str; 10] = [
    "canary-title-Qx7",
    "canary-user-Mn4",
    "canary-password-Zt9",
    "canary-host.example",
    "canary-note-Lw2",
    "canary-label-Ky5",
    "canary-hidden-Hb8",
    "canary-tag-Rv3",
    "canary-folder-Fj6",
    "canary-offline-Ps1",
];

#[test]
fn nothing_secret_lies_or_passes_anywhere() {
    let stage = Stage::new();
    let server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    one.add("canary-title-Qx7", "canary-user-Mn4", "canary-password-Zt9");
    stage.write("secret", "canary-note-Lw2");
    stage.write("hidden", "canary-hidden-Hb8");
    one.ok(&["edit", "canary-title-Qx7", "--set-file", "notes=secret", "--add-tag", "canary-tag-Rv3"]);
    one.ok(&["edit", "canary-title-Qx7", "--set", "folder=canary-folder-Fj6"]);
    one.ok(&["edit", "canary-title-Qx7", "--set-file", "field.canary-label-Ky5=hidden"]);
    one.ok(&["sync"]);
    two.log_in();
    two.wire().cut();
    // What waits in the outbox of a locked device is sealed too.
    two.add("canary-offline-Ps1", "ada", "canary-password-Zt9");
    one.ok(&["edit", "canary-title-Qx7", "--generate"]);
    one.ok(&["sync"]);
    one.ok(&["devices"]);
    one.ok(&["export", "--to", "backup.etui"]);
    let generated = one.field("canary-title-Qx7", "password");
    for device in [&one, &two] {
        device.ok(&["lock"]);
    }
    drop(server);
    for file in ["login", "master", "secret", "hidden"] {
        fs::remove_file(stage.path().join(file)).expect("the file goes");
    }

    let mut canaries: Vec<Canary> = TEXTS.iter().map(|text| Canary::text(text, text)).collect();
    canaries.push(Canary::text("a generated password", &generated));
    canaries.push(Canary::text("the master password", MASTER_PASSWORD));
    canaries.push(Canary::text("the login password", LOGIN_PASSWORD));
    canaries.extend(Keys::of(&two).canaries());
    nothing_lies_in(&stage, &canaries);
    for device in [&one, &two] {
        nothing_passed(&device.wire().traffic(), &canaries);
    }
    let log = fs::read_to_string(stage.path().join("server.log")).expect("a log");
    assert!(!log.contains(EMAIL), "the log holds no e-mail address");
}

fn nothing_lies_in(stage: &Stage, canaries: &[Canary]) {
    let all = files(stage.path());
    for (path, bytes) in &all {
        assert_eq!(leak(canaries, bytes), None, "{}", path.display());
        let name = path.as_os_str().as_encoded_bytes();
        assert_eq!(leak(canaries, name), None, "{}", path.display());
    }
    for expected in
        ["data/etui.db", "server.log", "one/vault.db", "two/vault.db", "one/device.json", "backup.etui"]
    {
        assert!(all.iter().any(|(path, _)| path.ends_with(expected)), "{expected} was searched");
    }
}

fn nothing_passed(traffic: &[Exchange], canaries: &[Canary]) {
    assert!(traffic.len() > 3, "the traffic was recorded");
    for exchange in traffic {
        for bytes in [exchange.sent(), exchange.received()] {
            assert_eq!(leak(canaries, &bytes), None, "{} {}", exchange.method, exchange.path);
        }
    }
}
