//! Disks that are full and folders that cannot be written: a clear word, nothing lost, and work goes on afterwards.

use std::{fs, sync::Arc};

use etui_testkit::{Device, Stage, disk::SmallDisk};
use serde_json::Value;

/// Room for a store or a server's data, and soon filled.
const DISK_KIB: u32 = 4096;

#[test]
fn on_a_full_disk_nothing_is_saved_and_nothing_lost() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    device.sign_up();
    let kept = device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    let before = device.contents();

    disk.fill();
    let add = ["add", "login", "--title", "Lost", "--password-file", "login"];
    says_that_the_disk_is_full(&device.failure(1, &add));
    says_that_the_disk_is_full(&device.failure(1, &["edit", &kept, "--set", "username=lost"]));
    says_that_the_disk_is_full(&device.failure(1, &["rm", &kept]));
    assert_eq!(device.contents(), before, "all that was saved can be read, and nothing else");
    assert_eq!(device.unsent(), 0);

    disk.free();
    let added = device.add("Added", "ada", "added-password");
    device.ok(&["edit", &kept, "--set", "username=ada2"]);
    device.ok(&["sync"]);
    let second = stage.device("second");
    second.log_in();
    assert_eq!(second.contents(), device.contents());
    assert_eq!(second.field(&added, "password"), "added-password");
    assert_eq!(second.field(&kept, "username"), "ada2");
    assert_eq!(second.json(&["search", "Lost"]), Value::Array(Vec::new()));
}

#[test]
fn a_full_disk_is_unlocked_and_read() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    device.sign_up();
    device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    let before = device.contents();
    device.ok(&["lock"]);
    disk.fill();
    device.unlock();
    assert_eq!(device.contents(), before);
    device.ok(&["lock"]);
    disk.free();
    device.unlock();
    device.add("Added", "ada", "added-password");
}

#[test]
fn a_backup_that_has_no_room_leaves_the_one_before() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    device.sign_up();
    device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    let file = disk.path().join("backup.etui");
    let to = file.to_str().expect("a path of text");
    device.ok(&["export", "--to", to]);
    let before = fs::read(disk.outside("backup.etui")).expect("it was written");

    disk.fill();
    says_that_the_disk_is_full(&device.failure(1, &["export", "--to", to]));
    assert_eq!(fs::read(disk.outside("backup.etui")).expect("it is there"), before);
    let left_over = fs::read_dir(disk.outside("")).expect("a folder").filter(|item| {
        let name = item.as_ref().expect("an item").file_name();
        name.to_string_lossy().starts_with("backup.")
    });
    assert_eq!(left_over.count(), 1, "what could not be finished takes no room");
    disk.free();
    device.ok(&["export", "--to", to]);
    device.ok(&["backup", "verify", to]);
}

#[test]
fn an_account_made_on_a_full_disk_is_reached_by_signing_in() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    disk.fill();
    says_that_the_disk_is_full(&device.failure(1, &device.credentials("signup")));
    disk.free();
    let taken = device.failure(1, &device.credentials("signup"));
    assert_eq!(taken["hint"], "sign in with `etui login`");
    device.log_in();
    device.add("Added", "ada", "added-password");
    device.ok(&["sync"]);
}

#[test]
fn a_master_password_is_not_changed_half_on_a_full_disk() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    device.sign_up();
    device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    stage.write("new", "another velvet harbour maple");
    disk.fill();
    let change = Device::change_of_master_password("master", "new");
    says_that_the_disk_is_full(&device.failure(1, &change));
    device.ok(&["lock"]);
    disk.free();
    device.unlock();
    device.ok(&change);
    device.ok(&["lock"]);
    device.ok(&["unlock", "--master-password-file", "new"]);
    assert_eq!(device.field("Kept", "password"), "kept-password");
}

#[test]
fn a_folder_that_cannot_be_written_says_so_and_loses_nothing() {
    let stage = Stage::new();
    let _server = stage.serve();
    let (device, disk) = device_on_small_disk(&stage);
    disk.make_read_only();
    says_that_nothing_can_be_written(&device.failure(1, &device.credentials("signup")));
    disk.make_writable();
    device.sign_up();
    device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    let before = device.contents();
    device.lock_for_good();

    disk.make_read_only();
    says_that_nothing_can_be_written(&device.failure(1, &["unlock", "--master-password-file", "master"]));
    assert_eq!(device.json(&["status"])["unlocked"], false);
    disk.make_writable();
    device.unlock();
    assert_eq!(device.contents(), before);
    device.add("Added", "ada", "added-password");
}

#[test]
fn a_full_server_stores_nothing_and_goes_on() {
    let stage = Stage::new();
    let disk = Arc::new(stage.small_disk("server-disk", DISK_KIB));
    let server = stage.serve_on(&disk);
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    one.add("Kept", "ada", "kept-password");
    one.ok(&["sync"]);
    two.log_in();

    disk.fill();
    let added = one.add("Added", "ada", "added-password");
    // Several times, as its background does too: each failure may leave something behind in the server.
    for _ in 0..5 {
        let error = one.failure(1, &["sync"]);
        assert_eq!(
            error["message"],
            "the server answered: The server's storage is full; nothing was stored."
        );
        assert_eq!(error["hint"], "tell whoever runs the server; your changes stay on this device");
    }
    let refused = one.wire().traffic().into_iter().rfind(|exchange| exchange.status == 507);
    assert!(String::from_utf8_lossy(&refused.expect("it was refused").answer_body).contains("storage_full"));
    assert_eq!(one.unsent(), 1);
    assert_eq!(one.field(&added, "password"), "added-password");
    two.ok(&["sync"]);
    assert_eq!(two.contents()["entries"].as_array().map(Vec::len), Some(1), "what is there can be had");

    disk.free();
    one.ok(&["sync"]);
    two.ok(&["sync"]);
    assert_eq!(two.field(&added, "password"), "added-password");
    drop(server);
    let _server = stage.serve_on(&disk);
    let three = stage.device("three");
    three.log_in();
    assert_eq!(three.field(&added, "password"), "added-password", "what was confirmed survives a kill");
}

#[test]
fn a_server_that_cannot_write_its_folder_does_not_start() {
    let stage = Stage::new();
    let disk = stage.small_disk("server-disk", DISK_KIB);
    drop(stage.serve_on(&disk));
    disk.make_read_only();
    let said = stage.fails_to_serve_on(&disk);
    assert!(said.contains("make it writable for this user, or choose another with --data"), "{said}");
    disk.make_writable();
    drop(stage.serve_on(&disk));
}

fn device_on_small_disk(stage: &Stage) -> (Device, Arc<SmallDisk>) {
    let disk = Arc::new(stage.small_disk("disk", DISK_KIB));
    (stage.device_on(&disk), disk)
}

fn says_that_the_disk_is_full(error: &Value) {
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("the disk is full: free some space"), "{error}");
    assert!(hint.contains("nothing that was saved is lost"), "{error}");
}

fn says_that_nothing_can_be_written(error: &Value) {
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("make the folder or its disk writable"), "{error}");
    assert!(hint.contains("nothing that was saved is lost"), "{error}");
}
