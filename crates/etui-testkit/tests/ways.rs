//! The ways to sign in, from the command line: what asks for somebody who is present, and what a second factor stops.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE32_NOPAD;
use etui_services::{Received, Smtp};
use etui_testkit::{
    Device, EMAIL, Stage,
    canary::{Canary, files, leak},
    kept_outside,
};
use sessions::age_sessions;
use totp_rs::Totp;

#[path = "support/sessions.rs"]
mod sessions;

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
    let wrong = one.fails(1, &[&confirm[..], &["wrong"]].concat());
    assert!(wrong.contains("not right") && wrong.contains("nothing was changed"), "{wrong}");
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
    for command in [&["account", "totp", "off"][..], &["account", "recovery-codes"]] {
        assert!(one.fails(1, command).contains("asks for no second factor"));
    }
    let scripted = one.fails(2, &["account", "totp", "on"]);
    assert!(scripted.contains("totp on --json"), "nothing is begun that cannot be finished: {scripted}");
}

/// Folders, database and bucket, while it is set up and afterwards.
#[test]
fn the_secret_of_an_authenticator_app_lies_nowhere() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    let setup = one.json(&["account", "totp", "on"]);
    let app = Totp::from_url(setup["url"].as_str().expect("an address")).expect("one that apps know");
    let text = setup["secret"].as_str().expect("a secret");
    let secret = BASE32_NOPAD.decode(text.as_bytes()).expect("base32");
    let canaries = [Canary::bytes("the secret", &secret), Canary::text("the secret as apps take it", text)];
    lies_nowhere(&stage, &canaries);
    stage.write("ticket", setup["ticket"].as_str().expect("a ticket"));
    write_code(&stage, &app, 0);
    one.json(&["account", "totp", "confirm", "--ticket-file", "ticket", "--code-file", "code"]);
    lies_nowhere(&stage, &canaries);
}

fn lies_nowhere(stage: &Stage, canaries: &[Canary]) {
    let files = files(stage.path()).into_iter().map(|(path, bytes)| (path.display().to_string(), bytes));
    let all: Vec<_> = files.chain(kept_outside(stage)).collect();
    let email = [Canary::text("the address", EMAIL)];
    assert!(all.iter().any(|(_, bytes)| leak(&email, bytes).is_some()), "the rows were searched");
    for (name, bytes) in &all {
        assert_eq!(leak(canaries, bytes), None, "{name}");
    }
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

#[test]
fn a_link_by_mail_signs_in_and_a_second_factor_is_asked_for_after_it() {
    let (stage, smtp) = with_mail();
    let _server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.sign_up();
    one.ok(&["account", "links", "on"]);
    one.add("Bank", "ada", "hunter2-correct");
    one.ok(&["sync"]);

    let link = login_by(&two, "--link");
    let no_terminal = two.failure(2, &link.split(' ').collect::<Vec<_>>());
    assert!(no_terminal["hint"].as_str().is_some_and(|hint| hint.contains("--link-file")), "{no_terminal}");
    // Whoever goes away has to ask for another letter, and can.
    let terminal = two.sit_down(&link);
    let given_up = line_of(&letter(&smtp, "Signing in", 1));
    let agent = two.agent().expect("it waits for the line");
    terminal.kill();
    agent.wait();
    let mut terminal = two.sit_down(&link);
    letter(&smtp, "Signing in", 2);
    terminal.type_line(&given_up);
    let (signed_in, seen) = terminal.end();
    assert!(!signed_in && seen.contains("Begin again"), "{seen}");
    let mut terminal = two.sit_down(&link);
    terminal.type_line(&line_of(&letter(&smtp, "Signing in", 3)));
    let (signed_in, seen) = terminal.end();
    assert!(signed_in && seen.contains("a letter is on its way"), "{seen}");
    assert_eq!(two.field("Bank", "password"), "hunter2-correct");

    let setup = one.json(&["account", "totp", "on"]);
    let app = Totp::from_url(setup["url"].as_str().expect("an address")).expect("one that apps know");
    stage.write("ticket", setup["ticket"].as_str().expect("a ticket"));
    write_code(&stage, &app, 0);
    one.json(&["account", "totp", "confirm", "--ticket-file", "ticket", "--code-file", "code"]);
    let mut terminal = three.sit_down(&login_by(&three, "--link"));
    terminal.type_line(&line_of(&letter(&smtp, "Signing in", 4)));
    terminal.type_line("000000");
    write_code(&stage, &app, 1);
    terminal.type_line(&std::fs::read_to_string(stage.path().join("code")).expect("a code"));
    let (signed_in, seen) = terminal.end();
    assert!(signed_in && seen.contains("That code is not right"), "one line, and another try: {seen}");
    assert_eq!(three.field("Bank", "password"), "hunter2-correct");
}

#[test]
fn whoever_has_no_login_password_is_present_by_a_link() {
    let (stage, smtp) = with_mail();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    one.ok(&["account", "links", "on"]);
    one.ok(&["account", "login-password", "remove"]);

    // Nobody is asked for what there is not.
    age_sessions(&stage);
    let needed = one.failure(1, &["account", "approval", "on"]);
    let hint = needed["hint"].as_str().unwrap_or_default();
    assert!(["--browser", "--device-code", "--link"].iter().all(|way| hint.contains(way)), "{needed}");
    let seen = one.fails_on_terminal("account approval on", &[]);
    assert!(seen.contains("--link") && !seen.contains("password, since"), "{seen}");
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], false, "nothing was changed");

    let mut terminal = one.sit_down("account approval on --link");
    terminal.type_line(&line_of(&letter(&smtp, "Signing in", 1)));
    let (switched, seen) = terminal.end();
    assert!(switched && seen.contains("waits from now on"), "{seen}");
    one.ok(&["account", "approval", "off"]);

    // With a second factor it is asked for after the link, and a printed one does as well.
    let setup = one.json(&["account", "totp", "on"]);
    let app = Totp::from_url(setup["url"].as_str().expect("an address")).expect("one that apps know");
    stage.write("ticket", setup["ticket"].as_str().expect("a ticket"));
    write_code(&stage, &app, 0);
    one.json(&["account", "totp", "confirm", "--ticket-file", "ticket", "--code-file", "code"]);
    age_sessions(&stage);
    stage.write("link", &stage.administer(&["link", "--email", EMAIL]));
    write_code(&stage, &app, 1);
    let by_both = ["--link-file", "link", "--second-factor-file", "code"];
    one.json(&[&["account", "totp", "off"][..], &by_both].concat());
    assert_eq!(one.json(&["account", "ways"])["totp"], false);

    // The master password is changed by the same ways: there is no login password to hold it against.
    stage.write("new", "another velvet harbour maple");
    let change = ["change-master-password", "--old-password-file", "master", "--new-password-file", "new"];
    let needed = one.failure(2, &change);
    assert!(needed["hint"].as_str().is_some_and(|hint| hint.contains("--browser")), "{needed}");
    stage.write("link", &stage.administer(&["link", "--email", EMAIL]));
    one.ok(&[&change[..], &["--link-file", "link"]].concat());
    one.lock_for_good();
    one.ok(&["unlock", "--master-password-file", "new"]);
    one.ok(&["sync"]);
}

#[test]
fn a_link_does_not_stand_for_the_login_password_where_there_is_one() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = stage.device("one");
    one.sign_up();
    stage.write("new", "another velvet harbour maple");
    for command in [
        &["change-master-password", "--old-password-file", "master", "--new-password-file", "new"][..],
        &["account", "email", "change", "ada@new.example.org"],
    ] {
        stage.write("link", &stage.administer(&["link", "--email", EMAIL]));
        let needed = one.failure(1, &[command, &["--link-file", "link"]].concat());
        assert!(
            needed["message"].as_str().is_some_and(|message| message.contains("takes the login password")),
            "{needed}"
        );
    }
    assert_eq!(one.json(&["account", "email"])["email"], EMAIL);
    one.lock_for_good();
    one.unlock();
}

#[test]
fn a_link_that_the_operator_has_printed_signs_in_where_no_mail_is_sent() {
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.sign_up();
    let print = || stage.administer(&["link", "--email", EMAIL]);

    let seen = two.on_terminal(&login_by(&two, "--link"), &[print().trim()]);
    assert!(seen.contains("sends no letters") && seen.contains("etui-server admin link"), "{seen}");
    stage.write("link", &print());
    let from_file = login_by(&three, "--link-file link");
    let from_file: Vec<&str> = from_file.split(' ').collect();
    three.ok(&from_file);
    assert!(three.fails(1, &from_file).contains("Begin again"), "it counts once");
    three.ok(&["sync"]);
}

#[test]
fn much_memory_is_agreed_to_after_a_link_that_counts_once() {
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.ok(&[&one.credentials("signup")[..], &["--kdf", "m=262145,t=3"]].concat());
    one.add("Bank", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    let print = || stage.write("link", &stage.administer(&["link", "--email", EMAIL]));

    print();
    let by_link = login_by(&two, "--link-file link");
    let seen = two.fails_on_terminal(&by_link, &["n"]);
    assert!(seen.contains("takes 257 MiB of memory on this device"), "{seen}");
    assert!(seen.contains("--accept-kdf-memory"), "what to do next: {seen}");
    assert!(!two.home().join("device.json").exists(), "nothing is set up");
    print();
    let seen = two.on_terminal(&by_link, &["y"]);
    assert!(seen.contains("takes 257 MiB") && seen.contains("Signed in"), "{seen}");
    assert_eq!(two.field("Bank", "password"), "hunter2-correct");

    // A script says so beforehand: the link has counted by the time at which it could be asked.
    print();
    let by_link = login_by(&three, "--link-file link");
    let mut by_link: Vec<&str> = by_link.split(' ').collect();
    let refused = three.failure(2, &by_link);
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("--accept-kdf-memory")), "{refused}");
    by_link.push("--accept-kdf-memory");
    assert!(three.fails(1, &by_link).contains("Begin again"), "it counts once");
    print();
    three.ok(&by_link);
    assert_eq!(three.field("Bank", "password"), "hunter2-correct");
}

#[test]
fn a_recovery_kit_and_a_link_bring_somebody_back_who_knows_no_password() {
    let (stage, smtp) = with_mail();
    let _server = stage.serve();
    let [one, two, three] = ["one", "two", "three"].map(|name| stage.device(name));
    one.ok(&[&one.credentials("signup")[..], &["--kdf", "m=262145,t=3"]].concat());
    one.ok(&["account", "links", "on"]);
    one.add("Bank", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    let kit = one.json(&["recovery", "create"]);
    stage.write("kit", kit["code"].as_str().expect("a code"));
    stage.write("wrong-kit", "ETUIKIT1:AAAA");
    one.ok(&["recovery", "test", "--kit-file", "kit"]);
    stage.write("new", "another velvet harbour maple");
    let recover = |device: &Device, kit: &str, way: &str| {
        let arguments = &login_by(device, way)["login".len()..];
        format!("recovery use --kit-file {kit}{}", arguments.replace("-file master", "-file new"))
    };

    // What can be seen to be wrong beforehand costs no letter.
    two.fails_on_terminal(&recover(&two, "wrong-kit", "--link"), &[]);
    let no_terminal = recover(&two, "kit", "--link");
    let no_terminal = two.failure(2, &no_terminal.split(' ').collect::<Vec<_>>());
    assert!(no_terminal["hint"].as_str().is_some_and(|hint| hint.contains("--link-file")), "{no_terminal}");
    let mut terminal = two.sit_down(&recover(&two, "kit", "--link"));
    terminal.type_line(&line_of(&letter(&smtp, "Signing in", 1)));
    terminal.type_line("y");
    let (recovered, seen) = terminal.end();
    assert!(recovered && seen.contains("takes 257 MiB") && seen.contains("Welcome back"), "{seen}");
    assert_eq!(two.field("Bank", "password"), "hunter2-correct");

    // The new master password counts everywhere, and the kit goes on working: by a printed link, too.
    assert!(one.fails(1, &["sync"]).contains("signed out"));
    stage.write("link", &stage.administer(&["link", "--email", EMAIL]));
    let by_link = recover(&three, "kit", "--link-file link --accept-kdf-memory");
    three.ok(&by_link.split(' ').collect::<Vec<_>>());
    assert_eq!(three.field("Bank", "password"), "hunter2-correct");
    two.lock_for_good();
    two.ok(&["unlock", "--master-password-file", "new"]);
}

#[test]
fn another_address_is_confirmed_and_every_device_goes_on_with_it() {
    const NEW: &str = "ada@new.example.org";
    let (stage, smtp) = with_mail();
    let _server = stage.serve();
    let [one, two, three, stranger] = ["one", "two", "three", "stranger"].map(|name| stage.device(name));
    one.sign_up();
    two.log_in();
    three.log_in();
    assert_eq!(one.ok(&["account", "email"]).trim(), EMAIL);

    // The proof is made with the new address: only a password that was accepted a moment ago makes the right one.
    let change = ["account", "email", "change", NEW];
    let asks = one.failure(1, &change);
    assert!(asks["hint"].as_str().is_some_and(|hint| hint.contains("--login-password-file")), "{asks}");
    stage.write("wrong", "not the login password");
    let wrong = [&change[..], &["--login-password-file", "wrong"]].concat();
    assert!(one.fails(1, &wrong).contains("did not accept"));
    assert!(one.fails(2, &["account", "email", "confirm", "--line-file", "wrong"]).contains("none waits"));
    let asked = one.json(&[&change[..], &["--login-password-file", "login"]].concat());
    assert_eq!((&asked["confirmed"], &asked["expires_in_s"]), (&false.into(), &600.into()));
    assert_eq!(one.json(&["status"])["email"], EMAIL, "nothing has changed yet");
    let confirming = letter(&smtp, "Confirming", 1);
    assert_eq!(confirming.to, [NEW]);
    stage.write("line", &line_of(&confirming));
    let confirmed = one.json(&["account", "email", "confirm", "--line-file", "line"]);
    assert_eq!((&confirmed["email"], &confirmed["confirmed"]), (&NEW.into(), &true.into()));
    assert_eq!(one.json(&["status"])["email"], NEW);
    one.ok(&["sync"]);
    one.ok(&with_address(&one, NEW));

    // The others were signed out, and are still devices of this account: locked or not.
    assert!(two.fails(1, &["sync"]).contains("signed out"));
    assert!(
        two.failure(1, &two.credentials("login"))["message"].as_str().is_some_and(|it| it.contains("accept"))
    );
    two.ok(&with_address(&two, NEW));
    two.ok(&["sync"]);
    three.lock_for_good();
    three.ok(&with_address(&three, NEW));
    three.ok(&["sync"]);
    assert_eq!(three.json(&["status"])["email"], NEW);

    // Another account at the same server is still another account, with the right password for it.
    stranger.ok(&with_address_of(&stranger, "signup", "eve@example.org"));
    let said = two.failure(1, &with_address(&two, "eve@example.org"));
    assert!(said["message"].as_str().is_some_and(|it| it.contains(&format!("account is {NEW}"))), "{said}");
    two.ok(&["sync"]);
    assert_eq!(stranger.json(&["devices"]).as_array().map(Vec::len), Some(1), "it was not left there");

    // On a terminal the line is asked for at once.
    let mut terminal = one.sit_down("account email change ada@third.example.org --login-password-file login");
    terminal.type_line(&line_of(&letter(&smtp, "Confirming", 2)));
    let (changed, seen) = terminal.end();
    assert!(changed && seen.contains("ada@third.example.org names the account"), "{seen}");
    one.ok(&["sync"]);
}

#[test]
fn another_address_counts_at_once_where_no_mail_is_sent() {
    const NEW: &str = "ada@new.example.org";
    let stage = Stage::new();
    let _server = stage.serve();
    let [one, two, eve] = ["one", "two", "eve"].map(|name| stage.device(name));
    one.sign_up();
    eve.ok(&with_address_of(&eve, "signup", "eve@example.org"));
    let change = |address| ["account", "email", "change", address, "--login-password-file", "login"];
    assert!(one.fails(1, &change("eve@example.org")).contains("account"), "somebody else has it");
    one.fails(2, &change("no address"));
    assert_eq!(one.json(&["account", "email"])["email"], EMAIL);
    assert_eq!(one.json(&change(NEW))["confirmed"], true);
    two.ok(&with_address(&two, NEW));
    assert_eq!(two.json(&["account", "email"])["email"], NEW);
    // What only somebody who is present may do is done with the new address, too.
    age_sessions(&stage);
    one.json(&["account", "approval", "on", "--login-password-file", "login"]);
}

/// A stage whose server sends letters, and where they arrive.
fn with_mail() -> (Stage, Smtp) {
    let (stage, smtp) = (Stage::new(), Smtp::start().expect("a mail server"));
    stage.set(&format!("mail_server = '{}'\nmail_from = 'etui@example.org'\n", smtp.address()));
    (stage, smtp)
}

/// The so many-th letter about something, once it is there.
fn letter(smtp: &Smtp, about: &str, number: usize) -> Received {
    let mut arrived = 0;
    loop {
        let letters = smtp.wait_for(arrived + 1).expect("a letter");
        arrived = letters.len();
        let mut about_it = letters.into_iter().filter(|letter| letter.subject.starts_with(about));
        if let Some(letter) = about_it.nth(number - 1) {
            return letter;
        }
    }
}

/// The line of a letter that is to be copied.
fn line_of(letter: &Received) -> String {
    letter.text.lines().find_map(|line| line.strip_prefix("    ")).expect("a line to copy").to_owned()
}

fn login_by(device: &Device, way: &str) -> String {
    let account = [&device.credentials("login")[..5], &["--master-password-file", "master"]].concat();
    format!("{} {way}", account.join(" "))
}

fn with_address<'a>(device: &'a Device, address: &'a str) -> [&'a str; 9] {
    with_address_of(device, "login", address)
}

fn with_address_of<'a>(device: &'a Device, verb: &'a str, address: &'a str) -> [&'a str; 9] {
    let mut arguments = device.credentials(verb);
    arguments[4] = address;
    arguments
}

/// What the app shows so many steps from now; one ahead counts already.
fn write_code(stage: &Stage, app: &Totp, steps: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    stage.write("code", &app.generate(now + steps * app.step()).to_string());
}
