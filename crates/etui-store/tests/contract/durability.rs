//! What is there after a restart, a full disk or a crash.

use std::time::Duration;

use etui_chain::ObjectId;
use etui_store::{Collected, Compacted, Store, StoreError};

use crate::{
    backend::{Backend, Fault, frames, signed_up},
    client::{Client, DAY_MS, Edit, NOW_MS},
    pushes::{push, records_of},
};

const HOUR: Duration = Duration::from_hours(1);

/// Now, as the clock of the folder has it: objects of the store are as old as their files.
pub(crate) fn real_now_ms() -> u64 {
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
    assert_eq!(report.refuses_overwriting, backend.refuses_overwriting());
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
    assert_eq!(store.give_up_orphans(real_now_ms(), HOUR).await.unwrap(), 0, "never before its grace");
    let late_ms = real_now_ms() + 2 * 3_600_000;
    assert_eq!(store.give_up_orphans(late_ms, HOUR).await.unwrap(), 1);
    assert_eq!(store.give_up_orphans(late_ms, HOUR).await.unwrap(), 0, "once");
    assert_eq!(store.collect_garbage(late_ms, HOUR).await.unwrap().segments, 0);
    assert_eq!(store.collect_garbage(late_ms + 3_600_000, HOUR).await.unwrap().segments, 1);
    assert_eq!(backend.object_count("segments").await, 1);
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
    let now_ms = NOW_MS + 8 * DAY_MS;
    let compact = async |now_ms| store.compact_next(now_ms).await.unwrap();
    let collect = async |now_ms| store.collect_garbage(now_ms, HOUR).await.unwrap();
    assert_eq!(compact(NOW_MS).await, None, "given a time");
    assert_eq!(compact(now_ms).await, Some(Compacted::default()), "all segments are whole");
    assert_eq!(collect(now_ms).await, Collected { sessions: 1, segments: 0 });

    let authority = client.sign_in(&store).await;
    let purges: Vec<Edit> = client.vaults[&vault_id].records.keys().map(|id| Edit::Purge(*id)).collect();
    push(&store, &mut client, &authority, vault_id, &purges).await;
    assert_eq!(compact(now_ms).await, None);
    let now_ms = now_ms + 8 * DAY_MS;
    assert_eq!(compact(now_ms).await, Some(Compacted { records: 0, dead_segments: 3 }));
    assert_eq!(
        collect(now_ms).await,
        Collected { sessions: 1, segments: 0 },
        "marked, and kept for its grace"
    );
    let none = Collected::default();
    assert_eq!(collect(now_ms + 3_599_999).await, none);
    let removed = collect(now_ms + 3_600_000).await;
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
