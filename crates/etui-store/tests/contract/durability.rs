//! What is there after a restart, a full disk or a crash.

use std::time::Duration;

use etui_chain::ObjectId;
use etui_store::{Collected, Store, StoreError};

use crate::{
    backend::{Backend, Fault, frames, signed_up},
    client::{Client, DAY_MS, Edit, NOW_MS},
    pushes::{push, records_of},
};

const HOUR: Duration = Duration::from_hours(1);

/// Now, as the clock of the folder has it: objects of the store are as old as their files.
fn real_now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn large(client: &mut Client) -> Vec<Edit> {
    (0..10).map(|_| Edit::Put(client.id(), 8192)).collect()
}

pub(crate) async fn everything_is_there_after_reopening(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let edits = large(&mut client);
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let small = client.id();
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(small, 8), edits[0]]).await;
    store.close().await;

    let store = backend.open().await;
    let authority = store.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    assert_eq!(&store.newest_state(&authority).await.unwrap(), client.newest());
    let (_, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
    let expected = client.vaults[&vault_id].records.values().map(|record| record.to_vec());
    assert_eq!(records_of(frames(stream).await), expected.collect::<Vec<_>>());
    // The ledger is read from the rows.
    push(&store, &mut client, &authority, vault_id, &[Edit::Purge(small)]).await;
    let upload = client.edit(vault_id, &[Edit::Put(small, 8)]);
    store.close().await;
    let store = backend.open().await;
    assert!(store.push(&authority, vault_id, upload).await.is_err(), "a purged id stays so");
}

pub(crate) async fn a_full_disk_stores_nothing(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    store.close().await;
    let store = backend.open_faulty(Fault::Full).await;
    let edits = large(&mut client);
    let upload = client.edit(vault_id, &edits);
    let full = store.push(&authority, vault_id, upload.clone()).await;
    assert!(matches!(full, Err(StoreError::StorageFull)), "{full:?}");
    let (header, _) = store.changes(&authority, vault_id, 0).await.unwrap();
    assert_eq!(header.head, client.head(vault_id));
    store.close().await;

    let store = backend.open().await;
    store.push(&authority, vault_id, upload).await.unwrap();
}

pub(crate) async fn one_process_serves_a_folder(backend: &Backend) {
    let store = backend.open().await;
    let second = Store::open(&backend.config()).await;
    if backend.is_one_folder() {
        assert!(matches!(second.err(), Some(StoreError::InUse { .. })));
    } else {
        second.unwrap().close().await;
    }
    store.close().await;
    backend.open().await.close().await;
}

pub(crate) async fn the_object_store_is_tried_and_left_as_it_was(backend: &Backend) {
    let store = backend.open().await;
    let report = store.check_objects().await.unwrap();
    assert!(report.refuses_overwriting, "both a folder and Ceph's gateway do");
    assert_eq!(backend.object_count("checks").await, 0, "nothing is left of it");
    store.close().await;
    let full = backend.open_faulty(Fault::Full).await;
    assert!(matches!(full.check_objects().await, Err(StoreError::StorageFull)));
}

pub(crate) async fn an_interrupted_push_leaves_an_orphan_that_is_collected_after_its_grace(
    backend: &Backend,
) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let edits = large(&mut client);
    push(&store, &mut client, &authority, vault_id, &edits).await;
    store.close().await;
    let store = backend.open_faulty(Fault::DiesAfterWriting).await;
    let edits = large(&mut client);
    let upload = client.edit(vault_id, &edits);
    assert!(store.push(&authority, vault_id, upload.clone()).await.is_err());
    store.close().await;

    let store = backend.open().await;
    assert_eq!(backend.object_count("segments").await, 2, "one that is named, one that is not");
    let early = store.collect_garbage(real_now_ms(), HOUR).await.unwrap();
    assert_eq!((early.orphans, backend.object_count("segments").await), (0, 2), "never before its grace");
    let late = store.collect_garbage(real_now_ms() + 2 * 3_600_000, HOUR).await.unwrap();
    assert_eq!((late.orphans, backend.object_count("segments").await), (1, 1));
    store.push(&authority, vault_id, upload).await.unwrap();
    let (_, stream) = store.changes(&authority, vault_id, 0).await.unwrap();
    assert_eq!(records_of(frames(stream).await).len(), 21);
}

pub(crate) async fn superseded_segments_are_collected_after_their_grace(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let edits = large(&mut client);
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let small: ObjectId = client.id();
    push(&store, &mut client, &authority, vault_id, &[Edit::Put(small, 8)]).await;
    let now_ms = NOW_MS + DAY_MS;
    let none = Collected { sessions: 1, ..Collected::default() };
    assert_eq!(store.collect_garbage(now_ms, HOUR).await.unwrap(), none, "all segments are referred to");

    let purges: Vec<Edit> = client.vaults[&vault_id].records.keys().map(|id| Edit::Purge(*id)).collect();
    push(&store, &mut client, &authority, vault_id, &purges).await;
    let none = Collected::default();
    assert_eq!(store.collect_garbage(now_ms, HOUR).await.unwrap(), none, "marked, and kept for its grace");
    assert_eq!(store.collect_garbage(now_ms + 3_599_999, HOUR).await.unwrap(), none);
    let removed = store.collect_garbage(now_ms + 3_600_000, HOUR).await.unwrap();
    assert_eq!(removed, Collected { segments: 3, ..none }, "two inline, one an object");
    assert_eq!(backend.object_count("segments").await, 0);
}

pub(crate) async fn a_newer_schema_is_named(backend: &Backend) {
    backend.open().await.close().await;
    backend.pretend_newer_schema().await;
    let error = Store::open(&backend.config()).await.err().unwrap();
    assert!(
        matches!(&error, StoreError::NewerSchema { migration } if migration == "m9999_later"),
        "{error:?}"
    );
}
