//! Everything held is taken along, whatever happens on the way: whole or not at all, and a word on what to do.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use etui_testkit::{
    Device, Stage,
    evil::{Ending, Mutation, Subject},
};
use serde_json::Value;

const BEGIN: &str = "/v1/account/exports";
const FETCH: &str = "/v1/account/exports/fetch";
const DOWNLOAD: [&str; 4] = ["account", "download", "--to", "everything.jsonl"];
/// Room for a store, and soon filled.
const DISK_KIB: u32 = 4096;

#[test]
fn a_link_that_has_expired_is_asked_for_once_more() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = device_with_an_entry(&stage);
    let expiring = one.wire().tell(expires(&stage, 1));
    one.json(&DOWNLOAD);
    assert_eq!((asked(&one, BEGIN), asked(&one, FETCH)), (2, 2));
    drop(expiring);

    fs::remove_file(stage.path().join("everything.jsonl")).expect("it was there");
    let _expiring = one.wire().tell(expires(&stage, usize::MAX));
    let error = one.failure(1, &DOWNLOAD);
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("expired") && message.ends_with("Begin again."), "{error}");
    assert_eq!((asked(&one, BEGIN), asked(&one, FETCH)), (4, 4), "once more, and not for ever");
    assert_eq!(files_of_it(stage.path()), Vec::<String>::new());
}

#[test]
fn a_connection_that_breaks_in_the_middle_leaves_nothing_half() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = device_with_an_entry(&stage);
    let breaking = one.wire().tell(half_of_it(Ending::BreaksOff));
    let error = one.failure(6, &DOWNLOAD);
    assert_eq!(breaking.times(), 1);
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("broke off") && message.contains("nothing is lost"), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("run it again")), "{error}");
    assert_eq!(files_of_it(stage.path()), Vec::<String>::new());
    drop(breaking);

    // A proxy that ends in the middle as though that were the end is found out by the last line.
    let cutting = one.wire().tell(half_of_it(Ending::Whole));
    let error = one.failure(5, &DOWNLOAD);
    assert!(error["message"].as_str().is_some_and(|message| message.contains("cut short")), "{error}");
    assert_eq!(files_of_it(stage.path()), Vec::<String>::new());
    drop(cutting);
    one.json(&DOWNLOAD);
}

#[test]
fn a_file_that_is_there_is_not_replaced_and_nothing_is_asked_for_it() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = device_with_an_entry(&stage);
    stage.write("everything.jsonl", "somebody's own");
    let error = one.failure(2, &DOWNLOAD);
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("everything.jsonl is there already"), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("not there yet")), "{error}");
    assert_eq!(asked(&one, BEGIN), 0);
    assert_eq!(fs::read_to_string(stage.path().join("everything.jsonl")).expect("a file"), "somebody's own");
    let nowhere = one.failure(2, &["account", "download", "--to", "no-such-folder/everything.jsonl"]);
    let message = nowhere["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("there is no folder") && message.ends_with("no-such-folder"), "{nowhere}");
    assert!(nowhere["hint"].as_str().is_some_and(|hint| hint.contains("make it first")), "{nowhere}");
}

#[test]
fn a_download_that_has_no_room_leaves_nothing_half() {
    let stage = Stage::new();
    let _server = stage.serve();
    let disk = Arc::new(stage.small_disk("disk", DISK_KIB));
    let one = stage.device_on(&disk);
    one.sign_up();
    one.add("Bank", "ada", "a-password");
    one.ok(&["sync"]);
    let before = one.contents();
    let file = disk.path().join("everything.jsonl");
    let download = ["account", "download", "--to", file.to_str().expect("a path of text")];

    disk.fill();
    let error = one.failure(1, &download);
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("the disk is full") && hint.contains("nothing that was saved is lost"), "{error}");
    assert_eq!(files_of_it(&disk.outside("")), Vec::<String>::new());
    assert_eq!(one.contents(), before);
    disk.free();
    one.json(&download);
    assert_eq!(files_of_it(&disk.outside("")), ["everything.jsonl"]);
}

#[test]
fn a_kill_in_the_middle_leaves_no_file_of_that_name() {
    let stage = Stage::new();
    let _server = stage.serve();
    let one = device_with_an_entry(&stage);
    let stalling = one.wire().tell(half_of_it(Ending::Stalls));
    let waiting = one.start_with(&[&DOWNLOAD[..], &["--json"]].concat(), "");
    while stalling.times() == 0 {
        std::thread::yield_now();
    }
    one.kill_agent();
    let output = waiting.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3), "its agent is gone");
    let error: Value = serde_json::from_slice(&output.stderr).expect("a failure is JSON");
    assert_eq!(error["error"]["hint"], "run `etui unlock`");
    assert!(!files_of_it(stage.path()).contains(&"everything.jsonl".to_owned()));
    drop(stalling);

    one.unlock();
    one.json(&DOWNLOAD);
    assert_eq!(files_of_it(stage.path()), ["everything.jsonl"], "what was left of the first try is gone");
    assert_eq!(one.field("Bank", "password"), "a-password");
}

fn device_with_an_entry(stage: &Stage) -> Device {
    let one = stage.device("one");
    one.sign_up();
    one.add("Bank", "ada", "a-password");
    one.ok(&["sync"]);
    one
}

/// The names of what is there of the file, whole or half.
fn files_of_it(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").map(|item| item.expect("an item").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("everything")).collect()
}

fn asked(device: &Device, path: &str) -> usize {
    device
        .wire()
        .traffic()
        .iter()
        .filter(|exchange| exchange.method == "POST" && exchange.path == path)
        .count()
}

/// Has the first so many files expire before they are fetched, as where the machine slept meanwhile.
fn expires(stage: &Stage, times: usize) -> Mutation {
    let (database, made) = (stage.data().join("etui.db"), AtomicUsize::new(0));
    Mutation::new("what was made expires", is_upload, move |question, answer| {
        if question.path == BEGIN && made.fetch_add(1, Ordering::SeqCst) < times {
            let database = rusqlite::Connection::open(&database).expect("the server's database");
            let update = "UPDATE data_export SET expires_ms = 1";
            assert_eq!(database.execute(update, []).expect("an update"), 1);
        }
        answer
    })
}

/// Has no more than half of the file arrive.
fn half_of_it(ending: Ending) -> Mutation {
    Mutation::new("half of the file", is_upload, move |question, mut answer| {
        if question.path == FETCH {
            answer.body.truncate(answer.body.len() / 2);
            answer.ending = ending;
        }
        answer
    })
}

fn is_upload(subject: Subject) -> bool {
    subject == Subject::Upload
}
