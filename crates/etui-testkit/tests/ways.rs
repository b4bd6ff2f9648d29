//! The ways to sign in, from the command line: what asks for somebody who is present, and what a second factor stops.

use std::time::{SystemTime, UNIX_EPOCH};

use etui_testkit::Stage;
use totp_rs::Totp;

const ANOTHER_LOGIN: &str = "quiet-lantern-9-orchard";

#[test]
fn a_second_factor_stands_before_every_sign_in() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    let setup = one.json(&["account", "totp", "on"]);
    let app = Totp::from_url(setup["url"].as_str().expect("an address")).expect("one that apps know");
    stage.write("ticket", setup["ticket"].as_str().expect("a ticket"));
    stage.write("wrong", "000000");
    let confirm = ["account", "totp", "confirm", "--ticket-file", "ticket", "--code-file"];
    assert!(one.fails(1, &[&confirm[..], &["wrong"]].concat()).contains("not right"));
    write_code(&stage, &app, 0);
    let codes = one.json(&[&confirm[..], &["code"]].concat())["recovery_codes"].clone();
    let codes = codes.as_array().expect("codes");
    assert_eq!(codes.len(), 10);

    // The other device is signed out, and comes back only with both factors.
    assert!(two.fails(1, &["sync"]).contains("signed out"));
    let log_in = two.credentials("login");
    assert!(two.fails(1, &log_in).contains("second factor"));
    let with_code = [&log_in[..], &["--second-factor-file", "code"]].concat();
    assert!(two.fails(1, &with_code).contains("used before"), "the code that confirmed it");
    write_code(&stage, &app, 1);
    two.ok(&with_code);
    two.ok(&["sync"]);

    // A new device too, and on a terminal it is asked for.
    let three = stage.device("three");
    let recovery_code = codes[0].as_str().expect("a code");
    let seen = three.on_terminal(&log_in.join(" "), &[recovery_code]);
    assert!(seen.contains("recovery code"), "{seen}");
    assert_eq!(one.json(&["account", "ways"])["recovery_codes"], 9);
    stage.write("recovery", recovery_code);
    let again = [&log_in[..], &["--second-factor-file", "recovery"]].concat();
    assert!(two.fails(1, &again).contains("used before"));

    let new = one.json(&["account", "recovery-codes"])["recovery_codes"][0].clone();
    stage.write("recovery", new.as_str().expect("a code"));
    two.ok(&again);
    one.json(&["account", "totp", "off"]);
    two.ok(&log_in);
}

#[test]
fn the_login_password_is_changed_by_whoever_is_present_and_never_to_the_master_password() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    stage.write("new", ANOTHER_LOGIN);
    let change = ["account", "login-password", "change", "--master-password-file", "master"];
    let to_master = [&change[..], &["--new-password-file", "master"]].concat();
    assert_eq!(one.failure(5, &to_master)["refusal"], "password_reuse");
    let checked = ["account", "login-password", "change", "--master-password-file", "new"];
    let wrong = [&checked[..], &["--new-password-file", "new"]].concat();
    assert!(one.fails(1, &wrong).contains("not this account's master password"));

    age_sessions(&stage);
    let to_new = [&change[..], &["--new-password-file", "new"]].concat();
    assert!(one.fails(1, &to_new).contains("sign in again"), "a session that lay about changes nothing");
    one.json(&[&to_new[..], &["--login-password-file", "login"]].concat());
    one.ok(&["sync"]);
    assert!(two.fails(1, &["sync"]).contains("signed out"));
    assert!(two.fails(1, &two.credentials("login")).contains("did not accept"));
    std::fs::copy(stage.path().join("new"), stage.path().join("login")).expect("a file");
    two.log_in();
    two.ok(&["sync"]);
    assert!(one.fails(1, &["account", "login-password", "remove"]).contains("last way"));

    age_sessions(&stage);
    let seen = one.on_terminal("account approval on", &[ANOTHER_LOGIN]);
    assert!(seen.contains("whoever is present"), "{seen}");
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], true);
}

/// What the app shows so many steps from now; one ahead counts already.
fn write_code(stage: &Stage, app: &Totp, steps: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    stage.write("code", &app.generate(now + steps * app.step()).to_string());
}

/// Has every session lie about for a day.
fn age_sessions(stage: &Stage) {
    let database = rusqlite::Connection::open(stage.data().join("etui.db")).expect("the server's database");
    let update = "UPDATE session SET started_ms = started_ms - 86400000";
    assert!(database.execute(update, []).expect("an update") > 0);
}
