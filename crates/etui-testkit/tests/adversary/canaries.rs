//! Nothing secret lies anywhere or passes anywhere: data folder, or database and bucket; log, traffic, devices' folders,
//! temporary folder.

use std::fs;

use etui_api::frame::Frame;
use etui_testkit::{
    EMAIL, Exchange, LOGIN_PASSWORD, MASTER_PASSWORD, Stage,
    canary::{Canary, files, leak},
    kept_outside,
};
use memchr::memmem;

use crate::keys::{Keys, frames};

/// As long as it takes for a record to lie in an object store and not in a row.
const LONG_NOTE: usize = 40_000;

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
    stage.write("secret", &"canary-note-Lw2 ".repeat(LONG_NOTE / 16));
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
    what_was_sent_was_searched(&stage, &one.wire().traffic());
    for device in [&one, &two] {
        nothing_passed(&device.wire().traffic(), &canaries);
    }
    let log = fs::read_to_string(stage.path().join("server.log")).expect("a log");
    assert!(!log.contains(EMAIL), "the log holds no e-mail address");
}

fn nothing_lies_in(stage: &Stage, canaries: &[Canary]) {
    let all = everything(stage);
    for (name, bytes) in &all {
        assert_eq!(leak(canaries, bytes), None, "{name}");
        assert_eq!(leak(canaries, name.as_bytes()), None, "{name}");
    }
    for expected in ["server.log", "one/vault.db", "two/vault.db", "one/device.json", "backup.etui"] {
        assert!(all.iter().any(|(name, _)| name.ends_with(expected)), "{expected} was searched");
    }
}

/// What the server must have is there: so nothing was searched in vain.
fn what_was_sent_was_searched(stage: &Stage, traffic: &[Exchange]) {
    let kept: Vec<_> = everything(stage).into_iter().filter(|(name, _)| is_of_server(stage, name)).collect();
    let places_of = |bytes: &[u8]| {
        kept.iter()
            .filter(|(_, held)| memmem::find(held, bytes).is_some())
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_ne!(places_of(EMAIL.as_bytes()), [""; 0], "the address of the account, which the server can read");
    let sent = frames(traffic).into_iter().filter_map(|frame| match frame {
        Frame::Record(record) => Some(places_of(&record)),
        _ => None,
    });
    let places: Vec<_> = sent.collect();
    assert!(places.len() > 3, "records were sent");
    assert!(places.iter().all(|places| !places.is_empty()), "each record that was sent lies somewhere");
    let segments = places.concat().iter().filter(|name| name.contains("segments/")).count();
    assert!(segments > 0, "a long record lies in the object store");
}

/// Everything by name: files of all folders; tables and objects, where the server keeps its data in those.
fn everything(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let files = files(stage.path()).into_iter().map(|(path, bytes)| (path.display().to_string(), bytes));
    files.chain(kept_outside(stage)).collect()
}

fn is_of_server(stage: &Stage, name: &str) -> bool {
    let folder = stage.path().display().to_string();
    !name.starts_with(&folder) || name.starts_with(&stage.data().display().to_string())
}

fn nothing_passed(traffic: &[Exchange], canaries: &[Canary]) {
    assert!(traffic.len() > 3, "the traffic was recorded");
    for exchange in traffic {
        for bytes in [exchange.sent(), exchange.received()] {
            assert_eq!(leak(canaries, &bytes), None, "{} {}", exchange.method, exchange.path);
        }
    }
}

/// On services alone: elsewhere there is no such place.
#[cfg(feature = "services-tests")]
#[test]
fn what_leaks_into_any_table_or_large_object_is_found_as_bytes() {
    let stage = Stage::new();
    let canaries = [Canary::text("a leak", TEXTS[0])];
    let hex = data_encoding::HEXLOWER.encode(TEXTS[0].as_bytes());
    for (place, statement) in [
        ("table public.leak", format!("CREATE TABLE leak AS SELECT '\\x{hex}'::bytea AS bytes")),
        (
            "table elsewhere.leak",
            format!(
                "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.leak AS SELECT '\\x{hex}'::bytea AS bytes"
            ),
        ),
        ("large object 7001", format!("SELECT lo_from_bytea(7001, '\\x{hex}')")),
    ] {
        execute(&stage, &statement);
        let kept = kept_outside(&stage);
        let (_, bytes) = kept.iter().find(|(name, _)| name == place).expect("the place was read");
        assert_eq!(leak(&canaries, bytes).map(|leak| leak.form).as_deref(), Some("raw"), "{place}");
    }
}

#[cfg(feature = "services-tests")]
fn execute(stage: &Stage, statement: &str) {
    use sea_orm::ConnectionTrait as _;

    let url = fs::read_to_string(stage.path().join("database-url")).expect("the database's URL");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let database = sea_orm::Database::connect(url.trim()).await.expect("PostgreSQL answers");
        database.execute_unprepared(statement).await.expect("it is done");
        database.close().await.expect("it ends");
    });
}
