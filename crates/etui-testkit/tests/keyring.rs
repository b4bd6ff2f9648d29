//! Keys at rest, with a real keyring and without one.

use std::{fs, path::Path};

use etui_chain::{Commit, State};
use etui_crypto::{CheckedKdf, MasterPassword, derive_master_key};
use etui_testkit::{Device, Keyring, KeyringItem, LOGIN_PASSWORD, MASTER_PASSWORD, Stage, copy_folder};
use rusqlite::Connection;

const NEW_PASSWORD: &str = "another velvet harbour maple";

#[test]
fn a_keyring_keeps_the_key_of_the_store_and_the_pins_and_nothing_else() {
    let stage = Stage::new();
    let _server = stage.serve();
    let keyring = Keyring::start(&stage);
    let one = stage.device_with(&keyring, "one");
    one.sign_up();
    one.add("Bank", "ada", "canary-password-Zt9");
    one.ok(&["sync"]);
    assert_eq!(one.json(&["status"])["store_opens_with"], "keyring");
    one.ok(&["lock"]);

    let items = keyring.items();
    let mut names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    let id = device_id(&one);
    assert_eq!(names, [format!("pins/{id}"), format!("store-key/{id}")]);
    let store_key = secret(&items, "store-key/");
    let store = open(one.home(), store_key).expect("the keyring's key opens the store");
    assert_eq!(secret(&items, "pins/"), pins(&store), "every byte is accounted for, and public");
    // Who has both still reads no entry.
    let content = content(&store);
    for canary in ["Bank", "canary-host", "canary-password-Zt9", MASTER_PASSWORD, LOGIN_PASSWORD] {
        assert!(!content.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }

    // Neither the plain file nor the master password leads to the store's key.
    let newest = newest_state(&store);
    let plain = fs::read_to_string(one.home().join("device.json")).expect("a file");
    let salt = data_encoding::HEXLOWER.encode(&newest.kdf.salt);
    assert!(!plain.contains("record") && !plain.contains(&salt), "no keyset beside the store: {plain}");
    let checked = CheckedKdf::new(newest.kdf, None).expect("a derivation");
    let password = MasterPassword::new(MASTER_PASSWORD).expect("a password");
    let master_key = derive_master_key(&password, None, &checked, newest.account_id).expect("a key");
    let derived = master_key.local_store_key(id.parse().expect("an id"));
    assert!(open(one.home(), derived.expose()).is_none(), "the derived key does not open it");
    for item in &items {
        for canary in [MASTER_PASSWORD, LOGIN_PASSWORD, "canary-password-Zt9"] {
            assert!(!item.secret.windows(canary.len()).any(|window| window == canary.as_bytes()));
        }
    }

    // The agent takes the store for itself alone.
    drop(store);
    one.fails(1, &["unlock", "--master-password-file", "login"]);
    one.unlock();
    assert_eq!(one.field("Bank", "password"), "canary-password-Zt9");
    one.ok(&["sync"]);
    assert!(one.ok(&["logout"]).contains("Nothing of the account is left in this folder"));
    assert!(keyring.items().is_empty(), "who leaves leaves nothing");
}

#[test]
fn an_older_copy_of_the_folder_is_noticed_and_nothing_is_lost() {
    let stage = Stage::new();
    let _server = stage.serve();
    let keyring = Keyring::start(&stage);
    let one = stage.device_with(&keyring, "one");
    one.sign_up();
    one.add("Before", "ada", "before-the-copy");
    one.ok(&["sync"]);
    one.ok(&["lock"]);
    let copy = stage.path().join("copy");
    copy_folder(one.home(), &copy);
    one.unlock();
    one.add("After", "ada", "after-the-copy");
    one.ok(&["sync"]);
    one.ok(&["lock"]);

    // Ahead of the pin, as after a power cut between the two: accepted.
    let pins = secret(&keyring.items(), "pins/").to_vec();
    one.unlock();
    one.ok(&["lock"]);
    assert_eq!(secret(&keyring.items(), "pins/"), pins, "nothing has changed since");

    let newer = stage.path().join("newer");
    fs::rename(one.home(), &newer).expect("the newer folder goes");
    fs::rename(&copy, one.home()).expect("the older copy comes back");
    let store_key = secret(&keyring.items(), "store-key/").to_vec();
    let content_now = || content(&open(one.home(), &store_key).expect("the older copy opens"));
    let before = content_now();
    let said = one.fails(5, &["unlock", "--master-password-file", "master", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(error["error"]["refusal"], "local_rollback", "{said}");
    let message = error["error"].to_string();
    assert!(message.contains("older copy") && message.contains("etui login --anew"), "{message}");
    assert_eq!(secret(&keyring.items(), "pins/"), pins, "a refusal changes nothing");
    assert_eq!(content_now(), before, "a refusal changes nothing");

    let mut anew = one.credentials("login").to_vec();
    anew.push("--anew");
    one.ok(&anew);
    assert_eq!(one.field("After", "password"), "after-the-copy");
    let aside = set_aside(one.home()).expect("the older copy is put aside");
    assert!(aside.join("vault.db").is_file() && aside.join("device.json").is_file());

    // The newer folder, put back, opens too: its key and pins are still in the keyring.
    let two = stage.device_with(&keyring, "newer");
    two.unlock();
    assert_eq!(two.field("After", "password"), "after-the-copy");

    let said = one.ok(&["logout"]);
    assert!(
        !said.contains("Nothing of the account") && said.contains(&aside.display().to_string()),
        "{said}"
    );
    assert!(aside.join("vault.db").is_file(), "nobody said that it should go");
}

#[test]
fn a_store_ahead_of_the_pin_is_accepted_and_the_pin_moves_up() {
    let stage = Stage::new();
    let _server = stage.serve();
    let mut keyring = Keyring::start(&stage);
    let one = stage.device_with(&keyring, "one");
    one.sign_up();
    one.ok(&["sync"]);
    // The keyring closes while the agent is at work: what is saved is saved, and the pin stays behind.
    keyring.lock();
    one.add("Bank", "ada", "kept-anyway");
    one.ok(&["sync"]);
    one.ok(&["lock"]);
    keyring.restart();
    let behind = secret(&keyring.items(), "pins/").to_vec();
    one.unlock();
    assert_eq!(one.field("Bank", "password"), "kept-anyway");
    one.ok(&["lock"]);
    assert_ne!(secret(&keyring.items(), "pins/"), behind, "moved up");
}

#[test]
fn a_keyring_that_is_locked_away_or_emptied_is_said_clearly_and_there_is_a_way_out() {
    let stage = Stage::new();
    let _server = stage.serve();
    let mut keyring = Keyring::start(&stage);
    let one = stage.device_with(&keyring, "one");
    one.sign_up();
    one.add("Bank", "ada", "still-on-the-server");
    one.ok(&["sync"]);
    one.ok(&["lock"]);
    let unlock = ["unlock", "--master-password-file", "master"];

    keyring.lock();
    let said = one.fails(1, &unlock);
    assert!(said.contains("the keyring is locked"), "{said}");
    keyring.restart();
    one.unlock();
    one.ok(&["lock"]);

    let elsewhere = stage.device("one");
    let said = elsewhere.fails(1, &unlock);
    assert!(said.contains("no keyring can be reached") && said.contains("--no-keyring"), "{said}");
    let doctor = elsewhere.run(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout);
    assert!(found.contains("no keyring can be reached") && !doctor.status.success(), "{found}");

    // A lost pin leaves nothing to hold the store against, and is made anew.
    keyring.delete("pins/");
    one.unlock();
    one.ok(&["lock"]);
    assert_eq!(keyring.items().len(), 2);

    keyring.delete("store-key/");
    let said = one.fails(1, &unlock);
    assert!(said.contains("no longer holds the key") && said.contains("etui login --anew"), "{said}");
    let mut anew = one.credentials("login").to_vec();
    anew.push("--anew");
    one.ok(&anew);
    assert_eq!(one.field("Bank", "password"), "still-on-the-server");
    assert!(
        set_aside(one.home()).is_some_and(|aside| aside.join("vault.db").is_file()),
        "nothing is deleted"
    );
}

#[test]
fn without_a_keyring_the_master_password_opens_the_store_and_the_screen_says_so() {
    let stage = Stage::new();
    let _server = stage.serve();
    let keyring = Keyring::start(&stage);
    let (headless, unwilling) = (stage.device("headless"), stage.device_with(&keyring, "unwilling"));
    let signed_up = headless.run(&headless.credentials("signup"));
    let said = String::from_utf8_lossy(&signed_up.stderr);
    assert!(said.contains("The master password opens the store on this device"), "{said}");
    let mut without = unwilling.credentials("login").to_vec();
    without.push("--no-keyring");
    unwilling.ok(&without);
    assert!(keyring.items().is_empty());
    let store = headless.home().join("vault.db");
    headless.ok(&["lock"]);
    fs::rename(&store, stage.path().join("moved")).expect("the store goes");
    let said = headless.fails(1, &["unlock", "--master-password-file", "master"]);
    assert!(said.contains("not in its folder") && !store.exists(), "{said}");
    fs::rename(stage.path().join("moved"), &store).expect("the store comes back");
    headless.unlock();
    for device in [&headless, &unwilling] {
        assert_eq!(device.json(&["status"])["store_opens_with"], "master_password");
        assert!(device.ok(&["status"]).contains("opens with the master password last used on this device"));
        device.ok(&["lock"]);
        assert!(device.ok(&["status"]).contains("opens with the master password last used on this device"));
        device.unlock();
    }
    assert!(unwilling.ok(&["doctor"]).contains("not used, as chosen"));
}

#[test]
fn a_master_password_changed_elsewhere_is_taken_up_once_the_one_before_was_given_too() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    two.log_in();
    one.ok(&["sync"]);
    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    one.change_master_password("master", "new");
    assert_eq!(one.json(&["status"])["store_opens_with"], "master_password");

    let unsent = two.add("Forum", "ada", "saved-in-between");
    two.log_in_again();
    assert_eq!(two.json(&["status"])["store_opens_with"], "former_master_password");
    assert!(two.ok(&["status"]).contains("The master password was changed on another device"));
    two.ok(&["lock"]);

    let said = two.fails(2, &["unlock", "--master-password-file", "new"]);
    assert!(said.contains("the one before is needed once more"), "{said}");
    two.unlock();
    assert!(two.ok(&["status"]).contains("The master password was changed on another device"));
    two.ok(&["lock"]);
    two.fails(1, &["unlock", "--master-password-file", "new", "--old-master-password-file", "login"]);
    // A person is asked, on a terminal.
    let said = two.on_terminal("unlock", &[NEW_PASSWORD, MASTER_PASSWORD]);
    assert!(said.contains("Master password used on this device before"), "{said}");
    assert_eq!(two.field(&unsent, "password"), "saved-in-between");
    assert_eq!(two.json(&["status"])["store_opens_with"], "master_password");
    two.ok(&["lock"]);
    two.fails(1, &["unlock", "--master-password-file", "master"]);
    two.ok(&["unlock", "--master-password-file", "new"]);
}

#[test]
fn with_a_keyring_the_new_master_password_opens_as_soon_as_the_device_has_heard_of_it() {
    let stage = Stage::new();
    let _server = stage.serve();
    let keyring = Keyring::start(&stage);
    let (one, two) = (stage.device_with(&keyring, "one"), stage.device_with(&keyring, "two"));
    one.sign_up();
    two.log_in();
    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    one.ok(&["sync"]);
    one.change_master_password("master", "new");
    two.log_in_again();
    for device in [&one, &two] {
        assert_eq!(device.json(&["status"])["store_opens_with"], "keyring");
        device.ok(&["lock"]);
        device.fails(1, &["unlock", "--master-password-file", "master"]);
        device.ok(&["unlock", "--master-password-file", "new"]);
    }
}

#[test]
fn a_recovery_kit_leads_back_onto_a_device_with_a_keyring() {
    let stage = Stage::new();
    let _server = stage.serve();
    let keyring = Keyring::start(&stage);
    let (one, two) = (stage.device("one"), stage.device_with(&keyring, "two"));
    one.sign_up();
    one.add("Bank", "ada", "found-again");
    one.ok(&["sync"]);
    let kit = one.json(&["recovery", "create"]);
    fs::write(stage.path().join("kit"), kit["code"].as_str().expect("a code")).expect("a file");
    fs::write(stage.path().join("new"), NEW_PASSWORD).expect("a file");
    one.ok(&["recovery", "test", "--kit-file", "kit"]);
    let mut arguments = vec!["recovery", "use", "--kit-file", "kit"];
    let credentials = two.credentials("login");
    arguments.extend(&credentials[1..8]);
    arguments.push("new");
    two.ok(&arguments);
    two.ok(&["lock"]);
    assert_eq!(two.json(&["status"])["store_opens_with"], "keyring");
    two.fails(1, &["unlock", "--master-password-file", "master"]);
    two.ok(&["unlock", "--master-password-file", "new"]);
    assert_eq!(two.field("Bank", "password"), "found-again");
}

fn device_id(device: &Device) -> String {
    device.json(&["status"])["device_id"].as_str().expect("an id").to_owned()
}

fn secret<'a>(items: &'a [KeyringItem], name: &str) -> &'a [u8] {
    let found = items.iter().find(|item| item.name.starts_with(name));
    &found.unwrap_or_else(|| panic!("{name} is in the keyring")).secret
}

fn open(home: &Path, key: &[u8]) -> Option<Connection> {
    let store = Connection::open(home.join("vault.db")).expect("a file");
    let key = data_encoding::HEXLOWER.encode(key);
    store.execute_batch(&format!("PRAGMA key = \"x'{key}'\"")).expect("a key");
    store.query_row("SELECT count(*) FROM states", [], |_| Ok(())).ok().map(|()| store)
}

/// Everything that the store holds, table by table.
fn content(store: &Connection) -> Vec<u8> {
    let mut content = Vec::new();
    for table in ["meta", "states", "named_records", "commits", "objects", "outbox", "in_flight", "put_aside"]
    {
        let mut rows = store.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).expect("a table");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                content.extend(format!("{:?} ", row.get_ref(column).expect("a value").data_type()).bytes());
                if let Ok(bytes) = row.get_ref(column).expect("a value").as_bytes() {
                    content.extend(bytes);
                }
            }
        }
    }
    content
}

fn newest_state(store: &Connection) -> State {
    let newest = "SELECT bytes FROM states ORDER BY version DESC LIMIT 1";
    let bytes: Vec<u8> = store.query_row(newest, [], |row| row.get(0)).expect("a state");
    State::parse(&bytes).expect("a state")
}

/// The pins by `spec/crypto.md`, "Local store".
fn pins(store: &Connection) -> Vec<u8> {
    let state = newest_state(store);
    let mut pins = [&b"ETP1"[..], &state.version.to_be_bytes(), state.hash().as_bytes()].concat();
    for vault in &state.vaults {
        let newest = "SELECT bytes FROM commits WHERE vault = ?1 ORDER BY seq DESC LIMIT 1";
        let bytes: Vec<u8> =
            store.query_row(newest, [vault.id.as_bytes()], |row| row.get(0)).expect("a commit");
        let commit = Commit::parse(&bytes).expect("a commit");
        pins.extend([&vault.id.as_bytes()[..], &commit.seq.to_be_bytes(), commit.hash().as_bytes()].concat());
    }
    pins
}

fn set_aside(home: &Path) -> Option<std::path::PathBuf> {
    let mut items = fs::read_dir(home).expect("a folder").map(|item| item.expect("an item").path());
    items.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("set-aside-")))
}
